"""What this thread uses its database connection for: its user, and how long a statement may take.

The database backend (`zapauth.postgresql`) reads both when it borrows a connection.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from uuid import UUID

from django.db import connection


class Use(StrEnum):
    """A key of `settings.TIME_LIMITS`."""

    REQUEST = "request"
    STAFF = "staff"
    COMMAND = "command"
    MIGRATION = "migration"


_served: ContextVar[str | UUID | None] = ContextVar("served", default=None)
_use: ContextVar[Use] = ContextVar("use", default=Use.REQUEST)


def serve(who: str | UUID) -> None:
    """Count this request's connections as those of ``who``, so that one user can't hold more than half of the pool.

    An open connection goes back to the pool. The next statement borrows one that is counted.
    """
    if who == _served.get():
        return
    _served.set(who)
    if connection.connection is not None and not connection.in_atomic_block:
        connection.close()


def serve_nobody() -> None:
    """Forget the user that this thread served, because another request begins."""
    _served.set(None)


def served() -> str | UUID | None:
    """Return the id of the user, or of the app-level session, that this thread serves. None: not known yet."""
    return _served.get()


def use() -> Use:
    return _use.get()


def set_use(what: Use) -> None:
    """Set the time limits of this thread to those of ``what`` in `settings.TIME_LIMITS`, from now on.

    A connection that is already open keeps its limits.
    """
    _use.set(what)


@contextmanager
def used_for(what: Use) -> Iterator[None]:
    """Set the time limits of this thread for a block, like `set_use`."""
    before = _use.set(what)
    try:
        yield
    finally:
        _use.reset(before)
