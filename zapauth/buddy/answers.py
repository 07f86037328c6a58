"""The contents of `result` in Buddy's answers.

A `result` is never null and never a bare list. A field without a value is left out. The Android and .NET clients can't
read anything else.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sessions.tokens.grant import Grant
from users.models import Device, User
from zapauth.buddy.paging import UserPage
from zapauth.shapes import BOOLEAN, OBJECT_ID, TOKEN, Field, Schema, Shape, fields_of, list_of

FILLED: Schema = {"type": "string", "minLength": 1}
# Milliseconds since 1970, UTC.
TIME: Schema = {"type": "string", "pattern": r"^/Date\(-?\d+\)/$"}
# Two clients keep tokens in files in which % and blanks have a meaning.
PAGING_TOKEN: Schema = {"type": "string", "pattern": "^[^% ]+$"}
PONG = "Pong"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def time_json(moment: datetime | None) -> str | None:
    """`/Date(1423002218900)/`: milliseconds since 1970, UTC; negative before."""
    return None if moment is None else f"/Date({(moment - _EPOCH) // timedelta(milliseconds=1)})/"


_LOCATION = Shape[User | Device](
    "",
    {
        "lat": Field({"type": "number", "minimum": -90, "maximum": 90}, lambda of: of.latitude),
        "lng": Field({"type": "number", "minimum": -180, "maximum": 180}, lambda of: of.longitude),
    },
)


def _location(of: User | Device) -> dict[str, Any] | None:
    return None if of.latitude is None or of.longitude is None else _LOCATION(of)


USER = Shape[User](
    "BuddyUser",
    {
        "id": Field(OBJECT_ID, lambda user: user.pk),
        "userName": Field(FILLED, lambda user: user.username),
        "firstName": Field(FILLED, lambda user: user.first_name, is_optional=True),
        "lastName": Field(FILLED, lambda user: user.last_name, is_optional=True),
        "email": Field(FILLED, lambda user: user.latest_email, is_optional=True),
        "gender": Field({"enum": ["Male", "Female"]}, lambda user: user.gender.capitalize(), is_optional=True),
        "dateOfBirth": Field(TIME, lambda user: time_json(user.date_of_birth), is_optional=True),
        "lastLogin": Field(TIME, lambda user: time_json(user.last_login), is_optional=True),
        "created": Field(TIME, lambda user: time_json(user.created_at)),
        "lastModified": Field(TIME, lambda user: time_json(user.updated_at)),
        "location": Field(_LOCATION.schema, _location, is_optional=True),
        "tag": Field(FILLED, lambda user: user.tag, is_optional=True),
    },
    description="A field without a value is left out, and never null.",
)
USER_LIST = Shape[UserPage](
    "BuddyUserList",
    {
        "pageResults": Field(list_of(USER.ref), lambda page: [USER(user) for user in page.users]),
        "currentToken": Field(PAGING_TOKEN, lambda page: str(page.current)),
        "nextToken": Field(PAGING_TOKEN, lambda page: page.next and str(page.next), is_optional=True),
        "previousToken": Field(PAGING_TOKEN, lambda page: page.previous and str(page.previous), is_optional=True),
    },
)
GRANT = Shape[Grant](
    "BuddyGrant",
    {
        "accessToken": Field(TOKEN, lambda grant: grant.access_token),
        "accessTokenExpires": Field(TIME, lambda grant: time_json(grant.access_expires_at)),
    },
    description="An app-level token.",
)


class LoggedIn(NamedTuple):
    """A user and the user-level token of their login."""

    user: User
    grant: Grant


LOGGED_IN_USER = Shape[LoggedIn](
    "BuddyLoggedInUser",
    {**fields_of(USER, lambda made: made.user), **fields_of(GRANT, lambda made: made.grant)},
    description="A user, with a user-level token.",
)


class RegisteredDevice(NamedTuple):
    """An app-level token for a device. A signed app also gets the server's signature. `service_root` may be empty."""

    grant: Grant
    server_signature: str | None
    service_root: str


DEVICE_GRANT = Shape[RegisteredDevice](
    "BuddyDeviceGrant",
    {
        **fields_of(GRANT, lambda made: made.grant),
        "serverSignature": Field(
            {
                "type": "string",
                "pattern": "^[0-9a-f]{64}$",
                "description": "For an app with a shared secret: hex HMAC-SHA256(secret, appKey + newline).",
            },
            lambda made: made.server_signature,
            is_optional=True,
        ),
        # One client fails on any `serviceRoot`, two fail on a null one.
        "serviceRoot": Field(
            {
                "type": "string",
                "format": "uri",
                "description": "The URL for further calls, if the settings name one.",
            },
            lambda made: made.service_root,
            is_optional=True,
        ),
    },
)
# The push address of a device is a secret, so it is not among the fields.
DEVICE = Shape[Device](
    "BuddyDevice",
    {
        "id": Field(OBJECT_ID, lambda device: device.pk),
        "uniqueId": Field(FILLED, lambda device: device.unique_id, is_optional=True),
        "platform": Field(FILLED, lambda device: device.platform),
        "model": Field(FILLED, lambda device: device.model, is_optional=True),
        "osVersion": Field(FILLED, lambda device: device.os_version, is_optional=True),
        "appVersion": Field(FILLED, lambda device: device.app_version, is_optional=True),
        "connectionType": Field(FILLED, lambda device: device.connection_type, is_optional=True),
        "isProduction": Field(BOOLEAN, lambda device: device.is_production, is_optional=True),
        "created": Field(TIME, lambda device: time_json(device.created_at)),
        "lastModified": Field(TIME, lambda device: time_json(device.updated_at)),
        "location": Field(_LOCATION.schema, _location, is_optional=True),
        "tag": Field(FILLED, lambda device: device.tag, is_optional=True),
    },
    description="A field without a value is left out, and never null. The push address is not shown.",
)

COMPONENTS: tuple[Shape[Any], ...] = (USER, LOGGED_IN_USER, USER_LIST, DEVICE, GRANT, DEVICE_GRANT)
