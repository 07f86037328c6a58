"""The formats of the log: lines to read (LOG_FORMAT=text) and one JSON object a line (LOG_FORMAT=json).

The formatters take the request's facts only when something is logged, so a request that logs nothing costs nothing.
The names in the JSON objects are a wire format: add names, never rename one.
"""

import json
import logging
import re
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from django.db import Error as DjangoDatabaseError
from psycopg import Error as PsycopgError

from zapauth.request_facts import facts_of_request

logger = logging.getLogger("zapauth.server")

TEXT, JSON = "text", "json"
# What a caller may give in `extra`. Everything else there is left out: Django gives the whole request, for example.
_FIELDS = ("event", "outcome", "user", "actor", "session", "app", "ip", "request_id")
_ENTRY = "event"  # a line with this field is an entry of the record
_OF_THE_REQUEST = ("request_id", "ip")
# Text in which a client could hide a line break, and forge a line of the log (ASVS 5.0, 16.4.1).
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

# A link from a mail works until it is used, and a path with it may be in a line, such as that of an error.
_MAILED_LINK = re.compile(r"(/account/(?:not-me|invitation)/(?:done/)?)[\w:.-]{20,}")

_INDENT = " |"  # of the lines of an exception in a group

_ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class _Formatter(logging.Formatter):
    def formatException(self, ei: _ExceptionInfo) -> str:  # noqa: N802  # logging's name
        """Return the stack, with only the first line of the text of each database error.

        PostgreSQL quotes values in the other lines: `DETAIL: Key (email)=(ann@example.org) already exists.`
        """
        further = {
            line.strip(_INDENT)
            for error in _chain(ei[1], set())
            if isinstance(error, DjangoDatabaseError | PsycopgError)
            for line in str(error).split("\n")[1:]
        } - {""}
        stack = super().formatException(ei)
        if not further:
            return stack
        return "\n".join(line for line in stack.split("\n") if line.strip(_INDENT) not in further)

    def message(self, record: logging.LogRecord) -> str:
        """Return the record's message, without the secret part of links from mails."""
        return _without_links(record.getMessage())

    def exception(self, record: logging.LogRecord) -> str:
        """Return the stack of the record's exception, or an empty text."""
        # Not `exc_text`: another handler may have set it, without our rule for database errors.
        stack = self.formatException(record.exc_info) if record.exc_info else ""
        return _without_links("\n".join(filter(None, [stack, record.stack_info])))


class TextFormatter(_Formatter):
    """Makes lines to read: time, level, logger, the request's id in brackets, and the message. The stack follows."""

    def format(self, record: logging.LogRecord) -> str:
        given = _given(record)
        request_id = given.pop("request_id", None) or facts_of_request().get("request_id", "-")
        ids = "".join(f" {name}={value}" for name, value in given.items() if name not in ("event", "outcome"))
        message = _CONTROL.sub(_escaped, self.message(record) + ids)
        line = f"{self.formatTime(record)} {record.levelname} {record.name} [{request_id}] {message}"
        return "\n".join(filter(None, [line, self.exception(record)]))


class JsonFormatter(_Formatter):
    """Makes one JSON object (RFC 8259) in ASCII, without a line break."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        told = {
            "timestamp": at.replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": self.message(record),
        }
        given = _given(record)
        facts = facts_of_request()
        if _ENTRY in given:
            # The entry says whose account it is. The caller of the request can be somebody else.
            facts = {name: value for name, value in facts.items() if name in _OF_THE_REQUEST}
        exception = self.exception(record)
        return json.dumps(told | facts | given | ({"exception": exception} if exception else {}), default=str)


def settings_of_granian(log_format: str) -> dict[str, Any] | None:
    """Return the settings of granian's own lines, or None for those that granian has."""
    if log_format == TEXT:
        return None
    # Not granian's standard output: the log is on standard error.
    handler = {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"}
    silent = {"handlers": [], "propagate": False}  # the access log, which has queries in it, stays off
    return {
        "formatters": {"json": {"()": "zapauth.logs.JsonFormatter"}},
        "handlers": {"stderr": handler},
        "loggers": {"_granian": {"handlers": ["stderr"], "propagate": False}, "granian.access": silent},
    }


def log_uncaught() -> None:
    """Log each exception that no code catches, in all threads of this process, and Python's warnings."""
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda given: _log_uncaught(given.exc_type, given.exc_value, given.exc_traceback)
    logging.captureWarnings(True)


def _log_uncaught(kind: type[BaseException], error: BaseException | None, stack: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt | SystemExit):
        return
    where = threading.current_thread().name
    logger.critical("no code caught an exception in the thread %s", where, exc_info=(kind, error or kind(), stack))


def _without_links(text: str) -> str:
    return _MAILED_LINK.sub(r"\1***", text)


def _given(record: logging.LogRecord) -> dict[str, Any]:
    return {name: vars(record)[name] for name in _FIELDS if vars(record).get(name) is not None}


def _chain(error: BaseException | None, seen: set[int]) -> Iterator[BaseException]:
    """Yield the error, its causes, and the errors of a group."""
    if error is None or id(error) in seen:
        return
    seen.add(id(error))
    yield error
    parts = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    for other in (error.__cause__, error.__context__, *parts):
        yield from _chain(other, seen)


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()
