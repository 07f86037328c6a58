"""The sweep: housekeeping that each server does every few minutes."""

import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from itertools import count

from django.db import InterfaceError, OperationalError, connections

from sessions.inspect.statistics import count_after_runs, count_figures
from sessions.notices.writing import forget_old_notices
from sessions.timeouts import end_timed_out
from sessions.upkeep.canary import forget_canaries
from sessions.upkeep.canary_access import close_canary
from users.claiming import claimed
from users.database_use import Use, set_use
from users.refused_logins import forget_old
from users.throttling import forget_past

logger = logging.getLogger("zapauth.sessions")

SWEEP_EVERY = timedelta(minutes=5)
# How often the server looks whether a large bulk run has changed the dashboard's figures.
LOOK_EVERY = timedelta(seconds=20)
_LOOKS = SWEEP_EVERY // LOOK_EVERY
_LAST_SWEEP = 5.0  # seconds
# One of PostgreSQL's advisory locks: two numbers that nothing else uses.
_SWEEP_LOCK = (0x5A53, 0)


def sweep() -> None:
    """End sessions that have timed out, delete what is old, and update the dashboard's figures.

    Does nothing while another server sweeps.
    """
    with claimed(_SWEEP_LOCK) as is_alone:
        if is_alone:
            close_canary()
            end_timed_out()
            forget_past()
            forget_old()
            forget_old_notices()
            forget_canaries()
            count_figures()


class Sweeper(threading.Thread):
    """A thread that sweeps when it starts and then every few minutes, until `stop`."""

    def __init__(self) -> None:
        super().__init__(name="sweeper", daemon=True)
        self._stopped = threading.Event()
        self._failing = False

    def run(self) -> None:
        set_use(Use.COMMAND)
        for number in count():
            self._try(count_after_runs if number % _LOOKS else sweep)
            if self._stopped.wait(LOOK_EVERY.total_seconds()):
                return

    def stop(self) -> None:
        """Wait for the current sweep, a few seconds at most, and stop. PostgreSQL rolls back what takes longer."""
        self._stopped.set()
        self.join(_LAST_SWEEP)

    def _try(self, work: Callable[[], None]) -> None:
        try:
            work()
            self._failing = False
        except (OperationalError, InterfaceError) as error:
            # Log it once: an outage of an hour is one event.
            if not self._failing:
                logger.warning("the sweep failed and is tried again: %s", str(error).partition("\n")[0])
            self._failing = True
        except Exception:
            logger.exception("the sweep failed and is tried again")
        try:
            connections.close_all()
        except Exception:
            logger.exception("the sweep's connection broke")
