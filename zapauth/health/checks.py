"""What `/readyz` checks: whether requests can be served now.

A load balancer asks every second, and others may ask more often. So only one thread looks, once a second at most, with
one statement. No request waits for it for more than a second.
"""

import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import cache
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.hashes import SHA256
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, connections
from django.db.migrations.loader import MigrationLoader
from psycopg_pool import PoolTimeout

from sessions.models import Figure
from sessions.tokens.keys import BadSigningKeys, key_ring
from sessions.upkeep.sweeper import SWEEP_EVERY
from users.database_use import serve_nobody
from zapauth.postgresql.pool import CannotConnect

logger = logging.getLogger("zapauth.health")

FRESH = 1.0  # seconds for which the result of a look is used
LIMIT = 1.0  # seconds in which the database has to answer
LATE = 3 * SWEEP_EVERY

_LOOK = """
SELECT (SELECT count(DISTINCT (m.app, m.name))
          FROM django_migrations m JOIN unnest(%s::text[], %s::text[]) AS needed (app, name) USING (app, name)),
       (SELECT extract(epoch FROM clock_timestamp() - max(counted_at)) FROM user_sessions_figure WHERE kind = %s)
"""


class Status(StrEnum):
    """The outcome of a check. With a warning the server still serves."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True)
class Check:
    """One check. ``text`` is for people. It is a fixed text, without an address, a name or the error of a library."""

    name: str
    status: Status
    text: str = ""

    def as_json(self) -> dict[str, str]:
        return {"name": self.name, "status": self.status.value, **({"text": self.text} if self.text else {})}


class Readiness:
    """Looks at most once a second, in a thread of its own, and remembers what it saw."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="readyz")
        self._look: Future[list[Check]] | None = None
        self._began = 0.0

    def checks(self) -> list[Check]:
        """Return the checks, which are a second old at most. Wait for the database for LIMIT at most."""
        with self._lock:
            now = time.monotonic()
            if self._look is None or (self._look.done() and now - self._began >= FRESH):
                self._look, self._began = self._thread.submit(_checks), now
            look, left = self._look, self._began + LIMIT - now
        try:
            return look.result(max(0.0, left))
        except TimeoutError:
            return [Check("database", Status.FAILED, f"no answer within {LIMIT:g} s"), _keys()]


def _checks() -> list[Check]:
    serve_nobody()
    try:
        found = [*_of_database(), _keys()]
        if all(check.name != "connections" for check in found):
            found.append(_free_connections())
    except Exception:
        logger.exception("a check of /readyz failed")
        found = [Check("checks", Status.FAILED, "the server's log has the details")]
    with suppress(Exception):
        connections.close_all()  # return the connection to the pool
    return found


def _of_database() -> Sequence[Check]:
    database = Check("database", Status.OK)
    needed = _needed_migrations()
    try:
        with connection.cursor() as cursor:
            apps, names = zip(*needed, strict=True)
            cursor.execute(_LOOK, [list(apps), list(names), Figure.Kind.OPENED])
            applied, age = cursor.fetchone()
    except (DatabaseError, InterfaceError) as error:
        return [_of_error(error)]
    is_complete = applied == len(needed)
    migrations = Check("migrations", *((Status.OK,) if is_complete else (Status.FAILED, "some are missing")))
    return [database, migrations, _sweeper(None if age is None else timedelta(seconds=float(age)))]


def _of_error(error: Exception) -> Check:
    cause = error.__cause__
    if isinstance(cause, PoolTimeout) and not isinstance(cause, CannotConnect):
        return Check("connections", Status.FAILED, "none is free")
    if getattr(cause, "sqlstate", None) == "42P01":  # undefined_table
        return Check("migrations", Status.FAILED, "some are missing")
    return Check("database", Status.FAILED, "it does not answer")


def _sweeper(age: timedelta | None) -> Check:
    """A late sweep harms no request, and all servers would be late at once. So it only warns."""
    if age is None:
        return Check("sweeper", Status.WARNING, "it has not swept yet")
    if age > LATE:
        return Check("sweeper", Status.WARNING, f"it has not swept for {LATE.total_seconds() / 60:g} minutes")
    return Check("sweeper", Status.OK)


def _keys() -> Check:
    try:
        ring = key_ring(settings.SIGNING_KEYS)
        signature = ring.signing.sign(b"/readyz", ECDSA(SHA256()))
        ring.verifying[ring.signing_kid].verify(signature, b"/readyz", ECDSA(SHA256()))
    except (BadSigningKeys, InvalidSignature, KeyError):
        return Check("signing_keys", Status.FAILED, "they can't be used")
    return Check("signing_keys", Status.OK)


def _free_connections() -> Check:
    pool: Any = connection.pool  # type: ignore[attr-defined]  # PostgreSQL's wrapper has it
    stats = pool.get_stats() if pool is not None else {}
    size = stats.get("pool_size", 0)
    if stats and stats["pool_max"] - size + stats.get("pool_available", 0) <= 0:
        return Check("connections", Status.WARNING, "all are in use")
    return Check("connections", Status.OK)


@cache
def _needed_migrations() -> list[tuple[str, str]]:
    """Return the last migration of each app. A newer release's migrations may be applied, too."""
    return sorted(MigrationLoader(None).graph.leaf_nodes())
