"""The status, code and message of each error in ZAP. Codes are on the wire: add, never rename."""

from django.core.exceptions import SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse
from rest_framework.exceptions import (
    MethodNotAllowed,
    NotFound,
    ParseError,
    UnsupportedMediaType,
    ValidationError,
)

from sessions.errors import (
    ReauthenticationRequired,
    SessionEnded,
    SessionNotFound,
    SessionsError,
    TokenExpired,
    TokenInvalid,
    TokenMissing,
    WrongPasswordGiven,
)
from users.errors import (
    AccountDisabled,
    AppInactive,
    BadCredentials,
    CodeInvalid,
    EmailMismatch,
    IdentityTaken,
    NoSmsGateway,
    NotYours,
    PasswordRefused,
    RegistrationClosed,
    SecondFactorEnabled,
    SecondFactorInvalid,
    SecondFactorNotConfirmed,
    SecondFactorRequired,
    TooManyAttempts,
    UserNotFound,
    WrongPassword,
)
from zapauth.dialect import BodyTooLarge, field_errors
from zapauth.server.bodies import BodyCutOff, BodyTimedOut
from zapauth.unavailable import UNAVAILABLE, Unavailable
from zapauth.zap import envelope

CHALLENGE = 'Bearer realm="zapauth"'


# The first match counts, so subclasses come before their base class.
_WORDS: tuple[tuple[type[Exception], int, str, str], ...] = (
    (TokenMissing, 401, "token_missing", "This request needs an access token."),
    (TokenExpired, 401, "token_expired", "The token has expired."),
    (TokenInvalid, 401, "token_invalid", "The token is not valid."),
    (SessionEnded, 401, "session_ended", "The session of this token has ended."),
    (BadCredentials, 401, "invalid_credentials", "No user has this identity and password."),
    (SecondFactorRequired, 401, "two_factor_required", "This log-in also needs a code: send it as twoFaToken."),
    (SecondFactorInvalid, 401, "two_factor_invalid", "The code of the second factor is wrong, used or expired."),
    (SecondFactorEnabled, 422, "two_factor_enabled", "The second factor is on already."),
    (AppInactive, 403, "app_inactive", "This app is switched off."),
    (AccountDisabled, 403, "account_disabled", "This account is disabled."),
    (NotYours, 403, "permission_denied", "You may not do this for another user."),
    (
        ReauthenticationRequired,
        403,
        "reauthentication_required",
        "This needs the password: send it along, or log in again.",
    ),
    (RegistrationClosed, 403, "registration_closed", "Registration is closed; ask the staff for an account."),
    (UserNotFound, 404, "not_found", "There is no such user."),
    (SessionNotFound, 404, "not_found", "That user has no live session of this id."),
    (NotFound, 404, "not_found", "There is nothing at this path."),
    (Http404, 404, "not_found", "There is nothing at this path."),
    (MethodNotAllowed, 405, "method_not_allowed", "This path does not take this method."),
    (UnsupportedMediaType, 400, "unsupported_media_type", "Send the body with Content-Type: application/json."),
    (BodyTooLarge, 400, "body_too_large", "The body is too large."),
    (BodyTimedOut, 408, "request_timeout", "The body did not arrive in time. Nothing was done; send it again."),
    (BodyCutOff, 400, "invalid_json", "The body ended early."),
    (ParseError, 400, "invalid_json", "The body is not valid JSON."),
    (SuspiciousOperation, 400, "bad_request", "The request is malformed."),
    (TooManyAttempts, 429, "too_many_attempts", "Too many attempts. Try again later."),
    (Unavailable, 503, "unavailable", UNAVAILABLE),
)
# For well-formed requests that break a rule: the field, the code, the message.
_RULES: dict[type[Exception], tuple[str, str, str]] = {
    EmailMismatch: ("email", "email_mismatch", "This is not the email of the user."),
    WrongPassword: ("oldPassword", "wrong_password", "This is not the old password."),
    WrongPasswordGiven: ("password", "wrong_password", "This is not the password."),
    NoSmsGateway: (
        "phoneNumber",
        "no_sms_gateway",
        "A code can't be sent to a phone number, for there is no SMS gateway. It can be mailed to an email.",
    ),
    SecondFactorNotConfirmed: ("token", "two_factor_invalid", "The code does not fit the new secret."),
    CodeInvalid: ("otp", "invalid_code", "The code is wrong, used or expired."),
}


def failure(request: HttpRequest, error: Exception) -> HttpResponse | None:
    """Return the answer to ``error``, or None if the error is a bug of ours."""
    if isinstance(error, ValidationError):
        return _invalid(error)
    if isinstance(error, IdentityTaken):
        field = {"phone_number": "phoneNumber"}.get(error.field, error.field)
        return _refused(field, f"{error.field}_taken", f"This {field} is already taken.")
    if isinstance(error, PasswordRefused):
        field = {"new_password": "newPassword"}.get(error.field, error.field)
        return _invalid(ValidationError({field: error.reasons}))
    if type(error) in _RULES:
        return _refused(*_RULES[type(error)])
    for kind, status, code, message in _WORDS:
        if isinstance(error, kind):
            headers = {"WWW-Authenticate": _challenge(error, message)} if status == 401 else {}
            if isinstance(error, TooManyAttempts | Unavailable):
                headers["Retry-After"] = str(error.retry_after)
            return envelope.failure(status=status, code=code, message=message, headers=headers)
    return None


def _refused(field: str, code: str, message: str) -> HttpResponse:
    return envelope.failure(status=422, code=code, message=message, errors={field: [message]})


def server_error(request: HttpRequest) -> HttpResponse:
    return envelope.failure(status=500, code="server_error", message="An error occured while processing the request")


def _challenge(error: Exception, message: str) -> str:
    # RFC 6750 §3.1: the challenge to a request without a token has no error code.
    if isinstance(error, SessionsError) and not isinstance(error, TokenMissing):
        return f'{CHALLENGE}, error="invalid_token", error_description="{message}"'
    return CHALLENGE


def _invalid(error: ValidationError) -> HttpResponse:
    errors = {field: [str(text) for text in texts] for field, texts in field_errors(error).items()}
    whole = errors.pop("non_field_errors", None)
    message = whole[0] if whole else next(f"{field}: {texts[0]}" for field, texts in errors.items())
    return envelope.failure(status=400, code="invalid_request", message=message, errors=errors)
