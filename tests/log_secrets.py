"""Look for secrets in everything that the project logs, during every test.

`tests/conftest.py` installs the watch. A test that makes the project log a secret fails. What counts as a secret:

- texts of a certain shape, such as a JWT or an email;
- what this test sent under the name of a secret, such as `password`, and each password that was hashed or checked;
- the codes in the mails of this test.
"""

import json
import logging
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from django.core import mail

from zapauth.logs import JsonFormatter

# Other packages of the suite log, too, such as its HTTP clients.
_OURS = ("zapauth", "django", "psycopg", "_granian", "granian", "py.warnings", "root", "rest_framework")
# A shape that begins with any number of characters is searched from the first of them only: some tests send megabytes.
_SHAPES = {
    "a JWT": re.compile(r"eyJ[\w-]{8,}(?:\.[\w-]*){1,2}"),
    "an email": re.compile(r"(?<![\w.%+-])[\w.%+-]+@[\w-]+(?:\.[\w-]+)+"),
    "a phone number": re.compile(r"(?<!\w)\+\d{8,15}(?!\d)"),
    "a password's hash": re.compile(r"\b(?:argon2\$?|pbkdf2_\w+)\$\S+"),
    "a mailed code": re.compile(r"\b[0-9a-f]{4} [0-9a-f]{4} [0-9a-f]{4}\b"),
    "a signed cookie": re.compile(r"(?<![\w-])[\w-]{6,}:[0-9A-Za-z]{6}:[\w-]{43}"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY"),
    "a secret of a second factor": re.compile(r"\botpauth://\S+"),
    "a link from a mail": re.compile(r"/account/(?:not-me|invitation)/[\w-]{43}"),
    "a recovery code": re.compile(r"\b[0-9a-hjkmnp-tv-z]{4}(?:-[0-9a-hjkmnp-tv-z]{4}){5}\b"),
}
_CODE = _SHAPES["a mailed code"]
_SECRET_NAMES = re.compile(r"pass|token|secret|key|code|otp|cookie|authorization", re.IGNORECASE)
# A shorter text, such as a wrong password "x", stands in many lines that have nothing to do with it.
_SHORTEST = 8
_LONGEST = 200  # a longer secret is recognised by its start


class Watch(logging.Handler):
    """Keeps the project's log lines of one test, and the secrets that the test used."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self._formatter = JsonFormatter()
        self._lines: list[str] = []
        self._secrets: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.split(".")[0] in _OURS:
            told = json.loads(self._formatter.format(record))
            self._lines.append(" | ".join(str(value) for value in told.values()))

    def remember(self, *secrets: str) -> None:
        self._secrets |= {text[:_LONGEST] for text in secrets if len(text) >= _SHORTEST}

    def remember_request(self, headers: Mapping[str, str], content: bytes | str | None) -> None:
        """Remember the secrets that a request sends in its headers and in its JSON body."""
        for name, value in headers.items():
            if _SECRET_NAMES.search(name):
                self.remember(*value.split())
        with suppress(ValueError, RecursionError):  # some tests send anything
            self._remember_fields(json.loads(content or b"null"))

    def _remember_fields(self, body: Any) -> None:
        for name, value in body.items() if isinstance(body, dict) else ():
            if _SECRET_NAMES.search(name):
                for each in value if isinstance(value, list) else [value]:
                    self.remember(*([each] if isinstance(each, str) else ()))
                    self._remember_fields(each)

    def leaks_in(self, lines: Iterable[str]) -> list[str]:
        """Return a description of each secret in ``lines``."""
        codes = {code for sent in getattr(mail, "outbox", []) for code in _CODE.findall(str(sent.body))}
        secrets = self._secrets | codes | {code.replace(" ", "") for code in codes}
        found = []
        for line in lines:
            found += [f"{shape}: {line}" for shape, pattern in _SHAPES.items() if pattern.search(line)]
            found += [f"{secret!r}: {line}" for secret in secrets if secret in line]
        return found

    def check(self) -> None:
        """Fail if a line since the last call has a secret in it. Forget lines and secrets."""
        leaks = self.leaks_in(self._lines)
        self._lines.clear()
        self._secrets.clear()
        assert not leaks, "secrets in the log:\n" + "\n".join(leaks)


WATCH = Watch()


def install() -> None:
    """Watch all loggers of this process. Our own ones also tell what LOG_LEVEL=DEBUG would show."""
    logging.getLogger().addHandler(WATCH)
    logging.getLogger("zapauth").setLevel(logging.DEBUG)


def check_output(text: str) -> None:
    """Fail if the output of a server has a secret in it: one of a known shape, or one that this test sent."""
    leaks = WATCH.leaks_in(text.splitlines())
    assert not leaks, "secrets in a server's output:\n" + "\n".join(leaks)
