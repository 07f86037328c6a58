"""Report events that are counted. In a server `zapauth.metrics` counts them; elsewhere nobody does.

Each function waits for the commit of the open transaction. A rollback counts nothing. No argument has an id.
"""

from collections.abc import Callable
from functools import partial
from typing import Protocol

from django.db import connection, transaction


class Counts(Protocol):
    """The events that are counted. Every text is one of a few that the code lists."""

    def session_opened(self) -> None: ...
    def sessions_ended(self, count: int, *, reason: str, is_bulk: bool) -> None: ...
    def token_refused(self, *, rule: str) -> None: ...
    def login_refused(self, *, reason: str) -> None: ...
    def entry_written(self, *, event: str) -> None: ...
    def job_dropped(self, *, queue: str, why: str) -> None: ...
    def queue_paused(self, *, queue: str, is_paused: bool) -> None: ...


_counts: Counts | None = None


def use(counts: Counts | None) -> None:
    """Let ``counts`` count from now on in this process."""
    global _counts
    _counts = counts


def session_opened() -> None:
    if _counts is not None:
        _after_commit(_counts.session_opened)


def sessions_ended(count: int, *, reason: str, is_bulk: bool) -> None:
    """Count ended sessions. Args: is_bulk: whether a bulk run ended them."""
    if _counts is not None:
        _after_commit(partial(_counts.sessions_ended, count, reason=reason, is_bulk=is_bulk))


def token_refused(rule: str) -> None:
    """Count a refused token or cookie. Args: rule: `SessionsError.rule`. It is no change, so it waits for no commit."""
    if _counts is not None:
        _counts.token_refused(rule=rule)


def login_refused(reason: str) -> None:
    """Count a failed attempt. Args: reason: `RefusedLogin.Reason`."""
    if _counts is not None:
        _after_commit(partial(_counts.login_refused, reason=reason))


def entry_written(event: str) -> None:
    """Count an entry of the record. Args: event: `users.record.events.Event`."""
    if _counts is not None:
        _after_commit(partial(_counts.entry_written, event=event))


def job_dropped(queue: str, why: str) -> None:
    """Count a job that was dropped. Args: why: `expired` or `given_up`."""
    if _counts is not None:
        _counts.job_dropped(queue=queue, why=why)


def queue_paused(queue: str, *, is_paused: bool) -> None:
    """Tell that this server's queue pauses, because none of its jobs can be done, or that it goes on."""
    if _counts is not None:
        _counts.queue_paused(queue=queue, is_paused=is_paused)


def _after_commit(count: Callable[[], None]) -> None:
    if not connection.in_atomic_block:  # here `on_commit` would borrow a connection
        count()
        return

    def count_it() -> None:  # to log a failure, Django needs a function with a name
        count()

    transaction.on_commit(count_it, robust=True)
