from rest_framework_simplejwt.tokens import AccessToken, BlacklistMixin, RefreshToken


class RevocableAccessToken(BlacklistMixin["RevocableAccessToken"], AccessToken):
    """Looked up in the blacklist by every request."""


class PairedRefreshToken(RefreshToken):
    access_token_class = RevocableAccessToken
