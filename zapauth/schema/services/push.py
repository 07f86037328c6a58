"""The operations of the push gate."""

from typing import Any

from drf_spectacular.extensions import OpenApiSerializerFieldExtension

from sessions.pushes import MOST, MOST_OF_USER, MOST_OF_USERS
from users.models import DeviceToken
from zapauth.schema.operations import OBJECT_ID, Operation
from zapauth.services.push.answers import CHECK, GONE, PAGE
from zapauth.services.push.inputs import CheckInput, GoneInput, UserTokensInput
from zapauth.shapes import Schema, list_of

PUSH = "Services: push"
_TOKEN = "fgYo5k5yrt9KaswddR4s5:APA91bFqeRBWioAOysyHLdLn5D"
_MOMENT = "2026-11-22T09:20:00.123456Z"
_VERDICT = {"deviceToken": _TOKEN, "allowed": True, "user": OBJECT_ID, "app": OBJECT_ID[::-1], "platform": "Android"}
_REFUSED = {"deviceToken": "another", "allowed": False, "user": None, "app": None, "platform": None}

OPERATIONS: dict[str, Operation] = {
    "POST /push/check": Operation(
        id="pushCheck",
        tag=PUSH,
        summary="Ask who may get a push now",
        description="A push may be sent to a device token whose user is logged in there: the session is live by all"
        " rules, also right after an order to log everybody out. Ask immediately before each push, and send the id"
        " `user` along in its data, so that the app can drop a push that comes late.\n\n"
        "The answer has one verdict for each value of `deviceTokens`, in their order. With a `user` it is allowed only"
        " if that user is logged in there. Without one, the answer says who is: compare it before you send. Then come"
        f" the other device tokens of `users` that may get a push, among the newest {MOST_OF_USER} of each user,"
        f" or {MOST_OF_USERS:,} divided by the number of users, if that is less."
        " Unknown users have none. The answer does not tell whether a device token is unknown, logged out or out of the"
        " app's reach.",
        takes=CheckInput,
        given={"deviceTokens": [{"deviceToken": _TOKEN, "user": OBJECT_ID}, "another"]},
        answers=CHECK.schema,
        example={"checkedAt": _MOMENT, "deviceTokens": [_VERDICT, _REFUSED]},
    ),
    "GET /push/tokens": Operation(
        id="pushTokens",
        tag=PUSH,
        summary="List the device tokens of a user that may get a push now",
        description=f"The oldest first. A page looks at {MOST_OF_USER}, and may have fewer. `next`: there are more.",
        takes=UserTokensInput,
        answers=PAGE.schema,
        example={"checkedAt": _MOMENT, "deviceTokens": [_VERDICT], "next": "1024"},
    ),
    "POST /push/gone": Operation(
        id="pushGone",
        tag=PUSH,
        summary="Report device tokens that FCM or APNs no longer knows",
        description="FCM has answered `UNREGISTERED` (404), or APNs 410. The device token is taken from its user, and"
        " this is recorded. The session goes on. Send `checkedAt` of the check: then a device token stays if its phone"
        " has sent it again since. `checkedAt` can also stand beside each device token. `detached` is the number of"
        " device tokens that were taken. A second report changes nothing, nor does one about a device token out of the"
        " app's reach.",
        takes=GoneInput,
        given={"deviceTokens": [_TOKEN], "checkedAt": _MOMENT},
        answers=GONE.schema,
        example={"detached": 1},
    ),
}
NOTES: dict[str, Schema] = {
    "user": {"description": "The id of a user."},
    "after": {"description": "`next` of the previous page."},
    "checkedAt": {"description": "When the push was checked. Without it: now."},
}


_USER: Schema = {"type": "string", "minLength": 1, "maxLength": 24}
_TIME: Schema = {"type": "string", "format": "date-time"}
_MORE: dict[str, Schema] = {"user": _USER, "checkedAt": _TIME}
# An array without values counts as left out.
_SOME: Schema = {"minItems": 1}
# What the inputs require besides single fields.
RULES: dict[type[Any], Schema] = {
    CheckInput: {
        "anyOf": [{"required": [name], "properties": {name: _SOME}} for name in ("deviceTokens", "users")],
    },
    GoneInput: {"properties": {"deviceTokens": _SOME}},
}


class MomentField(OpenApiSerializerFieldExtension):
    target_class = "zapauth.services.push.inputs.Moment"

    def map_serializer_field(self, auto_schema: Any, direction: str) -> Schema:
        return _TIME


class UsersField(OpenApiSerializerFieldExtension):
    target_class = "zapauth.services.push.inputs.Users"

    def map_serializer_field(self, auto_schema: Any, direction: str) -> Schema:
        return list_of(_USER) | {"maxItems": MOST, "description": "Ids of users."}


class DeviceTokensField(OpenApiSerializerFieldExtension):
    target_class = "zapauth.services.push.inputs.DeviceTokens"

    def map_serializer_field(self, auto_schema: Any, direction: str) -> Schema:
        more = {name: _MORE[name] for name in self.target.more}
        text = {"type": "string", "minLength": 1, "maxLength": DeviceToken.MAX_LENGTH}
        item = {
            "type": "object",
            "properties": {"deviceToken": text, **more},
            "required": ["deviceToken"],
            "additionalProperties": False,
        }
        return list_of({"anyOf": [text, item]}) | {"maxItems": MOST}
