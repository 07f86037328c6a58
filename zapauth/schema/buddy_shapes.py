"""What stands in Buddy's envelope, as JSON Schema; `zapauth.buddy.envelope` makes it."""

from zapauth.schema.operations import OBJECT_ID_SCHEMA, TOKEN_SCHEMA, Schema, closed, constant, list_of, ref

# Milliseconds since 1970, UTC.
TIME: Schema = {"type": "string", "pattern": r"^/Date\(-?\d+\)/$"}
TEXT: Schema = {"type": "string", "minLength": 1}
# Two clients keep tokens in files where % and blanks mean something.
PAGING_TOKEN: Schema = {"type": "string", "pattern": "^[^% ]+$"}
REQUEST_ID: Schema = {"type": "string", "format": "uuid"}

_LOCATION = closed(
    {
        "lat": {"type": "number", "minimum": -90, "maximum": 90},
        "lng": {"type": "number", "minimum": -180, "maximum": 180},
    }
)
_USER: dict[str, Schema] = {
    "id": OBJECT_ID_SCHEMA,
    "userName": TEXT,
    "firstName": TEXT,
    "lastName": TEXT,
    "email": TEXT,
    "gender": {"enum": ["Male", "Female"]},
    "dateOfBirth": TIME,
    "lastLogin": TIME,
    "created": TIME,
    "lastModified": TIME,
    "location": _LOCATION,
    "tag": TEXT,
}
_GRANT: dict[str, Schema] = {"accessToken": TOKEN_SCHEMA, "accessTokenExpires": TIME}
_DEVICE: dict[str, Schema] = {
    "id": OBJECT_ID_SCHEMA,
    "uniqueId": TEXT,
    "platform": TEXT,
    "model": TEXT,
    "osVersion": TEXT,
    "appVersion": TEXT,
    "connectionType": TEXT,
    "isProduction": {"type": "boolean"},
    "created": TIME,
    "lastModified": TIME,
    "location": _LOCATION,
    "tag": TEXT,
}
_OPTIONAL_OF_USER = [*_USER.keys() - {"id", "userName", "created", "lastModified"}]
_OPTIONAL_OF_DEVICE = [*_DEVICE.keys() - {"id", "platform", "created", "lastModified"}]

SHAPES: dict[str, Schema] = {
    "BuddyUser": closed(_USER, optional=_OPTIONAL_OF_USER)
    | {"description": "What there is no value for is left out, never null."},
    "BuddyLoggedInUser": closed(_USER | _GRANT, optional=_OPTIONAL_OF_USER)
    | {"description": "A user with a user-level token of theirs."},
    "BuddyUserList": closed(
        {
            "pageResults": list_of(ref("BuddyUser")),
            **dict.fromkeys(("currentToken", "nextToken", "previousToken"), PAGING_TOKEN),
        },
        optional=["nextToken", "previousToken"],
    ),
    "BuddyDevice": closed(_DEVICE, optional=_OPTIONAL_OF_DEVICE)
    | {"description": "What there is no value for is left out, never null; the push address is never told."},
    "BuddyGrant": closed(_GRANT) | {"description": "An app-level token."},
    "BuddyDeviceGrant": closed(
        _GRANT
        | {
            "serverSignature": {
                "type": "string",
                "pattern": "^[0-9a-f]{64}$",
                "description": "Of an app with a shared secret: hex HMAC-SHA256(secret, appKey + newline).",
            },
            "serviceRoot": {
                "type": "string",
                "format": "uri",
                "description": "Where to send further calls, where a setting says so.",
            },
        },
        optional=["serverSignature", "serviceRoot"],
    ),
    "BuddyError": closed(
        {
            "status": {"type": "integer", "description": "The HTTP status."},
            "error": {"type": "string"},
            "errorNumber": {"type": "integer", "description": "Clients switch on it."},
            "message": {"type": "string"},
            "request_id": REQUEST_ID,
            "success": constant(False),
        }
    ),
}
