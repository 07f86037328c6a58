"""Read notices: the next ones after a place, in the order of their transactions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sessions.notices.place import Place, Snapshot
from users.statement import Statement

# A page has this many notices, or a few more: those of one transaction stay together.
PAGE = 200

# The era. A backup that is restored into the same database has another table, one on another server has another system
# identifier, and one that was recovered to an earlier point in time has another timeline. The row has a number of its
# own for backups that have none of that: `manage.py restored` changes it.
_SNAPSHOT = """
SELECT left(md5(concat_ws(' ', (pg_control_system()).system_identifier,
                          left(pg_walfile_name(pg_current_wal_insert_lsn()), 8),
                          'user_sessions_notice'::regclass::oid, h.era)), 12) AS era,
       COALESCE(h.xid, 0) AS horizon,
       pg_current_snapshot()::text AS snapshot
  FROM (SELECT) AS one LEFT JOIN user_sessions_noticehorizon h ON true
"""
_COLUMNS = "xid, id, at, app_id, reason, session_ids, user_ids, opened_until"
# Each half is ordered by the index. With one OR condition PostgreSQL would read the notices of a whole day.
READ = f"""
SELECT s.era, s.horizon, s.snapshot, n.*
  FROM ({_SNAPSHOT}) s
  LEFT JOIN LATERAL (
       SELECT *
         FROM ((SELECT {_COLUMNS} FROM user_sessions_notice WHERE xid = ANY(%(under_way)s::bigint[]) ORDER BY xid)
                UNION ALL
               (SELECT {_COLUMNS} FROM user_sessions_notice WHERE xid > %(xid)s::bigint ORDER BY xid)) later
        ORDER BY xid
        FETCH FIRST {PAGE} ROWS WITH TIES) n ON true
 ORDER BY n.xid, n.id
"""  # noqa: S608  # constants
_READ = Statement(READ)
_HERE = Statement(f"""
SELECT s.*, COALESCE((SELECT max(xid) FROM user_sessions_notice), 0) FROM ({_SNAPSHOT}) s
""")  # noqa: S608  # constants


@dataclass(frozen=True)
class Told:
    """A notice: the columns of `sessions.notice.Notice`."""

    xid: int
    id: int
    at: datetime
    app_id: str
    reason: str
    session_ids: list[UUID] | None
    user_ids: list[str | None] | None
    opened_until: datetime | None


@dataclass(frozen=True)
class Page:
    """Some notices, and the place after them. ``is_last``: there were no more."""

    notices: list[Told]
    place: Place
    snapshot: Snapshot
    is_last: bool


def here() -> Place:
    """Return the place after all notices of committed transactions."""
    ((*snapshot, newest),) = _HERE.fetch_all()
    return Place.at(Snapshot.of(*snapshot), newest)


def read_after(place: Place) -> Page:
    """Read the next notices after that place. If the page's snapshot says that it is not in it, some are missing."""
    return page_of(_READ.fetch_all(**parameters(place)), place)


def parameters(place: Place) -> dict[str, Any]:
    """Return the parameters of `READ`."""
    return {"xid": place.xid, "under_way": sorted(place.under_way)}


def page_of(rows: Sequence[Sequence[Any]], place: Place) -> Page:
    """Make a page of the rows of `READ`."""
    snapshot = Snapshot.of(*rows[0][:3])
    notices = [Told(*row[3:]) for row in rows if row[3] is not None]
    is_last = len(notices) < PAGE
    return Page(notices, place.after((each.xid for each in notices), snapshot, are_all=is_last), snapshot, is_last)
