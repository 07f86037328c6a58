"""What ZAP's clients send, field by field."""

from typing import Any

from django.core.validators import EmailValidator, RegexValidator
from rest_framework import serializers

from users.models import DeviceToken


class Text(serializers.CharField):
    """A JSON string; DRF's own field would take a number for one."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Password(Text):
    """As it was typed: blanks at its ends count. Up to 128, though the documentation says 30."""

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


class RegistrationInput(serializers.Serializer):
    username = Text(
        validators=[
            RegexValidator(r"\A[A-Za-z0-9_]{2,20}\Z", "A user name has 2 to 20 letters, digits and underscores.")
        ]
    )
    email = Text(max_length=320, validators=[EmailValidator()])
    password = NewPassword()
    phoneNumber = Text(
        source="phone_number",
        required=False,
        allow_null=True,
        validators=[RegexValidator(r"\A\+[0-9]{1,15}\Z", "A phone number is a + and up to 15 digits.")],
    )
    name = Text(required=False, max_length=150, allow_blank=True)


class StaffRegistrationInput(RegistrationInput):
    """With what could raise somebody's rights; from others it is ignored, whatever it is."""

    roleId = serializers.DecimalField(
        source="role_id", max_digits=40, decimal_places=0, required=False, allow_null=True
    )


class LoginInput(serializers.Serializer):
    identity = Text(required=False, max_length=320)
    email = Text(required=False, max_length=320)
    password = Password()
    deviceToken = Text(
        source="device_token", required=False, allow_null=True, allow_blank=True, max_length=DeviceToken.MAX_LENGTH
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        identity = attrs.get("identity") or attrs.get("email")
        if not identity:
            raise serializers.ValidationError({"identity": ["This field is required."]})
        return attrs | {"identity": identity}


class RefreshInput(serializers.Serializer):
    refreshToken = Text(source="refresh_token", max_length=4096)


class LogoutInput(serializers.Serializer):
    deviceToken = Text(source="device_token", max_length=DeviceToken.MAX_LENGTH)
