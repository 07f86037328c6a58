"""Why a request does not pass. Every error has the status for your client."""

NO_TOKEN = 'Bearer realm="zapauth"'
BAD_TOKEN = f'{NO_TOKEN}, error="invalid_token", error_description="The token is not valid."'


class NotPassed(Exception):
    """Answer the request with ``status``, and do nothing else for it. ``error`` is a word of RFC 6750, or our own."""

    status = 503
    error = "temporarily_unavailable"


class Refused(NotPassed):
    """There is no token, or it is not live. Send ``challenge`` as `WWW-Authenticate` (RFC 6750 §3)."""

    status = 401
    error = "invalid_token"

    def __init__(self, challenge: str = NO_TOKEN) -> None:
        super().__init__("The request has no token that is accepted.")
        self.challenge = challenge


class Forbidden(NotPassed):
    """The token is live, but of another app, level or role. ``challenge`` as in `Refused`."""

    status = 403
    error = "insufficient_scope"

    def __init__(self, challenge: str = NO_TOKEN) -> None:
        super().__init__("The token does not reach this service.")
        self.challenge = challenge


class Unavailable(NotPassed):
    """Nobody knows whether the token is live. Send ``retry_after`` (seconds) as `Retry-After`.

    The text says why, for your log. Don't send it to the client.
    """

    def __init__(self, reason: str, *, retry_after: int = 2) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
