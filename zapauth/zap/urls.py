from django.urls import URLPattern, URLResolver, re_path

from zapauth.zap.viewsets import (
    ActivityViewSet,
    ForgottenPasswordViewSet,
    LoginViewSet,
    LogoutViewSet,
    PasswordViewSet,
    SecondFactorViewSet,
    SessionViewSet,
    UserViewSet,
    VerificationViewSet,
)

_USER = r"(?P<user_id>[^/]+)"

# A path may end with a slash.
urlpatterns: list[URLPattern | URLResolver] = [
    re_path(r"^users/?$", UserViewSet.as_view({"post": "create", "get": "list"})),
    re_path(r"^users/token/?$", UserViewSet.as_view({"get": "own"})),
    re_path(rf"^users/updatePhone/{_USER}/?$", UserViewSet.as_view({"put": "update_phone"})),
    re_path(
        rf"^users/logout/{_USER}/?$",
        LogoutViewSet.as_view({"put": "logout_device", "get": "logout_web", "head": "http_method_not_allowed"}),
    ),
    re_path(rf"^users/{_USER}/?$", UserViewSet.as_view({"get": "retrieve", "put": "update", "delete": "destroy"})),
    re_path(rf"^users/{_USER}/sessions/?$", SessionViewSet.as_view({"get": "list"})),
    re_path(rf"^users/{_USER}/sessions/logout/?$", SessionViewSet.as_view({"post": "logout"})),
    re_path(rf"^users/{_USER}/sessions/(?P<session_id>[^/]+)/?$", SessionViewSet.as_view({"delete": "destroy"})),
    re_path(rf"^users/{_USER}/enable2fa/?$", SecondFactorViewSet.as_view({"post": "enable"})),
    re_path(rf"^users/{_USER}/verify2FA/?$", SecondFactorViewSet.as_view({"post": "verify"})),
    re_path(rf"^users/{_USER}/disable2fa/?$", SecondFactorViewSet.as_view({"post": "disable"})),
    re_path(r"^login/?$", LoginViewSet.as_view({"post": "login"})),
    re_path(r"^refresh/?$", LoginViewSet.as_view({"post": "refresh"})),
    re_path(r"^changePassword/?$", PasswordViewSet.as_view({"post": "change"})),
    re_path(r"^notification/security/?$", ActivityViewSet.as_view({"get": "list"})),
    re_path(r"^otp/?$", VerificationViewSet.as_view({"post": "ask"})),
    re_path(r"^otp/resend/?$", VerificationViewSet.as_view({"post": "ask_again"})),
    re_path(r"^otp/verify/?$", VerificationViewSet.as_view({"post": "verify"})),
    re_path(r"^otp/forgotPassword/?$", ForgottenPasswordViewSet.as_view({"post": "ask"})),
    re_path(r"^forgotPassword/?$", ForgottenPasswordViewSet.as_view({"post": "reset"})),
]
