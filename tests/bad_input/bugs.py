"""Make our own code raise errors."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import pytest

from zapauth.request_facts import facts_of_request


def _add_request_id(record: logging.LogRecord) -> bool:
    record.request_id = facts_of_request().get("request_id", "-")
    return True


@contextmanager
def failing(
    place: str, caplog: pytest.LogCaptureFixture, error: type[Exception] = RuntimeError
) -> Iterator[list[tuple[str, str, str]]]:
    """Make that function raise ``error``. Yields the list of log records, each as level, request id and exception."""
    logged: list[tuple[str, str, str]] = []
    caplog.handler.addFilter(_add_request_id)
    try:
        with mock.patch(place, side_effect=error("the inner secret")), caplog.at_level(logging.ERROR):
            yield logged
        bugs = [record for record in caplog.records if record.exc_info]
        logged += [(bug.levelname, getattr(bug, "request_id", "-"), str(bug.exc_info[1])) for bug in bugs]
    finally:
        caplog.handler.removeFilter(_add_request_id)
