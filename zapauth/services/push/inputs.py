"""The inputs of the push gate."""

from datetime import UTC, datetime
from typing import Any, cast

from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from sessions.pushes import MOST
from users.models import DeviceToken


class Text(serializers.CharField):
    """A JSON string. DRF's own field would also accept a number."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Moment(serializers.Field[Any, Any, Any, Any]):
    """A date with a time and its time zone, in ISO 8601, such as `checkedAt` in an answer."""

    default_error_messages = {"invalid": "A time is ISO 8601 with its time zone: 2023-02-27T16:57:05.913123Z."}

    def to_internal_value(self, data: Any) -> datetime:
        try:
            moment = datetime.fromisoformat(data)
            if moment.tzinfo is None:
                self.fail("invalid")
            return moment.astimezone(UTC)
        except (TypeError, ValueError, OverflowError):
            self.fail("invalid")


_DEVICE_TOKEN = Text(max_length=DeviceToken.MAX_LENGTH)
_USER = Text(max_length=24)
_MOMENT = Moment()


class ManyOf(serializers.Field[Any, Any, Any, Any]):
    """An array of at most `MOST` values. Its errors are flat: they name the place in the array."""

    default_error_messages = {
        "invalid": "It must be an array.",
        "too_many": "There are more than {most} values. Send them in several requests.",
    }

    def to_internal_value(self, data: Any) -> list[Any]:
        if not isinstance(data, list):
            self.fail("invalid")
        if len(data) > MOST:
            self.fail("too_many", most=MOST)
        return [self._at(place, each) for place, each in enumerate(data)]

    def _at(self, place: int, value: Any) -> Any:
        try:
            return self.one(value)
        except ValidationError as error:
            raise ValidationError(f"Value {place}: {cast('list[str]', error.detail)[0]}") from error

    def one(self, value: Any) -> Any:
        """Return one validated value. Raises: ValidationError, with a list of texts."""
        raise NotImplementedError


class Users(ManyOf):
    def one(self, value: Any) -> str:
        user_id: str = _USER.run_validation(value)
        return user_id


class DeviceTokens(ManyOf):
    """Device tokens: each is a text, or an object with `deviceToken` and the fields ``more``.

    An unknown field of such an object is an error. If a misspelt `user` were ignored, the message for that user would
    go to whoever has the phone now.
    """

    def __init__(self, more: dict[str, serializers.Field[Any, Any, Any, Any]], **options: Any) -> None:
        self.more = more
        super().__init__(**options)

    def one(self, value: Any) -> tuple[str, Any]:
        """Return the device token, and the value of the other field or None."""
        if not isinstance(value, dict):
            return _DEVICE_TOKEN.run_validation(value), None
        if value.keys() - {"deviceToken", *self.more}:
            known = " and ".join(f"`{name}`" for name in ("deviceToken", *self.more))
            raise ValidationError([f"It has an unknown field. The known ones are {known}."])
        if "deviceToken" not in value:
            raise ValidationError(["`deviceToken` is missing."])
        given = [field.run_validation(value[name]) for name, field in self.more.items() if name in value]
        return _DEVICE_TOKEN.run_validation(value["deviceToken"]), given[0] if given else None


class CheckInput(serializers.Serializer[Any]):
    """Device tokens, users, or both: at most `MOST` of each."""

    deviceTokens = DeviceTokens({"user": _USER}, source="device_tokens", default=list)
    users = Users(default=list)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs["device_tokens"] and not attrs["users"]:
            raise ValidationError("Send `deviceTokens`, `users` or both, with at least one value.")
        return attrs


class UserTokensInput(serializers.Serializer[Any]):
    user = Text(max_length=24)
    after = serializers.IntegerField(required=False, min_value=0, max_value=2**63 - 1)


class GoneInput(serializers.Serializer[Any]):
    deviceTokens = DeviceTokens({"checkedAt": _MOMENT}, source="device_tokens")
    checkedAt = Moment(source="checked_at", required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs["device_tokens"]:
            raise ValidationError("Send at least one device token.")
        return attrs
