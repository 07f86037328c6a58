"""The parameters that Buddy's clients send. Clients may use any case; the names here are in lower case."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from users.models import DeviceToken
from zapauth.buddy.fields import (
    PASSWORD_LENGTH,
    Date,
    Description,
    Email,
    Gender,
    Location,
    Name,
    NewPassword,
    NewUsername,
    Password,
    Text,
    Username,
)
from zapauth.buddy.paging import MOST_PER_PAGE
from zapauth.dialect import field_errors, made_once, validate

CODE_LENGTH = 64  # a recovery code of the second factor, with blanks


class BuddyInput(serializers.Serializer[Any]):
    """The parameters of a call. The values get the names of the model's fields. Every call takes a `location`."""

    location = Location(required=False)

    @classmethod
    def read(cls, data: Any) -> dict[str, Any]:
        """Return the validated values of ``data``. Raises: ValidationError, with the names as clients write them."""
        given = _folded(data)
        fields = made_once(cls).fields
        # A form may contain a field without a value. It counts as left out, unless the field allows an empty text.
        for name, field in fields.items():
            if given.get(name) == "" and not (field.required or getattr(field, "allow_blank", False)):
                del given[name]
        try:
            values = validate(cls, given)
        except serializers.ValidationError as error:
            wrong = {_wire_name(fields[name].source or name): texts for name, texts in field_errors(error).items()}
            raise serializers.ValidationError(wrong) from error
        location = values.pop("location", None)
        return values | (dict(zip(("latitude", "longitude"), location, strict=True)) if location else {})


def _folded(data: Any) -> dict[str, Any]:
    """Return the parameters with names in lower case. If a name comes in two spellings, the one with a value counts."""
    if not isinstance(data, Mapping):
        if data is None or data == []:  # `[]` is PHP's empty array
            return {}
        raise serializers.ValidationError({"body": ["The parameters are an object."]}, code="invalid")
    folded: dict[str, Any] = {}
    for name, value in data.items():
        if value is not None and folded.get(name.lower(), "") == "":
            folded[name.lower()] = value
    return folded


def _wire_name(source: str) -> str:
    first, *rest = source.split("_")
    return first + "".join(word.capitalize() for word in rest)


class DeviceChangeInput(BuddyInput):
    model = Description(max_length=512)
    osversion = Description(source="os_version", max_length=100)
    appversion = Description(source="app_version", max_length=100)
    connectiontype = Description(source="connection_type", max_length=100)
    isproduction = serializers.BooleanField(source="is_production", required=False)
    tag = Description(max_length=4096)
    pushtoken = Text(source="push_token", required=False, allow_blank=True, max_length=DeviceToken.MAX_LENGTH)
    devicetoken = Text(source="device_token", required=False, allow_blank=True, max_length=DeviceToken.MAX_LENGTH)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        # The iOS client's name for the push token.
        ios = attrs.pop("device_token", None)
        return attrs if ios is None else {"push_token": ios} | attrs


class DeviceInput(DeviceChangeInput):
    appid = Text(source="app_id", max_length=255)
    appkey = Text(source="app_key", max_length=255)
    platform = Text(max_length=100)
    uniqueid = Text(source="unique_id", required=False, allow_blank=True, max_length=255)


class CrashReportInput(BuddyInput):
    stacktrace = Text(source="stack_trace")
    message = Description()
    methodname = Description(source="method_name")


class ConfirmedInput(BuddyInput):
    """Parameters with the caller's password. It is needed if their login was too long ago."""

    password = Password(required=False)


class LoginInput(BuddyInput):
    username = Username(max_length=150)
    # The code of a second factor may be appended.
    password = Password(max_length=PASSWORD_LENGTH + CODE_LENGTH)


class ProfileInput(BuddyInput):
    firstname = Name(source="first_name", max_length=150)
    lastname = Name(source="last_name", max_length=150)
    email = Email()
    gender = Gender(required=False)
    dateofbirth = Date(source="date_of_birth", required=False)
    tag = Description(max_length=4096)


class RegistrationInput(LoginInput, ProfileInput):
    username = NewUsername(max_length=150)
    password = NewPassword()


class UserChangeInput(ConfirmedInput, ProfileInput):
    username = NewUsername(max_length=150, required=False)


class UserListInput(BuddyInput):
    limit = serializers.IntegerField(required=False, min_value=1, max_value=MOST_PER_PAGE)
    pagingtoken = Text(source="paging_token", required=False, max_length=500)


class ResetRequestInput(BuddyInput):
    username = Username(max_length=150)


class ResetInput(ResetRequestInput):
    resetcode = Text(source="reset_code", max_length=64)
    newpassword = NewPassword(source="new_password")
