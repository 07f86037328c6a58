from rest_framework_simplejwt.tokens import AccessToken, BlacklistMixin, RefreshToken


class RevocableAccessToken(BlacklistMixin["RevocableAccessToken"], AccessToken):
    """An access token that every request looks up in the blacklist."""


class PairedRefreshToken(RefreshToken):
    access_token_class = RevocableAccessToken
