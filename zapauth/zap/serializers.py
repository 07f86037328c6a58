"""The inputs of ZAP's calls, field by field."""

from datetime import UTC, datetime, time, timedelta
from typing import Any

from django.core.validators import EmailValidator, RegexValidator
from django.utils.dateparse import parse_date
from rest_framework import serializers
from rest_framework.validators import ProhibitSurrogateCharactersValidator

from sessions.sessions_of_user import Scope
from users.models import DeviceToken
from users.printable import validate_identity, validate_name


class _NoSurrogates(ProhibitSurrogateCharactersValidator):
    """DRF's validator, which looks at each character. An ASCII text, such as a device token, needs no look."""

    def __call__(self, value: str) -> None:
        if not value.isascii():
            super().__call__(value)


class Text(serializers.CharField):
    """A JSON string. DRF's own field would also accept a number."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        slow = ProhibitSurrogateCharactersValidator()
        self.validators = [_NoSurrogates() if each == slow else each for each in self.validators]

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Password(Text):
    """A password exactly as typed: blanks at its ends count. Up to 128 characters; ZAP's documentation says 30."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"trim_whitespace": False, "max_length": 128, **options})


class NewPassword(Password):
    def __init__(self, **options: Any) -> None:
        super().__init__(
            min_length=8,
            validators=[
                RegexValidator(r"[0-9]", "A password needs a digit."),
                RegexValidator(r"[^A-Za-z0-9\s]", "A password needs a special character."),
            ],
            **options,
        )


class Username(Text):
    def __init__(self, **options: Any) -> None:
        pattern = RegexValidator(r"\A[A-Za-z0-9_]{2,20}\Z", "A user name has 2 to 20 letters, digits and underscores.")
        super().__init__(validators=[pattern], **options)


class Email(Text):
    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=320, validators=[EmailValidator(), validate_identity], **options)


class Name(Text):
    """A person's name."""

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, max_length=150, allow_blank=True, validators=[validate_name], **options)


class PhoneNumber(Text):
    def __init__(self, **options: Any) -> None:
        pattern = RegexValidator(r"\A\+[0-9]{1,15}\Z", "A phone number is a + and up to 15 digits.")
        super().__init__(**{"validators": [pattern], "allow_null": True, **options})


class RoleId(Text):
    """A text or a whole number. A number becomes the text of its digits, an empty text becomes None.

    A sample in ZAP's documentation has a number that needs more than 64 bits.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=64, allow_null=True, allow_blank=True, **options)

    def run_validation(self, data: Any = serializers.empty) -> str | None:
        is_whole = type(data) is int or (isinstance(data, float) and data.is_integer())
        return super().run_validation(str(int(data)) if is_whole else data) or None


class RegistrationInput(serializers.Serializer[Any]):
    username = Username()
    email = Email()
    password = NewPassword()
    phoneNumber = PhoneNumber(source="phone_number", required=False)
    name = Name()


class StaffRegistrationInput(RegistrationInput):
    """Registration with the fields that only staff may set. For other callers these are ignored, valid or not."""

    roleId = RoleId(source="role_id", required=False)


class ConfirmedInput(serializers.Serializer[Any]):
    """Input with the caller's password. It is needed if their login was too long ago."""

    password = Password(required=False, allow_null=True)


class UserChangeInput(ConfirmedInput):
    """The fields to change; other fields stay. A null phone number or name is removed."""

    username = Username(required=False)
    email = Email(required=False)
    phoneNumber = PhoneNumber(source="phone_number", required=False)
    name = Name(allow_null=True)

    def validate_name(self, value: str | None) -> str:
        return value or ""


class StaffUserChangeInput(UserChangeInput):
    """Changes with the fields that only staff may set. For other callers these are ignored, valid or not."""

    roleId = RoleId(source="role_id", required=False)


class PhoneChangeInput(ConfirmedInput):
    phoneNumber = PhoneNumber(source="phone_number", allow_null=False)


class Moment(serializers.Field[Any, Any, Any, Any]):
    """A date or a date with a time, in ISO 8601; in UTC if it names no time zone.

    With ``is_end`` the value is the end of that day, or of that millisecond. Our answers show milliseconds.
    """

    default_error_messages = {"invalid": "A date is ISO 8601: 2023-02-27 or 2023-02-27T16:57:05.913Z."}

    def __init__(self, *, is_end: bool = False, **options: Any) -> None:
        self.is_end = is_end
        super().__init__(**options)

    def to_internal_value(self, data: Any) -> datetime:
        try:
            day = parse_date(data)
            moment = datetime.combine(day, time()) if day else datetime.fromisoformat(data)
            moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        except (TypeError, ValueError, OverflowError):
            self.fail("invalid")
        if not self.is_end:
            return moment
        try:
            return moment + (timedelta(days=1) if day else timedelta(milliseconds=1))
        except OverflowError:
            return datetime.max.replace(tzinfo=UTC)


