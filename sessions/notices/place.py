"""A place in the stream of notices: the notices before it have been read, and none of them comes again.

Transactions commit in another order than they write. So a place is not a number, but a set of transactions: all up to
`xid`, except those in `under_way`, which had not ended. A notice of theirs is read when they have committed.

`xid` is the transaction of a notice that somebody has read, so its commit is on the disk. A later one could be lost in
a crash, and PostgreSQL would use its number again.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

# A place that a client sends has no more numbers. With more transactions under way, `str` goes back before them.
_MOST_UNDER_WAY = 50
_NUMBER = "[0-9]{1,18}"
_TEXT = re.compile(rf"([0-9a-f]{{12}})-({_NUMBER})(?:-({_NUMBER}(?:\.{_NUMBER}){{0,{_MOST_UNDER_WAY - 1}}}))?")


@dataclass(frozen=True)
class Snapshot:
    """What PostgreSQL knows about the notices at an instant.

    Attributes:
        era: differs for each state of the database that can't be compared with another one, such as a backup.
        horizon: the newest transaction of which a notice has been deleted.
        xmax: the first transaction that had not begun. under_way: transactions that had begun and not ended.
    """

    era: str
    horizon: int
    xmax: int
    under_way: frozenset[int]

    @classmethod
    def of(cls, era: str, horizon: int, text: str) -> "Snapshot":
        """Make one from the text of `pg_current_snapshot()`: `xmin:xmax:xid,xid,…`."""
        _, xmax, under_way = text.split(":")
        return cls(era, horizon, int(xmax), frozenset(map(int, filter(None, under_way.split(",")))))


@dataclass(frozen=True)
class Place:
    era: str
    xid: int
    under_way: frozenset[int] = frozenset()

    def __str__(self) -> str:
        """Return the text that clients send back to go on here. It may be an earlier place, never a later one."""
        if not self.under_way:
            return f"{self.era}-{self.xid}"
        if len(self.under_way) > _MOST_UNDER_WAY:
            return f"{self.era}-{min(self.under_way) - 1}"
        return f"{self.era}-{self.xid}-{'.'.join(map(str, sorted(self.under_way)))}"

    @classmethod
    def parse(cls, text: str) -> "Place | None":
        """Return the place that a client sent, or None if no server wrote that text."""
        found = _TEXT.fullmatch(text)
        if found is None:
            return None
        under_way = frozenset(map(int, (found[3] or "").split("."))) if found[3] else frozenset()
        return cls(found[1], int(found[2]), under_way)

    @classmethod
    def at(cls, snapshot: Snapshot, newest: int) -> "Place":
        """Return the place after everything that was committed. Args: newest: the newest notice's transaction."""
        xid = max(newest, snapshot.horizon)
        return cls(snapshot.era, xid, _until(xid, snapshot.under_way))

    def has_passed(self, xid: int) -> bool:
        """Return whether the notices of that transaction have been read."""
        return xid <= self.xid and xid not in self.under_way

    def is_in(self, snapshot: Snapshot) -> bool:
        """Return whether every notice after this place can still be read."""
        if self.era != snapshot.era or self.xid >= snapshot.xmax:
            return False
        return self.xid >= snapshot.horizon and all(xid > snapshot.horizon for xid in self.under_way)

    def after(self, xids: Iterable[int], snapshot: Snapshot, *, are_all: bool) -> "Place":
        """Return the place after the notices of ``xids``, the first ones after this place by their transactions.

        Args: snapshot: the one in which they were read. are_all: whether there were no more.
        """
        read_until = max(xids, default=0)
        xid = max(self.xid, read_until)
        left = snapshot.under_way
        if not are_all:
            left |= {each for each in self.under_way if each > read_until}
        return Place(snapshot.era, xid, _until(xid, left))


def _until(xid: int, xids: frozenset[int]) -> frozenset[int]:
    return frozenset(each for each in xids if each <= xid)
