"""Restart the embedded PostgreSQL when it dies while the server runs."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zapauth.local.embedded_postgres import EmbeddedPostgresError, _only_one, _Server

logger = logging.getLogger("zapauth.postgres")

# Seconds between two checks. A check reads two small files.
EVERY = 0.2
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0


@contextmanager
def watched() -> Iterator[None]:
    """Restart the embedded PostgreSQL whenever it dies during the block. Use it within `running`.

    `running` holds a lock, so no other process stops PostgreSQL on purpose meanwhile. Does nothing with DATABASE_URL.
    """
    from django.conf import settings

    if not settings.IS_LOCAL:
        yield
        return
    watch = PostgresWatch(settings.DATA_DIR)
    watch.start()
    try:
        yield
    finally:
        watch.stop()


class PostgresWatch(threading.Thread):
    """A thread that watches PostgreSQL until `stop`. If several processes watch it, one of them restarts it."""

    def __init__(self, data: Path) -> None:
        super().__init__(name="postgres watch", daemon=True)
        self._data = data
        self._server = _Server(data)
        self._stopped = threading.Event()
        self._pause = FIRST_PAUSE

    def run(self) -> None:
        wait = EVERY
        while not self._stopped.wait(wait):
            wait = EVERY
            try:
                if not self._server.is_running():
                    self._start_again()
                self._pause = FIRST_PAUSE
            except (EmbeddedPostgresError, OSError) as error:
                wait, self._pause = self._pause, min(LONGEST_PAUSE, 2 * self._pause)
                logger.error("PostgreSQL can't be started; the next try is in %g s. %s", wait, error)

    def _start_again(self) -> None:
        with _only_one(self._data):
            if self._server.is_running():  # another process has restarted it
                return
            since = time.monotonic()
            logger.error("PostgreSQL has died; restarting it")
            self._server.start_again()
            logger.warning("PostgreSQL runs again after %.1f s", time.monotonic() - since)

    def stop(self) -> None:
        """Stop watching. If a restart is under way, wait for it."""
        self._stopped.set()
        self.join()