class UserListInput(serializers.Serializer[Any]):
    """The query of the user list: `bodyLimit` is the number of users on a page, `pageLimit` the number of the page."""

    bodyLimit = serializers.IntegerField(source="per_page", default=10, min_value=1, max_value=100)
    pageLimit = serializers.IntegerField(source="page", default=1, min_value=1, max_value=1_000_000)
    startDate = Moment(source="since", required=False)
    endDate = Moment(source="before", required=False, is_end=True)


class ActivityInput(serializers.Serializer[Any]):
    """The query of the security record: `bodyLimit` entries on the page number `pageLimit`."""

    bodyLimit = serializers.IntegerField(source="per_page", default=10, min_value=1, max_value=100)
    pageLimit = serializers.IntegerField(source="page", default=1, min_value=1, max_value=1_000_000)


class Flag(serializers.BooleanField):
    """A JSON boolean. DRF's own field would also accept texts and numbers."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class FactorCode(Text):
    """A code of the second factor, or a recovery code. A whole number counts as six digits."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=64, **options)

    def run_validation(self, data: Any = serializers.empty) -> str | None:
        is_whole = type(data) is int or (isinstance(data, float) and data.is_integer())
        is_code = is_whole and 0 <= data < 10**6
        code: str | None = super().run_validation(f"{int(data):06d}" if is_code else data)
        return code


class FactorVerificationInput(serializers.Serializer[Any]):
    token = FactorCode(source="code")
    endOthers = Flag(source="end_others", required=False)


class FactorDisablingInput(serializers.Serializer[Any]):
    password = Password()
    endOthers = Flag(source="end_others", required=False)


class LoginInput(serializers.Serializer[Any]):
    identity = Text(required=False, max_length=320)
    email = Text(required=False, max_length=320)
    password = Password()
    deviceToken = Text(
        source="device_token", required=False, allow_null=True, allow_blank=True, max_length=DeviceToken.MAX_LENGTH
    )
    twoFaToken = FactorCode(source="code", required=False, allow_null=True, allow_blank=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        identity = attrs.get("identity") or attrs.get("email")
        if not identity:
            raise serializers.ValidationError({"identity": ["This field is required."]})
        return attrs | {"identity": identity, "code": attrs.get("code") or None}


class RefreshInput(serializers.Serializer[Any]):
    refreshToken = Text(source="refresh_token", max_length=4096)


class LogoutInput(ConfirmedInput):
    deviceToken = Text(source="device_token", max_length=DeviceToken.MAX_LENGTH)


class ScopeInput(ConfirmedInput):
    scope = serializers.ChoiceField([scope.value for scope in Scope])

    def validate_scope(self, value: str) -> Scope:
        return Scope(value)


class PasswordChangeInput(serializers.Serializer[Any]):
    userId = Text(source="user_id", max_length=24)
    email = Text(max_length=320, allow_null=True)
    oldPassword = Password(source="old_password")
    newPassword = NewPassword(source="new_password")


class ResetRequestInput(serializers.Serializer[Any]):
    identity = Text(max_length=320)


class Code(serializers.CharField):
    """A mailed code, as a string. A number is accepted, too, but never matches a code."""


class ResetInput(serializers.Serializer[Any]):
    identity = Text(max_length=320)
    otp = Code(max_length=64)
    newPassword = NewPassword(source="new_password")


class CodeInput(serializers.Serializer[Any]):
    """An email or a phone number, and the user to whom a code for it is mailed."""

    email = Text(required=False, max_length=320)
    phoneNumber = PhoneNumber(source="phone_number", required=False, allow_null=False)
    userId = Text(source="user_id", max_length=24)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return _one_given(attrs, "email", "phone_number")


class CodeAgainInput(serializers.Serializer[Any]):
    email = Text(required=False, max_length=320)
    phoneNumber = PhoneNumber(source="phone_number", required=False, allow_null=False)
    # A user of Buddy may have a name that ZAP does not allow.
    username = Text(required=False, max_length=150)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return _one_given(attrs, "email", "phone_number", "username")


def _one_given(attrs: dict[str, Any], *names: str) -> dict[str, Any]:
    if not attrs.keys() & set(names):
        raise serializers.ValidationError({"email": ["This field is required."]})
    return attrs


class VerificationInput(serializers.Serializer[Any]):
    identity = Text(max_length=320)
    otp = Code(max_length=64)
