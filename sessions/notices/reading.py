"""Read notices: the next ones after a place, in the order of their transactions."""

import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from django.db import connection

from sessions.notices.place import Place, Snapshot
from users.statement import Statement

# A page has this many notices, or a few more: those of one transaction stay together.
PAGE = 50

# What tells one state of the database from another one. A backup on another server has another system identifier, and
# one that was recovered to an earlier point in time has another timeline.
_SERVER = "concat((pg_control_system()).system_identifier, left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))"
# A backup that is restored into the same database has another table. For backups that differ in nothing, the row has
# an era of its own: `manage.py restored` changes it.
_ERA = "left(md5(concat_ws(' ', {server}, 'user_sessions_notice'::regclass::oid, h.era)), 12)"
_COLUMNS = "xid, id, at, app_id, reason, session_ids, user_ids, opened_until"


def _snapshot(server: str) -> str:
    return f"""
SELECT {_ERA.format(server=server)} AS era, COALESCE(h.xid, 0) AS horizon, pg_current_snapshot()::text AS snapshot
  FROM (SELECT) AS one LEFT JOIN user_sessions_noticehorizon h ON true
"""  # noqa: S608  # constants


def _read(server: str) -> str:
    # Each half is ordered by the index. With one OR condition PostgreSQL would read the notices of a whole day.
    return f"""
SELECT s.era, s.horizon, s.snapshot, n.*
  FROM ({_snapshot(server)}) s
  LEFT JOIN LATERAL (
       SELECT *
         FROM ((SELECT {_COLUMNS} FROM user_sessions_notice WHERE xid = ANY(%(under_way)s::bigint[]) ORDER BY xid)
                UNION ALL
               (SELECT {_COLUMNS} FROM user_sessions_notice WHERE xid > %(xid)s::bigint ORDER BY xid)) later
        ORDER BY xid
        FETCH FIRST {PAGE} ROWS WITH TIES) n ON true
 ORDER BY n.xid, n.id
"""  # noqa: S608  # constants


_READ = Statement(_read(_SERVER))
# PostgreSQL reads a file to tell its system identifier. A connection that reads often asks for it once.
_READ_OFTEN = _read("%(server)s::text").encode()
_HERE = Statement(f"""
SELECT s.*, COALESCE((SELECT max(xid) FROM user_sessions_notice), 0) FROM ({_snapshot(_SERVER)}) s
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
    """Read the next notices after that place. If the place is not in the page's snapshot, some are missing."""
    return _page(_READ.fetch_all(xid=place.xid, under_way=sorted(place.under_way)), place)


class Reader:
    """Reads often, on a connection of its own, so that it never waits for one.

    Raises: psycopg.Error, as every method.
    """

    def __init__(self) -> None:
        self._link = psycopg.connect(**connection.get_connection_params(), autocommit=True)
        self._server: str | None = None

    def read_after(self, place: Place) -> Page:
        """Read the next notices after that place, like `read_after`."""
        if self._server is None:
            row = self._link.execute(f"SELECT {_SERVER}".encode()).fetchone()
            assert row is not None  # noqa: S101  # it is a SELECT without a table
            self._server = row[0]
        values = {"server": self._server, "xid": place.xid, "under_way": sorted(place.under_way)}
        return _page(self._link.execute(_READ_OFTEN, values, prepare=True).fetchall(), place)

    def hang_up(self) -> None:
        """Close the connection, even while another thread reads. That thread gets an error."""
        with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(self._link.pgconn.socket)) as copy:
            copy.shutdown(socket.SHUT_RDWR)


def _page(rows: Sequence[Sequence[Any]], place: Place) -> Page:
    snapshot = Snapshot.of(*rows[0][:3])
    notices = [Told(*row[3:]) for row in rows if row[3] is not None]
    is_last = len(notices) < PAGE
    return Page(notices, place.after((each.xid for each in notices), snapshot, are_all=is_last), snapshot, is_last)
