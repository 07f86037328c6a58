from django.urls import URLPattern, URLResolver, re_path

from zapauth.zap.authentication import OptionalAuthentication
from zapauth.zap.viewsets import LoginViewSet, LogoutViewSet, UserViewSet

# A trailing slash is the same path.
urlpatterns: list[URLPattern | URLResolver] = [
    re_path(r"^users/?$", UserViewSet.as_view({"post": "create"}, authentication_classes=[OptionalAuthentication])),
    re_path(r"^users/token/?$", UserViewSet.as_view({"get": "own"})),
    re_path(
        r"^users/logout/(?P<user_id>[^/]+)/?$",
        LogoutViewSet.as_view({"put": "logout_device", "get": "logout_web", "head": "http_method_not_allowed"}),
    ),
    re_path(r"^login/?$", LoginViewSet.as_view({"post": "login"})),
    re_path(r"^refresh/?$", LoginViewSet.as_view({"post": "refresh"})),
]
