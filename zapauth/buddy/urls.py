from django.urls import URLPattern, URLResolver, re_path

from zapauth.buddy.viewsets import (
    DeviceRegistrationViewSet,
    DeviceViewSet,
    OwnUserViewSet,
    ServiceViewSet,
    UserViewSet,
)

# A trailing slash is the same path.
urlpatterns: list[URLPattern | URLResolver] = [
    re_path(r"^devices/?$", DeviceRegistrationViewSet.as_view({"post": "create"})),
    re_path(r"^devices/current/?$", DeviceViewSet.as_view({"patch": "change_current"})),
    re_path(r"^users/?$", UserViewSet.as_view({"post": "create"})),
    re_path(r"^users/login/?$", UserViewSet.as_view({"post": "login"})),
    re_path(r"^users/me/?$", OwnUserViewSet.as_view({"get": "retrieve"})),
    re_path(r"^users/me/logout/?$", OwnUserViewSet.as_view({"post": "logout"})),
    re_path(r"^service/ping/?$", ServiceViewSet.as_view({"get": "ping"})),
]
