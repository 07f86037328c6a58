"""Limit the connections that one user's requests hold. Requests that wait for a lock leave some to other users."""

import threading
from collections import Counter
from collections.abc import Hashable

from psycopg_pool import PoolTimeout

# Looks are counted and time is not measured, because the whole machine may have stood still.
LOOK_EVERY = 0.2  # seconds
LOOKS = 10


class Shares:
    """Counts the connections of each user. A request over the user's share waits here without a connection."""

    def __init__(self, most: int, *, most_waiting: int) -> None:
        self.most = most
        self._most_waiting = most_waiting
        self._held: Counter[Hashable] = Counter()
        self._waiting: Counter[Hashable] = Counter()
        self._moves: Counter[Hashable] = Counter()  # the number of returned connections
        self._stuck: set[Hashable] = set()
        self._changed = threading.Condition()

    def take(self, who: Hashable) -> None:
        """Count one more connection of ``who``. If their share is used up, wait until one of them comes back.

        Raises: PoolTimeout, if none comes back for two seconds, or too many requests of ``who`` already wait. After
            those two seconds it is raised at once, until a connection comes back.
        """
        with self._changed:
            looks = 0
            while self._held[who] >= self.most:
                if who in self._stuck or self._waiting[who] >= self._most_waiting:
                    raise PoolTimeout(f"other requests of the same user hold {self.most} connections, and are stuck")
                looks = 0 if self._sees_a_move(who) else looks + 1
                if looks >= LOOKS:
                    self._stuck.add(who)
            self._held[who] += 1

    def give_back(self, who: Hashable) -> None:
        with self._changed:
            self._held[who] -= 1
            self._moves[who] += 1
            self._stuck.discard(who)
            self._changed.notify_all()
            if not self._held[who] and not self._waiting[who]:
                del self._held[who], self._waiting[who], self._moves[who]

    def _sees_a_move(self, who: Hashable) -> bool:
        before = self._moves[who]
        self._waiting[who] += 1
        try:
            return self._changed.wait_for(lambda: self._moves[who] != before, LOOK_EVERY)
        finally:
            self._waiting[who] -= 1
