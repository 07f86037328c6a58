"""Django REST framework: `ZapAuthAuthentication` asks the gate about each request with a token."""

import logging
from typing import Any

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException, AuthenticationFailed, PermissionDenied
from rest_framework.request import Request

from zapauth_client import configured
from zapauth_client.errors import NO_TOKEN, Forbidden, Refused, Unavailable
from zapauth_client.gate import has_token
from zapauth_client.verdict import Verdict

logger = logging.getLogger("zapauth_client")


class CannotCheck(APIException):
    """503: nobody knows whether the token is live. REST framework sends ``wait`` (seconds) as `Retry-After`."""

    status_code = 503
    default_detail = "The token can't be checked now. Try again later."
    default_code = "temporarily_unavailable"

    def __init__(self, wait: int) -> None:
        super().__init__()
        self.wait = wait


class ZapAuthAuthentication(BaseAuthentication):
    """Sets `request.user` by the function `ZAPAUTH["USER"]`, and `request.auth` to the verdict.

    A request without a token goes to the next authentication class, and then to your permission classes. Put this class
    first in the list: REST framework takes the header `WWW-Authenticate` of a 401 from the first one.
    """

    def authenticate(self, request: Request) -> tuple[Any, Verdict] | None:
        authorization = request.META.get("HTTP_AUTHORIZATION", "")
        if not has_token(authorization):
            return None
        try:
            verdict = self.verdict(authorization)
        except Refused as error:
            request._request.zapauth_challenge = error.challenge  # type: ignore[attr-defined]
            raise AuthenticationFailed("The token is not valid.", code=error.error) from error
        except Forbidden as error:
            raise PermissionDenied(code=error.error) from error
        except Unavailable as error:
            logger.warning("a request gets 503: %s", error)
            raise CannotCheck(error.retry_after) from error
        user = configured.user_function()(verdict)
        if user is None:
            raise PermissionDenied
        return user, verdict

    def authenticate_header(self, request: Request) -> str:
        return getattr(request._request, "zapauth_challenge", NO_TOKEN)

    def verdict(self, authorization: str) -> Verdict:
        """Check the header. Raises: Refused, Forbidden, Unavailable."""
        return configured.gate().check(authorization)


class ZapAuthUntilExpiryAuthentication(ZapAuthAuthentication):
    """Checks tokens by ZapAuth's public keys, and asks nobody.

    **A logged-out token is accepted until its `exp`**: up to 15 minutes after the logout (`ACCESS_TOKEN_LIFETIME`).
    Tokens that live longer than `ZAPAUTH["LONGEST"]` are refused.
    """

    def verdict(self, authorization: str) -> Verdict:
        return configured.until_expiry().check_until_expiry(authorization)
