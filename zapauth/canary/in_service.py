"""The small canary in the main process of each server: a round every CANARY_EVERY, over this server's own workers."""

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import connections

from users.database_use import Use, set_use
from zapauth.canary.lines import Lines
from zapauth.canary.report import line_of
from zapauth.canary.round import Result, Rounds

if TYPE_CHECKING:
    from zapauth.canary.figures import Figures

logger = logging.getLogger("zapauth.canary")

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
_LAST_ROUND = 5.0  # seconds for a round that is under way when the server stops


class InService(threading.Thread):
    """A thread that carries out rounds until `stop`. The first one is CANARY_EVERY after the start.

    Args: is_stopping: tells whether the server stops. Then its workers refuse connections, and a round proves nothing.
    """

    def __init__(self, is_stopping: Callable[[], bool]) -> None:
        super().__init__(name="canary", daemon=True)
        self._every = settings.CANARY_EVERY.total_seconds()
        self._is_stopping = is_stopping
        self._stopped = threading.Event()
        self._knows = True  # whether the last round could be measured

    def run(self) -> None:
        if not self._every:
            return
        set_use(Use.COMMAND)
        rounds, figures = Rounds(Lines([_own_url()])), _figures()
        while not self._stopped.wait(self._every):
            result = rounds.run_one()
            connections.close_all()
            if self._is_stopping():
                continue
            self._log(result)
            if figures is not None:
                figures.add(result)

    def stop(self) -> None:
        """Stop. A round that is under way gets a few seconds to delete its sessions."""
        self._stopped.set()
        self.join(_LAST_ROUND)

    def _log(self, result: Result) -> None:
        if result.is_broken:
            logger.error("%s", line_of(result))
        elif result.problem and self._knows:
            logger.warning("%s", line_of(result))
        elif not result.problem and not self._knows:
            logger.info("the canary measures again")
        self._knows = not result.problem


def _figures() -> "Figures | None":
    """Return the server's figures, or None if METRICS_PORT is off. Then the library is not loaded."""
    if not settings.METRICS_PORT:
        return None
    from zapauth.metrics import figures  # it opens files, so it is imported late

    return figures.CANARY


def _own_url() -> str:
    host = _EVERYWHERE.get(settings.HOST, settings.HOST)
    return f"http://[{host}]:{settings.PORT}" if ":" in host else f"http://{host}:{settings.PORT}"
