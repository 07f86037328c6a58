from django.urls import URLPattern, URLResolver, re_path

from zapauth.buddy.viewsets import (
    DeviceRegistrationViewSet,
    DeviceViewSet,
    OneUserViewSet,
    ServiceViewSet,
    UserViewSet,
)

# A path may end with a slash.
urlpatterns: list[URLPattern | URLResolver] = [
    re_path(r"^devices/?$", DeviceRegistrationViewSet.as_view({"post": "create"})),
    re_path(r"^devices/current/?$", DeviceViewSet.as_view({"patch": "change_current"})),
    re_path(r"^devices/current/crashreports/?$", DeviceViewSet.as_view({"post": "report_crash"})),
    re_path(r"^users/?$", UserViewSet.as_view({"post": "create", "get": "list"})),
    re_path(r"^users/login/?$", UserViewSet.as_view({"post": "login"})),
    re_path(r"^users/password/?$", UserViewSet.as_view({"post": "ask_for_reset_code", "patch": "reset_password"})),
    re_path(r"^users/me/logout/?$", OneUserViewSet.as_view({"post": "logout"})),
    re_path(
        r"^users/(?P<user_id>[^/]+)/?$",
        OneUserViewSet.as_view({"get": "retrieve", "patch": "update", "delete": "destroy"}),
    ),
    re_path(r"^service/ping/?$", ServiceViewSet.as_view({"get": "ping"})),
]
