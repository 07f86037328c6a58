"""The fields for values of Buddy's clients. They accept every form in which the clients send a value."""

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils.dateparse import parse_date, parse_datetime
from rest_framework import serializers

from users.models import User
from users.printable import validate_identity, validate_name

_WIRE_DATE = re.compile(r"/Date\((-?\d{1,18})(?:[+-]\d{4})?\)/")
_ANDROID_DATE = re.compile(r"(\w+ \d+, \d+),? ([\d:]+)[ ?](\w+)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBERED_GENDERS = {"0": "", "1": User.Gender.MALE, "2": User.Gender.FEMALE}  # the .NET client's enumeration

PASSWORD_LENGTH = 128


class Text(serializers.CharField):
    """A string. A number is converted to one."""


class Description(Text):
    """An optional text that describes something. A value that is neither a text nor a number counts as left out.

    The PHP client sends `false` for a device whose model it does not know.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, allow_blank=True, **options)

    def to_internal_value(self, data: Any) -> str:
        if isinstance(data, bool | list | dict):
            raise serializers.SkipField
        return super().to_internal_value(data)


class Username(Text):
    """A user name, normalized by NFKC, which can make it longer."""

    def to_internal_value(self, data: Any) -> str:
        return User.normalize_username(super().to_internal_value(data))


class NewUsername(Username):
    """A user name that a user chooses. Earlier ones may have characters that are refused now."""

    def __init__(self, **options: Any) -> None:
        super().__init__(validators=[validate_identity], **options)


class Name(Description):
    """A part of a person's name."""

    def __init__(self, **options: Any) -> None:
        super().__init__(validators=[validate_name], **options)


class Email(serializers.EmailField):
    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, max_length=320, validators=[validate_identity], **options)


class Password(Text):
    def __init__(self, **options: Any) -> None:
        super().__init__(**{"trim_whitespace": False, "max_length": PASSWORD_LENGTH, **options})


class NewPassword(Password):
    """A password that a user chooses. `users.password_policy` later checks its strength."""


class Gender(serializers.Field[Any, Any, Any, Any]):
    default_error_messages = {"invalid": "Gender is male or female."}

    def to_internal_value(self, data: Any) -> str:
        word = "" if isinstance(data, bool | list | dict) else str(data).strip().lower()
        if word in _NUMBERED_GENDERS:
            return _NUMBERED_GENDERS[word]
        if word not in User.Gender.values:
            self.fail("invalid")
        return word


class Date(serializers.Field[Any, Any, Any, Any]):
    """`/Date(ms)/`, ISO 8601 or Android's `Mar 5, 1990 12:00:00 AM`; in UTC if it names no time zone.

    With a newer Java, Android writes a comma after the year and a narrow no-break space before AM. The encoding of its
    bodies has no such space, so it arrives as a question mark.
    """

    default_error_messages = {"invalid": "A date is /Date(milliseconds)/ or ISO 8601."}

    def to_internal_value(self, data: Any) -> datetime:
        if not isinstance(data, str):
            self.fail("invalid")
        text = " ".join(data.split())  # any kind of space
        try:
            return self._parse(text)
        except (ValueError, OverflowError):
            self.fail("invalid")

    @staticmethod
    def _parse(text: str) -> datetime:
        if match := _WIRE_DATE.fullmatch(text):
            return _EPOCH + timedelta(milliseconds=int(match[1]))
        moment = parse_datetime(text)
        if moment is None and (day := parse_date(text)):
            moment = datetime(day.year, day.month, day.day, tzinfo=UTC)
        if moment is None:
            moment = _parse_android(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _parse_android(text: str) -> datetime:
    match = _ANDROID_DATE.fullmatch(text)
    if match is None:
        raise ValueError
    return datetime.strptime(f"{' '.join(match.groups())} +0000", "%b %d, %Y %I:%M:%S %p %z")


class Location(serializers.Field[Any, Any, Any, Any]):
    """A text `"lat,lng"` in degrees. The value is `(lat, lng)`."""

    default_error_messages = {
        "invalid": 'A location is "latitude,longitude" in degrees.',
        "max_value": "The latitude is within 90 degrees, the longitude within 180.",
    }

    def to_internal_value(self, data: Any) -> tuple[float, float]:
        try:
            latitude, longitude = (float(part) for part in data.split(","))
        except (ValueError, AttributeError):
            self.fail("invalid")
        if not (math.isfinite(latitude) and math.isfinite(longitude)):
            self.fail("invalid")
        if abs(latitude) > 90 or abs(longitude) > 180:
            self.fail("max_value")
        return latitude, longitude
