"""Read values from the environment, and explain malformed ones. `zapauth.settings` uses it."""

import re
from collections.abc import Sequence
from datetime import timedelta

import environ
from django.core.exceptions import ImproperlyConfigured

from users.limits import LONGEST_DURATION

_ON = ("1", "on", "yes", "true")
_DIGITS, _SHOWN = 30, 100  # most digits of a number, and most characters that an error quotes
_OFF = ("0", "off", "no", "false")


class Environment(environ.Env):
    """The environment's variables. An empty value counts as none. Every method raises ImproperlyConfigured."""

    def text(self, name: str, default: str = "") -> str:
        return str(self.str(name, default="")).strip() or default

    def secret(self, name: str, how: str) -> str:
        """A value without a default. ``how`` is the command that makes one."""
        value: str = self.str(name, default="")
        if not value:
            raise ImproperlyConfigured(f"With DATABASE_URL set, {name} is needed. Make one with: {how}")
        return value

    def names(self, name: str, default: list[str] | None = None) -> list[str]:
        """A list, separated by commas."""
        return [value.strip() for value in self.list(name, default=default or []) if value.strip()]

    def whole(self, name: str, default: int, *, at_least: int = 0, at_most: int | None = None) -> int:
        text = self.text(name, str(default))
        # Python refuses to read a number of more than 4300 digits.
        number = int(text) if text.isascii() and text.isdigit() and len(text) < _DIGITS else -1
        if number < at_least or (at_most is not None and number > at_most):
            range_ = f"{at_least} or more" if at_most is None else f"{at_least} to {at_most}"
            raise ImproperlyConfigured(f"{name} is a whole number, {range_}; it can't be {text[:_SHOWN]!r}.")
        return number

    def choice(self, name: str, default: str, among: Sequence[str]) -> str:
        """One of the words in ``among``, in small or capital letters."""
        words = {word.lower(): word for word in among}
        text = self.text(name, default)
        if text.lower() not in words:
            raise ImproperlyConfigured(f"{name} is one of {', '.join(among)}; it can't be {text!r}.")
        return words[text.lower()]

    def color(self, name: str, default: str) -> str:
        """A color such as `#155dfc`, in small letters."""
        text = self.text(name, default).lower()
        if not re.fullmatch("#[0-9a-f]{6}", text):
            raise ImproperlyConfigured(f"{name} is a color such as #155dfc; it can't be {text!r}.")
        return text

    def switch(self, name: str, *, default: bool) -> bool:
        words = {"": default} | dict.fromkeys(_ON, True) | dict.fromkeys(_OFF, False)
        text = self.text(name)
        if text.lower() not in words:
            raise ImproperlyConfigured(f"{name} is on or off; it can't be {text!r}.")
        return words[text.lower()]

    def seconds(
        self, name: str, default: timedelta, *, at_least: int = 1, at_most: timedelta = LONGEST_DURATION
    ) -> timedelta:
        longest = int(at_most.total_seconds())
        return timedelta(seconds=self.whole(name, int(default.total_seconds()), at_least=at_least, at_most=longest))

    def rates(self, name: str, default: dict[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
        """Parse `login=20/900,device=1000/3600`: attempts and seconds. Other rates keep their defaults."""
        rates = dict(default)
        for text in self.names(name):
            match = re.fullmatch(r"(\w+)=([0-9]{1,9})/([1-9][0-9]{0,8})", text)
            if match is None or match[1] not in rates:
                names = ", ".join(rates)
                raise ImproperlyConfigured(f"{name} is NAME=TIMES/SECONDS,... with the names {names}; not {text!r}.")
            if match[1].endswith("_everybody") and match[3] != "3600":
                raise ImproperlyConfigured(f"{name}: {match[1]} counts by the hour, TIMES/3600; not {text!r}.")
            rates[match[1]] = (int(match[2]), int(match[3]))
        return rates
