"""Migrate without holding requests up: a migration waits for a lock for a quarter of a second at most, and tries again.

While a migration waits for a lock on a table, all requests that use the table wait behind it. So it must not wait for
a long transaction, such as a backup. An attempt that fails changes nothing: what has been migrated is recorded, and
the next attempt goes on there.
"""

import logging
import time
from collections.abc import Callable

import psycopg
from django.conf import settings
from django.db import OperationalError

logger = logging.getLogger("zapauth.server")

# In seconds. Waiting requests go on in between.
PAUSE = 1.0


def migrate_patiently(migrate: Callable[[], object]) -> None:
    """Call ``migrate``, and again while it can't get a lock, for `MIGRATION_LOCK_TIMEOUT`.

    Raises: OperationalError, when that time is over.
    """
    limit = settings.MIGRATION_LOCK_TIMEOUT
    deadline = time.monotonic() + limit if limit else float("inf")
    has_told = False
    while True:
        try:
            migrate()
            return
        except OperationalError as error:
            if not isinstance(error.__cause__, psycopg.errors.LockNotAvailable) or time.monotonic() >= deadline:
                raise
            if not has_told:
                logger.warning("a migration waits until another transaction ends, and lets requests pass meanwhile")
            has_told = True
        time.sleep(PAUSE)
