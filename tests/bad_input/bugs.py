"""Make our own code raise errors."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import pytest

from zapauth.request_facts import RequestIdFilter


@contextmanager
def failing(
    place: str, caplog: pytest.LogCaptureFixture, error: type[Exception] = RuntimeError
) -> Iterator[list[tuple[str, str, str]]]:
    """Make that function raise ``error``. Yields the list of log records, each as level, request id and exception."""
    logged: list[tuple[str, str, str]] = []
    add_id = RequestIdFilter()
    caplog.handler.addFilter(add_id)
    try:
        with mock.patch(place, side_effect=error("the inner secret")), caplog.at_level(logging.ERROR):
            yield logged
        bugs = [record for record in caplog.records if record.exc_info]
        logged += [(bug.levelname, bug.request_id, str(bug.exc_info[1])) for bug in bugs]
    finally:
        caplog.handler.removeFilter(add_id)
