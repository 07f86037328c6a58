"""The gate's answers: 200 with headers for the service behind the gateway, 401, 403 or 503. Never another status."""

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote

from django.conf import settings
from django.http import HttpResponse

from sessions.errors import SessionEnded, TokenExpired, TokenInvalid, TokenMissing
from zapauth.buddy.errors import SignatureInvalid
from zapauth.gate.options import BadOptions
from zapauth.gate.verdict import NotEnough, Passed
from zapauth.services import answers
from zapauth.shapes import OBJECT_ID, UUID, Field, Schema, Shape
from zapauth.unavailable import RETRY_AFTER

# Our names of the headers. The setting GATE_HEADERS can give them other ones.
USER, SESSION, APP, ROLE, REMOTE_USER = NAMES = ("X-User-Id", "X-Session-Id", "X-App-Id", "X-Role-Id", "Remote-User")
UNCHECKED = "X-Session-Checked"  # only with GATE_WITHOUT_DATABASE=accept, while the database is away
_CHALLENGE = 'Bearer realm="zapauth"'
# A role is any text of up to 64 characters. In a header, all others than these are percent-encoded (RFC 3986 §2.1).
_PLAIN_IN_ROLE = "-._~:/@"

TIME: Schema = {"type": "string", "format": "date-time", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"}


class Refusal(NamedTuple):
    """The status, word and sentence of a refusal. Words are on the wire: add, never rename."""

    status: int
    error: str
    description: str


NO_TOKEN = Refusal(401, "token_missing", "Send an access token in the header Authorization, after the word Bearer.")
EXPIRED = Refusal(401, "invalid_token", "The token has expired.")
INVALID = Refusal(401, "invalid_token", "The token is not valid.")
ENDED = Refusal(401, "invalid_token", "The session of this token has ended.")
UNSIGNED = Refusal(401, "invalid_token", "Clients of this app sign their requests. The signature is missing or wrong.")
WRONG_APP = Refusal(403, "insufficient_scope", "The token belongs to an app that has no access here.")
WRONG_LEVEL = Refusal(403, "insufficient_scope", "This needs the token of a user, and not that of an app.")
WRONG_ROLE = Refusal(403, "insufficient_scope", "The user of this token has a role that has no access here.")
BAD_OPTIONS = Refusal(
    403, "insufficient_scope", "The gateway asks for something that can't be checked. ZapAuth's log says what."
)
UNAVAILABLE = Refusal(503, "temporarily_unavailable", "The token can't be checked now. Try again later.")
REFUSALS = (
    *(NO_TOKEN, EXPIRED, INVALID, ENDED, UNSIGNED, WRONG_APP, WRONG_LEVEL, WRONG_ROLE, BAD_OPTIONS),
    UNAVAILABLE,
)
_BY_ERROR: Mapping[type[Exception], Refusal] = {
    TokenMissing: NO_TOKEN,
    TokenExpired: EXPIRED,
    TokenInvalid: INVALID,
    SessionEnded: ENDED,
    SignatureInvalid: UNSIGNED,
    BadOptions: BAD_OPTIONS,
}
_BY_OPTION = {"app": WRONG_APP, "level": WRONG_LEVEL, "role": WRONG_ROLE}

_EXTRA = Shape[Passed](
    "",
    {
        "sid": Field(UUID, lambda passed: passed.session_id),
        "app": Field(OBJECT_ID, lambda passed: passed.app_id),
        "level": Field({"type": "string", "enum": ["user", "app"]}, lambda passed: "user" if passed.user_id else "app"),
        "role": Field({"type": ["string", "null"]}, lambda passed: passed.role_id or None),
        "expires_at": Field(
            TIME | {"description": "When the token expires. Its session can end before."},
            lambda passed: f"{passed.expires_at:%Y-%m-%dT%H:%M:%S}Z",
        ),
        "checked": Field(
            {"const": False, "description": "Only with `GATE_WITHOUT_DATABASE=accept`, while the database is away."},
            lambda passed: None if passed.is_checked else False,
            is_optional=True,
        ),
    },
)
PASSED = Shape[Passed](
    "GatePassed",
    {
        "subject": Field(OBJECT_ID, lambda passed: passed.user_id or passed.app_id),
        "extra": Field(_EXTRA.schema, _EXTRA),
    },
)


def passed(found: Passed) -> HttpResponse:
    """Answer 200. Every header of GATE_HEADERS is there, even without a value, so that it replaces the client's own."""
    user_id = found.user_id or ""
    role = quote(found.role_id, safe=_PLAIN_IN_ROLE) if found.role_id else ""
    values = {USER: user_id, SESSION: found.session_id, APP: found.app_id, ROLE: role, REMOTE_USER: user_id}
    headers = {name: values[ours] for ours, name in settings.GATE_HEADERS.items()}
    if not found.is_checked:
        headers[UNCHECKED] = "no"
    return answers.answer(PASSED(found), headers=headers)


def refusal_for(error: Exception) -> Refusal | None:
    """Return the refusal for ``error``, or None if it is none of the gate's errors."""
    if isinstance(error, NotEnough):
        return _BY_OPTION[error.option]
    return _BY_ERROR.get(type(error))


def refused(refusal: Refusal) -> HttpResponse:
    """Answer 401, 403 or 503, with the challenge of RFC 6750 §3 or the time to wait."""
    status, error, description = refusal
    if refusal is UNAVAILABLE:
        headers = {"Retry-After": str(RETRY_AFTER)}
    elif refusal is NO_TOKEN:  # §3.1: a request without a token gets no error code
        headers = {"WWW-Authenticate": _CHALLENGE}
    else:
        headers = {"WWW-Authenticate": f'{_CHALLENGE}, error="{error}", error_description="{description}"'}
    return answers.failure(status=status, error=error, description=description, headers=headers)
