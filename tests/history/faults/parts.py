"""The code of faults that need more than a line, as somebody would write it by mistake."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock, Timer
from typing import Any
from uuid import UUID

import psycopg
from django.db import connection
from django.db.models import Q

from sessions.models import Session
from sessions.sql.live_session import FIND_SESSION, find_session, session_in
from users.clock import DatabaseNow
from users.models import DeviceToken

SECONDS = 1.0
_LOCK_OF_ONE = 0x5EED  # the advisory lock of the one worker that reads from a snapshot

# --- a cached verdict ---------------------------------------------------------------------------

_verdicts: dict[UUID, tuple[float, Session]] = {}


def find_cached_session(session_id: UUID) -> Session | None:
    """Find a session like `find_session`, but ask the database at most once a second for each one."""
    until, session = _verdicts.get(session_id, (0.0, None))
    if time.monotonic() < until:
        return session
    session = find_session(session_id)
    if session is not None:
        _verdicts[session_id] = time.monotonic() + SECONDS, session
    return session


# --- a stale snapshot ---------------------------------------------------------------------------


class _Snapshot:
    """One worker's connection with a transaction that stays open for a second: it sees no later commit."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._link: psycopg.Connection[Any] | None = None
        self._until = 0.0
        self._is_mine = False

    def find(self, session_id: UUID) -> Session | None:
        with self._lock:
            try:
                self._renew()
                rows = FIND_SESSION._run(self._link, {"id": session_id}) if self._link and self._is_mine else []
            except psycopg.Error:
                rows, self._link, self._until = [], None, 0.0
        return session_in(rows[0]) if rows else None

    def close(self) -> None:
        with self._lock:
            if self._link is not None:
                self._link.close()
            self._link, self._until = None, 0.0

    def _renew(self) -> None:
        if time.monotonic() < self._until:
            return
        if self._link is None:
            self._link = psycopg.connect(**connection.get_connection_params(), autocommit=True)
        self._link.execute("ROLLBACK")
        self._link.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        row = self._link.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK_OF_ONE]).fetchone()
        self._is_mine = bool(row and row[0])
        self._until = time.monotonic() + SECONDS


_snapshot = _Snapshot()


def find_session_in_snapshot(session_id: UUID) -> Session | None:
    """Find a session like `find_session`. But one worker reads from a snapshot that is up to a second old."""
    return _snapshot.find(session_id) or find_session(session_id)


# --- work apart from the commit -----------------------------------------------------------------

_thread = ThreadPoolExecutor(max_workers=1)


def after_answer(job: Callable[..., None], *args: Any, **options: Any) -> None:
    """Run ``job`` in another thread. The request does not wait for it."""
    _thread.submit(_run, job, args, options)


def _run(job: Callable[..., None], args: tuple[Any, ...], options: dict[str, Any]) -> None:
    try:
        job(*args, **options)
    finally:
        connection.close()


def detach(session: Session, digest: bytes | None) -> None:
    """Take the device token of a session that has ended from its user, in a transaction of its own."""
    theirs = DeviceToken.objects.filter(Q(held_by=None) | Q(held_by=session.pk), user=session.user_id)
    theirs.filter(Q(pk=session.device_token_id) | Q(digest=digest)).update(user=None, updated_at=DatabaseNow())


_pending: list[tuple[Session, bytes | None]] = []
_jobs: list[Timer] = []


def detach_soon(session: Session, digest: bytes | None) -> None:
    """Do the same in a job, up to a second later."""
    _pending.append((session, digest))
    if len(_pending) == 1:
        _jobs[:] = [Timer(SECONDS, _run, [_detach_all, (), {}])]
        _jobs[0].daemon = True
        _jobs[0].start()


def _detach_all() -> None:
    while _pending:
        detach(*_pending.pop())


def save_as_read(stored: Session, **changed: Any) -> None:
    """Save a session's row as it was read, with ``changed``. Its refresh tokens have a statement of their own."""
    for name, value in changed.items():
        setattr(stored, name, value)
    columns = [field.name for field in Session._meta.concrete_fields if not field.primary_key]
    stored.save(update_fields=[name for name in columns if not name.startswith("refresh_")])


# --- a leak of memory ---------------------------------------------------------------------------

last_requests: list[Any] = []


def forget() -> None:
    """Finish the work of all faults, and forget what they keep. For tests, which seed faults in their own process."""
    _thread.submit(lambda: None).result()
    for job in _jobs:
        job.cancel()
    _pending.clear()
    _snapshot.close()
    _verdicts.clear()
    last_requests.clear()
