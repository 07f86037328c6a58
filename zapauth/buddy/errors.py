"""The status, name, number and message of each error in Buddy. Clients switch on the number."""

from django.core.exceptions import SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse
from rest_framework.exceptions import MethodNotAllowed, NotFound, ParseError, UnsupportedMediaType, ValidationError

from sessions.errors import (
    DeviceInUse,
    ReauthenticationRequired,
    SessionEnded,
    TokenExpired,
    TokenInvalid,
    TokenMissing,
    UserTokenRequired,
)
from users.errors import (
    AccountDisabled,
    BadAppCredentials,
    BadCredentials,
    CodeInvalid,
    IdentityTaken,
    NotYours,
    PasswordRefused,
    RegistrationClosed,
    TooManyAttempts,
    UserNotFound,
)
from zapauth.buddy import envelope
from zapauth.dialect import BodyTooLarge, field_errors
from zapauth.server.bodies import BodyCutOff, BodyTimedOut
from zapauth.unavailable import UNAVAILABLE, Unavailable


class SignatureInvalid(Exception):
    """The app has a shared secret, and the signature of the request is missing or wrong."""


class IdInvalid(Exception):
    """The id in the path is malformed."""


AUTH_FAILED = ("AuthFailed", 0x100)
AUTH_SIGNATURE_INVALID = ("AuthSignatureInvalid", 0x102)
AUTH_ACCESS_TOKEN_INVALID = ("AuthAccessTokenInvalid", 0x104)
AUTH_APP_CREDENTIALS_INVALID = ("AuthAppCredentialsInvalid", 0x105)
AUTH_BAD_USERNAME_OR_PASSWORD = ("AuthBadUsernameOrPassword", 0x106)
AUTH_USER_ACCESS_TOKEN_REQUIRED = ("AuthUserAccessTokenRequired", 0x107)
AUTH_USER_ACCOUNT_DISABLED = ("AuthUserAccountDisabled", 0x108)
PARAMETER_MISSING_REQUIRED_VALUE = ("ParameterMissingRequiredValue", 0x201)
PARAMETER_OUT_OF_RANGE = ("ParameterOutOfRange", 0x202)
PARAMETER_INCORRECT_FORMAT = ("ParameterIncorrectFormat", 0x203)
OPERATION_NOT_FOUND = ("OperationNotFound", 0x204)
ITEM_DOES_NOT_EXIST = ("ItemDoesNotExist", 0x301)
ITEM_ALREADY_EXISTS = ("ItemAlreadyExists", 0x302)
OBJECT_PERMISSION_DENIED = ("ObjectPermissionDenied", 0x303)
# Buddy's documentation has no server errors, so it does not have this one.
INTERNAL_SERVER_ERROR = ("InternalServerError", 0x500)
SERVICE_UNAVAILABLE = ("ServiceUnavailable", 0x503)

_TOKEN_INVALID = "The access token is missing, invalid or expired, or its session has ended."

