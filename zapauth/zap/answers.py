"""The contents of `data` in ZAP's answers."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import segno

from sessions.models import Session
from sessions.tokens.grant import Grant
from users.models import Device, SecurityEvent, User
from users.record.describing import describe
from users.record.reading import MOST_COUNTED
from users.second_factor.enabling import NewSecret, has_factor
from zapauth.shapes import BOOLEAN, OBJECT_ID, TEXT, TOKEN, UUID, Field, Schema, Shape, constant, fields_of, list_of

TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
TIME: Schema = {"type": "string", "format": "date-time", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"}
COUNT: Schema = {"type": "integer", "minimum": 0}

# Misspelt, because ZAP's documentation has it so and clients compare it.
LOGGED_OUT = "Logout Successfull"
USER_DELETED = "User deleted successfully"
SESSION_ENDED = "Session ended successfully"
PASSWORD_CHANGED = "Password updated successfully"
RESET_CODE_SENT = "Reset Email sent"
EMAIL_CODE_SENT = "OTP Generated"
EMAIL_CODE_SENT_AGAIN = "OTP ReSent"
EMAIL_VERIFIED = "OTP verified"
FACTOR_BEGUN = "2FA Successfully enabled"
FACTOR_VERIFIED = "Token verified successfully"
FACTOR_DISABLED = "2FA disabled Successfully"


def time_json(moment: datetime | None) -> str | None:
    """Format a time in ISO 8601, UTC, with milliseconds: `2023-02-27T16:57:05.913Z`."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat("T", "milliseconds")[:-6] + "Z"


# --- users --------------------------------------------------------------------------------------

USER = Shape[User](
    "ZapUser",
    {
        "id": Field(OBJECT_ID, lambda user: user.pk),
        "name": Field(TEXT, lambda user: user.get_full_name()),
        "username": Field(TEXT, lambda user: user.username),
        "email": Field(TEXT_OR_NULL, lambda user: user.latest_email),
        "phoneNumber": Field(TEXT_OR_NULL, lambda user: user.phone_number),
        "roleId": Field(TEXT_OR_NULL, lambda user: user.role_id),
        "iPAddress": Field(
            list_of(TEXT) | {"description": "The addresses from which they registered and logged in, newest first."},
            lambda user: user.ip_addresses,
        ),
        "emailVerified": Field(BOOLEAN, lambda user: user.is_latest_email_verified),
        "createdAt": Field(TIME, lambda user: time_json(user.created_at)),
        "updatedAt": Field(TIME, lambda user: time_json(user.updated_at)),
        "deletedAt": Field(
            TIME | {"description": "Only for a deleted user. Staff may see these."},
            lambda user: time_json(user.deleted_at),
            is_optional=True,
        ),
    },
)
_TWO_FACTOR = Shape[User](
    "",
    {
        "secret": Field({"type": "string", "const": "", "description": "Always empty."}, lambda _: ""),
        "enabled": Field(BOOLEAN, has_factor),
    },
)
OWN_USER = Shape[User](
    "ZapOwnUser",
    {
        **USER.fields,
        "twoFA": Field(_TWO_FACTOR.schema, _TWO_FACTOR),
        "userAgent": Field(
            list_of(TEXT) | {"description": "The last ten with which they logged in, newest first."},
            lambda user: user.user_agents,
        ),
    },
)


class UserPage(NamedTuple):
    """One page of the user list; ``total`` counts the users on all pages."""

    users: Sequence[User]
    per_page: int
    page: int
    total: int


USER_LIST = Shape[UserPage](
    "ZapUserList",
    {
        "userData": Field(list_of(USER.ref), lambda page: [USER(user) for user in page.users]),
        "bodyLimit": Field(
            {"type": "integer", "minimum": 1, "maximum": 100, "description": "The number of users on a page."},
            lambda page: page.per_page,
        ),
        "pageLimit": Field(
            {"type": "integer", "minimum": 1, "description": "The number of this page."}, lambda page: page.page
        ),
        "dataCount": Field(COUNT | {"description": "The number of users on all pages."}, lambda page: page.total),
    },
)

# --- the security record ------------------------------------------------------------------------


class ActivityPage(NamedTuple):
    """One page of the security record; ``total`` counts the entries on all pages."""

    entries: Sequence[SecurityEvent]
    per_page: int
    page: int
    total: int
    to_staff: bool


class Activity(NamedTuple):
    """An entry of the security record, and whether staff read it."""

    entry: SecurityEvent
    to_staff: bool


ACTIVITY = Shape[Activity](
    "ZapActivity",
    {
        "description": Field(
            TEXT | {"description": "One sentence."}, lambda seen: describe(seen.entry, to_staff=seen.to_staff)
        ),
        "type": Field(constant("security"), lambda _: "security"),
        "topic": Field(constant("Security Alert"), lambda _: "Security Alert"),
        "createdAt": Field(TIME, lambda seen: time_json(seen.entry.at)),
        "updatedAt": Field(
            TIME | {"description": "The same as `createdAt`: an entry never changes."},
            lambda seen: time_json(seen.entry.at),
        ),
        "id": Field({"type": "string", "pattern": "^[0-9]+$"}, lambda seen: str(seen.entry.pk)),
    },
)
ACTIVITY_LIST = Shape[ActivityPage](
    "ZapActivityList",
    {
        "activityData": Field(
            list_of(ACTIVITY.ref), lambda page: [ACTIVITY(Activity(entry, page.to_staff)) for entry in page.entries]
        ),
        "bodyLimit": Field(
            {"type": "integer", "minimum": 1, "maximum": 100, "description": "The number of entries on a page."},
            lambda page: page.per_page,
        ),
        "pageLimit": Field(
            {"type": "integer", "minimum": 1, "description": "The number of this page."}, lambda page: page.page
        ),
        "dataCount": Field(
            COUNT | {"maximum": MOST_COUNTED, "description": "The number of entries on all pages, 10,000 at most."},
            lambda page: page.total,
        ),
    },
)


