"""Detect a restored backup by a mark: a number in the database, and a copy of it in a file of each server.

A server counts the mark up while it runs, first in the database and then in its file. So the number in the database is
lower than the one in a file only if the database is an older copy. In such a copy, sessions that have ended are open
again. So the server stops serving; docs/backup.md has the next steps.
"""

import json
import logging
import os
import signal
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import psycopg
from django.conf import settings
from django.db import connection, transaction

from sessions.models import Mark
from users.clock import database_now

logger = logging.getLogger("zapauth.sessions")

EVERY = timedelta(seconds=10)
# If the database can't be reached, a backup may be restored meanwhile.
AGAIN = timedelta(seconds=1)
SECONDS_TO_CONNECT = 5
# All servers together never count this far. So the new mark is above every server's file.
_JUMP = 10**9


class CannotBeServed(Exception):
    """The database must not be served. The text says why, and what to do."""


@dataclass(frozen=True)
class Seen:
    """The content of a server's file: the last mark that it wrote, and when it was set."""

    number: int
    at: datetime


def read_file(path: Path) -> Seen | None:
    """Return the file's content. None, if there is no such file. Raises: CannotBeServed."""
    try:
        facts = json.loads(path.read_bytes())
        number, at = facts["number"], datetime.fromisoformat(facts["at"])
        if type(number) is not int or at.tzinfo is None:
            raise ValueError
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not what a server wrote"
        raise CannotBeServed(
            f"{path} (RESTORE_GUARD) can't be read: {why}. It tells whether a backup was restored. "
            "If none was, delete the file. If one was: docs/backup.md"
        ) from error
    return Seen(number, at)


def write_file(path: Path, seen: Seen) -> None:
    """Replace the file atomically; only its owner can read it. Raises: OSError."""
    path.parent.mkdir(exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            file.write(json.dumps({"number": seen.number, "at": seen.at.isoformat()}))
            file.flush()
            os.fsync(file.fileno())
            os.replace(file.name, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(file.name)
            raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class RestoreGuard:
    """Compares the database's mark with one server's file. Without a path it does nothing."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._seen: Seen | None = None
        self._warned = False

    def start(self) -> None:
        """Compare the database with the file. Writes nothing, so it waits for no replica. Raises: CannotBeServed."""
        if self._path is None:
            return
        self._seen, found = read_file(self._path), mark()
        if self._seen is None:
            if found is not None:
                logger.warning("%s is new: a backup restored before this start is not noticed here", self._path)
        elif found is None or found.number < self._seen.number:
            raise CannotBeServed(_what_happened(Seen(found.number, found.at) if found else None, self._seen))

    def count(self) -> None:
        """Count the mark up, in the database and then in the file.

        Raises: CannotBeServed, if the database is older than this server's file; psycopg.Error, if it can't be reached.
        """
        if self._path is None:
            return
        self._seen = _count(self._seen)
        try:
            write_file(self._path, self._seen)
        except OSError as error:
            self._warn(error)

    def _warn(self, error: OSError) -> None:
        if not self._warned:
            logger.warning(
                "%s (RESTORE_GUARD) can't be written: %s. The next start will not notice a restored backup",
                self._path,
                error.strerror,
            )
        self._warned = True


def _count(seen: Seen | None) -> Seen:
    parameters = connection.get_connection_params() | {"connect_timeout": SECONDS_TO_CONNECT}
    # Don't use the pool: it waits longer after each failure.
    with psycopg.connect(**parameters) as link:
        # Wait for the disk: after a crash of the database, its mark must not be lower than the file's.
        link.execute("SET LOCAL synchronous_commit = on")
        link.execute(
            "INSERT INTO user_sessions_mark (id, number, at) VALUES (1, 0, clock_timestamp()) ON CONFLICT DO NOTHING"
        )
        row = link.execute("SELECT number, at FROM user_sessions_mark WHERE id = 1 FOR UPDATE").fetchone()
        assert row is not None  # noqa: S101  # it was made above
        if seen is not None and row[0] < seen.number:
            raise CannotBeServed(_what_happened(Seen(*row) if row[0] else None, seen))
        row = link.execute(
            "UPDATE user_sessions_mark SET number = number + 1, at = clock_timestamp() RETURNING number, at"
        ).fetchone()
        assert row is not None  # noqa: S101  # it is locked
    return Seen(*row)


def _what_happened(found: Seen | None, seen: Seen) -> str:
    has = f"mark {found.number} of {found.at:%Y-%m-%d %H:%M:%S} UTC" if found else "no mark"
    return f"""a backup was restored: the database is older than what this server has seen.
  The database has {has}; this server has seen mark {seen.number} of {seen.at:%Y-%m-%d %H:%M:%S} UTC.
  Users who logged out in between are logged in again there. So nothing is served until you run one of
    manage.py restored --ended FILE   end what a record of endings names (manage.py ended); others stay logged in
    manage.py restored                refuse everything that was opened before: everybody has to log in again
  docs/backup.md has the steps. If this is another database on purpose, give it a file of its own:
  RESTORE_GUARD is {settings.RESTORE_GUARD} now."""


class Watcher(threading.Thread):
    """A thread that counts the mark up when it starts, every few seconds, and at `stop`.

    If it detects a restored backup, it sets `restored` and interrupts the process like Ctrl-C.
    """

    def __init__(self, guard: RestoreGuard) -> None:
        super().__init__(name="restore guard", daemon=True)
        self._guard = guard
        self._stopped = threading.Event()
        self._failing = False
        self.restored: CannotBeServed | None = None

    def run(self) -> None:
        wait = timedelta(0)
        while self.restored is None:
            stopped = self._stopped.wait(wait.total_seconds())
            wait = self._count()
            if stopped:
                return
        os.kill(os.getpid(), signal.SIGINT)

    def _count(self) -> timedelta:
        """Count the mark up. Returns: how many seconds to wait until the next time."""
        try:
            self._guard.count()
        except CannotBeServed as error:
            self.restored = error
        except Exception as error:
            # Log it once: an outage of an hour is one event.
            if not self._failing:
                logger.warning("a restored backup is not noticed until the mark can be counted again: %s", error)
            self._failing = True
            return AGAIN
        if self._failing:
            logger.info("the mark is counted again")
        self._failing = False
        return EVERY

    def stop(self) -> None:
        """Count the mark once more, and stop. Waits a few seconds at most."""
        self._stopped.set()
        self.join(SECONDS_TO_CONNECT)


def mark() -> Mark | None:
    """Return the database's mark. None, if no server has ever used this database."""
    return Mark.objects.filter(pk=Mark.ONLY, number__gt=0).first()


@transaction.atomic
def set_mark_above(seen: Seen | None) -> int:
    """Raise the mark above ``seen`` and every server's file, so that servers start again. Returns: the mark."""
    Mark.objects.get_or_create(pk=Mark.ONLY, defaults={"at": database_now()})
    found = Mark.objects.select_for_update().get(pk=Mark.ONLY)
    found.number = max(found.number, seen.number if seen else 0) + _JUMP
    found.at = database_now()
    found.save()
    return found.number


@transaction.atomic
def note_pruned(ended_before: datetime) -> None:
    """Store that sessions that ended before then are deleted. Their endings can't be exported any more."""
    Mark.objects.get_or_create(pk=Mark.ONLY, defaults={"at": database_now()})
    found = Mark.objects.select_for_update().get(pk=Mark.ONLY)
    found.pruned_before = max(found.pruned_before or ended_before, ended_before)
    found.save(update_fields=["pruned_before"])
