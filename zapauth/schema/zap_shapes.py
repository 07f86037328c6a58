"""What stands in ZAP's envelope, as JSON Schema; `zapauth.zap.envelope` makes it."""

from zapauth.schema.operations import OBJECT_ID_SCHEMA, TOKEN_SCHEMA, Schema, closed, constant, list_of, ref

TIME: Schema = {"type": "string", "format": "date-time", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"}
TEXT: Schema = {"type": "string"}
TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
COUNT: Schema = {"type": "integer", "minimum": 0}

_ERROR = {"success": constant(False), "message": TEXT, "code": {"type": "string", "pattern": "^[a-z_]+$"}}
_FIELDS: Schema = {
    "type": "object",
    "description": "What is wrong, by field.",
    "minProperties": 1,
    "additionalProperties": list_of(TEXT) | {"minItems": 1},
}

_USER: dict[str, Schema] = {
    "id": OBJECT_ID_SCHEMA,
    "name": TEXT,
    "username": TEXT,
    "email": TEXT_OR_NULL,
    "phoneNumber": TEXT_OR_NULL,
    "roleId": TEXT_OR_NULL,
    "iPAddress": list_of(TEXT) | {"description": "Where they registered and logged in from, newest first."},
    "emailVerified": {"type": "boolean"},
    "createdAt": TIME,
    "updatedAt": TIME,
    "deletedAt": TIME | {"description": "Only of a deleted user, whom staff may see."},
}

SHAPES: dict[str, Schema] = {
    "ZapUser": closed(_USER, optional=["deletedAt"]),
    "ZapOwnUser": closed(
        _USER
        | {
            "twoFA": closed(
                {
                    "secret": {"type": "string", "const": "", "description": "Never told."},
                    "enabled": {"type": "boolean"},
                }
            ),
            "userAgent": list_of(TEXT) | {"description": "The last ten that they logged in with, newest first."},
        },
        optional=["deletedAt"],
    ),
    "ZapLogin": closed(
        {
            "success": constant(True),
            "data": ref("ZapUser"),
            "token": TOKEN_SCHEMA,
            "refreshToken": TOKEN_SCHEMA,
            **{name: _USER[name] for name in ("id", "name", "email", "createdAt", "updatedAt")},
        }
    ),
    "ZapUserList": closed(
        {
            "userData": list_of(ref("ZapUser")),
            "bodyLimit": {"type": "integer", "minimum": 1, "maximum": 100, "description": "Users on a page."},
            "pageLimit": {"type": "integer", "minimum": 1, "description": "The number of this page."},
            "dataCount": COUNT | {"description": "Users on all pages."},
        }
    ),
    "ZapSession": closed(
        {
            "id": {"type": "string", "format": "uuid"},
            "current": {"type": "boolean", "description": "Whether it is the one that asks."},
            "app": TEXT,
            "platform": TEXT_OR_NULL,
            "device": {"oneOf": [ref("ZapSessionDevice"), {"type": "null"}]},
            "hasDeviceToken": {"type": "boolean", "description": "Whether pushes for the user reach it."},
            "iPAddress": TEXT_OR_NULL,
            "userAgent": TEXT,
            "createdAt": TIME,
            "lastSeenAt": TIME | {"description": "To within a few minutes."},
            "expiresAt": TIME,
        }
    ),
    "ZapSessionDevice": closed(
        {"id": OBJECT_ID_SCHEMA, "platform": TEXT, "model": TEXT, "osVersion": TEXT, "appVersion": TEXT}
    ),
    "ZapSessionList": closed({"sessionData": list_of(ref("ZapSession")), "dataCount": COUNT}),
    "ZapTokens": closed({"token": TOKEN_SCHEMA, "refreshToken": TOKEN_SCHEMA}, optional=["refreshToken"]),
    "ZapError": closed(_ERROR),
    "ZapFieldError": closed(_ERROR | {"errors": _FIELDS}),
}
