"""Half of the pool at most for one user: who waits for a locked row holds a connection, and others need one, too."""

import threading
from collections import Counter
from collections.abc import Hashable

from psycopg_pool import PoolTimeout

# Counted, and not timed: when the whole machine stood still for a while, nobody is stuck.
LOOK_EVERY = 0.2  # seconds
LOOKS = 10


class Shares:
    """How many connections each user holds. Over the share a request waits here, without a connection."""

    def __init__(self, most: int, *, most_waiting: int) -> None:
        self.most = most
        self._most_waiting = most_waiting
        self._held: Counter[Hashable] = Counter()
        self._waiting: Counter[Hashable] = Counter()
        self._moves: Counter[Hashable] = Counter()  # connections that came back
        self._stuck: set[Hashable] = set()
        self._changed = threading.Condition()

    def take(self, who: Hashable) -> None:
        """Count one more connection of ``who``; waits for a place as long as their other requests get on.

        Raises: PoolTimeout, when none of those got on for two seconds: at once, if that is known by now. Or when too
            many wait: a thread that waits is one less for others.
        """
        with self._changed:
            looks = 0
            while self._held[who] >= self.most:
                if who in self._stuck or self._waiting[who] >= self._most_waiting:
                    raise PoolTimeout(f"other requests of the same user hold {self.most} connections, and don't get on")
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