# --- the second factor --------------------------------------------------------------------------


def _qr_code(secret: NewSecret) -> str:
    # A black and white PNG of some 500 to 1000 bytes. Most screens show the code well at five pixels a square.
    return segno.make(secret.uri, error="m", micro=False).png_data_uri(scale=5)


FACTOR_SECRET = Shape[NewSecret](
    "ZapFactorSecret",
    {
        "qrCodeUrl": Field(
            {
                "type": "string",
                "pattern": "^data:image/png;base64,",
                "description": "A picture that authenticator apps read: a PNG as a data URL.",
            },
            _qr_code,
        ),
        "base32Secret": Field(
            {"type": "string", "pattern": "^[A-Z2-7]{32}$", "description": "The secret, to type into an app."},
            lambda secret: secret.base32,
        ),
        "message": Field(constant(FACTOR_BEGUN), lambda _: FACTOR_BEGUN),
    },
)
_RECOVERY_CODE: Schema = {"type": "string", "pattern": "^[0-9a-hjkmnp-tv-z]{4}(-[0-9a-hjkmnp-tv-z]{4}){5}$"}
RECOVERY_CODES: Schema = list_of(_RECOVERY_CODE) | {
    "description": "Each works once in place of a code of the app. They are shown only here.",
    "minItems": 10,
    "maxItems": 10,
}

# --- login and logout ---------------------------------------------------------------------------


class LoggedIn(NamedTuple):
    """A user and the tokens of their login."""

    user: User
    grant: Grant


# A copy of the whole answer within the answer: some clients read `data.data.id`. Clients that follow an older page
# of the documentation read five fields of the user beside the token.
LOGIN = Shape[LoggedIn](
    "ZapLogin",
    {
        "success": Field(constant(True), lambda _: True),
        "data": Field(USER.ref, lambda made: USER(made.user)),
        "token": Field(TOKEN, lambda made: made.grant.access_token),
        "refreshToken": Field(TOKEN, lambda made: made.grant.refresh_token),
        **fields_of(USER, lambda made: made.user, only=["id", "name", "email", "createdAt", "updatedAt"]),
    },
)
# The refresh token is included if refresh tokens rotate (ROTATE_REFRESH_TOKENS).
TOKENS = Shape[Grant](
    "ZapTokens",
    {
        "token": Field(TOKEN, lambda grant: grant.access_token),
        "refreshToken": Field(TOKEN, lambda grant: grant.refresh_token, is_optional=True),
    },
)


class ListedSession(NamedTuple):
    """A session in the list that the session ``current`` asked for."""

    session: Session
    current: Session


SESSION_DEVICE = Shape[Device](
    "ZapSessionDevice",
    {
        "id": Field(OBJECT_ID, lambda device: device.pk),
        "platform": Field(TEXT, lambda device: device.platform),
        "model": Field(TEXT, lambda device: device.model),
        "osVersion": Field(TEXT, lambda device: device.os_version),
        "appVersion": Field(TEXT, lambda device: device.app_version),
    },
)
SESSION = Shape[ListedSession](
    "ZapSession",
    {
        "id": Field(UUID, lambda listed: str(listed.session.pk)),
        "current": Field(
            BOOLEAN | {"description": "Whether it is the session of the caller."},
            lambda listed: listed.session.pk == listed.current.pk,
        ),
        "app": Field(TEXT, lambda listed: listed.session.app.name),
        "platform": Field(TEXT_OR_NULL, lambda listed: listed.session.platform or None),
        "device": Field(
            {"oneOf": [SESSION_DEVICE.ref, {"type": "null"}]},
            lambda listed: SESSION_DEVICE(listed.session.device) if listed.session.device else None,
        ),
        "hasDeviceToken": Field(
            BOOLEAN | {"description": "Whether the device gets pushes for the user."},
            lambda listed: _gets_pushes(listed.session),
        ),
        "iPAddress": Field(TEXT_OR_NULL, lambda listed: listed.session.ip),
        "country": Field(
            TEXT_OR_NULL | {"description": "The country of the log-in: its ISO 3166-1 code. Null: unknown."},
            lambda listed: listed.session.country,
        ),
        "city": Field(TEXT_OR_NULL, lambda listed: listed.session.city),
        "userAgent": Field(TEXT, lambda listed: listed.session.user_agent),
        "createdAt": Field(TIME, lambda listed: time_json(listed.session.created_at)),
        "lastSeenAt": Field(
            TIME | {"description": "Exact to a few minutes."}, lambda listed: time_json(listed.session.last_seen_at)
        ),
        "expiresAt": Field(TIME, lambda listed: time_json(listed.session.expires_at)),
    },
)
SESSION_LIST = Shape[Sequence[ListedSession]](
    "ZapSessionList",
    {
        "sessionData": Field(list_of(SESSION.ref), lambda rows: [SESSION(listed) for listed in rows]),
        "dataCount": Field(COUNT, len),
    },
)
ENDED = Shape[int](
    "", {"ended": Field(COUNT | {"description": "The number of sessions that this call ended."}, lambda count: count)}
)


def _gets_pushes(session: Session) -> bool:
    push = session.device_token
    return push is not None and push.user_id == session.user_id


COMPONENTS: tuple[Shape[Any], ...] = (
    *(USER, OWN_USER, LOGIN, USER_LIST, SESSION, SESSION_DEVICE, SESSION_LIST, TOKENS),
    *(ACTIVITY, ACTIVITY_LIST, FACTOR_SECRET),
)
