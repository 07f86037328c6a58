"""Read values from the environment, and explain malformed ones. `zapauth.settings` uses it."""

import re
from collections.abc import Sequence
from datetime import timedelta

import environ
from django.core.exceptions import ImproperlyConfigured

_ON = ("1", "on", "yes", "true")
_OFF = ("0", "off", "no", "false")


# Headers that HTTP, the gate's own answer, or a gateway needs for something else.
_TAKEN = """
    accept accept-encoding authorization cache-control connection content-encoding content-length content-type cookie
    date expect forwarded host keep-alive location proxy-authenticate proxy-authorization retry-after server set-cookie
    te trailer transfer-encoding upgrade vary via www-authenticate x-forwarded-for x-forwarded-host x-forwarded-method
    x-forwarded-port x-forwarded-prefix x-forwarded-proto x-forwarded-server x-forwarded-uri x-original-method
    x-original-uri x-original-url x-real-ip x-request-id x-session-checked
"""


def _problem_of_header(name: str) -> str:
    """Return why a header for the services behind a gateway can't have that name, or an empty text."""
    if not re.fullmatch("[A-Za-z][A-Za-z0-9-]{0,63}", name):
        return "it is not made of letters, digits and hyphens"
    if name.lower() in _TAKEN.split() or name.lower().startswith(("access-control-", "sec-", "x-accel-")):
        return "it has another meaning"
    return ""


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

    def whole(self, name: str, default: int, *, at_least: int = 0) -> int:
        text = self.text(name, str(default))
        if not text.isascii() or not text.isdigit() or int(text) < at_least:
            raise ImproperlyConfigured(f"{name} is a whole number, {at_least} or more; it can't be {text!r}.")
        return int(text)

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

    def seconds(self, name: str, default: timedelta, *, at_least: int = 1) -> timedelta:
        return timedelta(seconds=self.whole(name, int(default.total_seconds()), at_least=at_least))

    def headers(self, name: str, ours: Sequence[str]) -> dict[str, str]:
        """Parse `X-User-Id=X-Auth-User,Remote-User=`: other names for our headers; an empty one leaves a header out.

        Returns: the name on the wire, by our name.
        """
        names = {header: header for header in ours}
        for text in self.names(name):
            header, is_pair, other = (part.strip() for part in text.partition("="))
            if not is_pair or header not in names:
                raise ImproperlyConfigured(
                    f"{name} is HEADER=OTHER,... with the headers {', '.join(ours)}; not {text!r}."
                )
            if other and (problem := _problem_of_header(other)):
                raise ImproperlyConfigured(f"{name}: {other!r} can't be the name of a header: {problem}.")
            names[header] = other
        kept = {header: other for header, other in names.items() if other}
        if len({other.lower() for other in kept.values()}) < len(kept):
            raise ImproperlyConfigured(f"{name} gives two headers the same name: {', '.join(kept.values())}.")
        return kept

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