# The first match counts, so subclasses come before their base class.
_WORDS: tuple[tuple[type[Exception], int, tuple[str, int], str], ...] = (
    (TokenMissing, 401, AUTH_ACCESS_TOKEN_INVALID, _TOKEN_INVALID),
    (TokenExpired, 401, AUTH_ACCESS_TOKEN_INVALID, _TOKEN_INVALID),
    (TokenInvalid, 401, AUTH_ACCESS_TOKEN_INVALID, _TOKEN_INVALID),
    (SessionEnded, 401, AUTH_ACCESS_TOKEN_INVALID, _TOKEN_INVALID),
    (SignatureInvalid, 401, AUTH_SIGNATURE_INVALID, "The request signature is missing or wrong."),
    (
        BadAppCredentials,
        401,
        AUTH_APP_CREDENTIALS_INVALID,
        "The supplied AppId or AppKey is invalid, please double check the values.",
    ),
    (BadCredentials, 401, AUTH_BAD_USERNAME_OR_PASSWORD, "The user name or password is wrong."),
    (CodeInvalid, 401, AUTH_FAILED, "The reset code is wrong, used or expired."),
    (UserTokenRequired, 403, AUTH_USER_ACCESS_TOKEN_REQUIRED, "This call needs a user: log in first."),
    (
        ReauthenticationRequired,
        403,
        AUTH_USER_ACCESS_TOKEN_REQUIRED,
        "This call needs the password: send it along, or log in again.",
    ),
    (AccountDisabled, 403, AUTH_USER_ACCOUNT_DISABLED, "This account is disabled."),
    (RegistrationClosed, 403, OBJECT_PERMISSION_DENIED, "Registration is closed; ask for an account."),
    (DeviceInUse, 403, OBJECT_PERMISSION_DENIED, "A user is logged in on this device; only their token changes it."),
    (NotYours, 403, OBJECT_PERMISSION_DENIED, "This belongs to somebody else."),
    (UserNotFound, 404, ITEM_DOES_NOT_EXIST, "There is no such user."),
    (NotFound, 404, OPERATION_NOT_FOUND, "There is no such operation."),
    (Http404, 404, OPERATION_NOT_FOUND, "There is no such operation."),
    (MethodNotAllowed, 405, OPERATION_NOT_FOUND, "This operation does not take this method."),
    (
        UnsupportedMediaType,
        400,
        PARAMETER_INCORRECT_FORMAT,
        "Send the body as application/json or application/x-www-form-urlencoded.",
    ),
    (BodyTooLarge, 400, PARAMETER_OUT_OF_RANGE, "The body is too large."),
    # No 408: the iOS client would report "no internet".
    (BodyTimedOut, 400, PARAMETER_INCORRECT_FORMAT, "The body did not arrive in time."),
    (BodyCutOff, 400, PARAMETER_INCORRECT_FORMAT, "The body ended early."),
    (ParseError, 400, PARAMETER_INCORRECT_FORMAT, "The body can't be read."),
    (SuspiciousOperation, 400, PARAMETER_INCORRECT_FORMAT, "The request is malformed."),
    (IdInvalid, 400, PARAMETER_OUT_OF_RANGE, "The given ID was not valid."),
    (TooManyAttempts, 429, AUTH_FAILED, "Too many attempts. Try again later."),
    (Unavailable, 503, SERVICE_UNAVAILABLE, UNAVAILABLE),
)
_MISSING = {"required", "blank", "null"}
_OUT_OF_RANGE = {"max_length", "min_length", "max_value", "min_value", "max_string_length"}


def failure(request: HttpRequest, error: Exception) -> HttpResponse | None:
    """Return the answer to ``error``, or None if the error is a bug of ours."""
    if isinstance(error, ValidationError):
        return _invalid(request, error)
    if isinstance(error, IdentityTaken):
        name, number = ITEM_ALREADY_EXISTS
        message = f"There is a user with this {error.field} already."
        return envelope.failure(request, status=400, error=name, number=number, message=message)
    if isinstance(error, PasswordRefused):
        # The password is well-formed, but not acceptable: "out of range" in Buddy's documentation.
        name, number = PARAMETER_OUT_OF_RANGE
        parameter = {"new_password": "newPassword"}.get(error.field, error.field)
        message = f"{parameter}: {error.reasons[0]}"
        return envelope.failure(request, status=400, error=name, number=number, message=message)
    for kind, status, (name, number), message in _WORDS:
        if isinstance(error, kind):
            # RFC 9110 §15.5.2: a 401 names the scheme of authentication.
            headers = {"WWW-Authenticate": 'Buddy realm="zapauth"'} if status == 401 else {}
            if isinstance(error, TooManyAttempts | Unavailable):
                headers["Retry-After"] = str(error.retry_after)
            return envelope.failure(request, status=status, error=name, number=number, message=message, headers=headers)
    return None


def server_error(request: HttpRequest) -> HttpResponse:
    name, number = INTERNAL_SERVER_ERROR
    message = "An error occurred while processing the request."
    return envelope.failure(request, status=500, error=name, number=number, message=message)


def _invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """Return the answer about the first invalid parameter. `BuddyInput` gives its name as clients write it."""
    parameter, details = next(iter(field_errors(error).items()))
    first = details[0]
    if first.code in _MISSING:
        name, number = PARAMETER_MISSING_REQUIRED_VALUE
    elif first.code in _OUT_OF_RANGE:
        name, number = PARAMETER_OUT_OF_RANGE
    else:
        name, number = PARAMETER_INCORRECT_FORMAT
    return envelope.failure(request, status=400, error=name, number=number, message=f"{parameter}: {first}")
