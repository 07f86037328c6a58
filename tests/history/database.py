"""The database at the end of a run, as the checker reads it: plain rows, without the project's code."""

import json
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row


@dataclass(frozen=True, kw_only=True)
class SessionRow:
    id: str
    user: str | None = None
    ended_at: str | None = None
    reason: str = ""
    ended_by: str | None = None
    request: str = ""
    run: str | None = None
    address: int | None = None  # the key of its push address
    refresh: str | None = None  # the label of its refresh token
    is_cut_off: bool = False  # refused by an order, whether its row has ended or not


@dataclass(frozen=True, kw_only=True)
class AddressRow:
    id: int
    digest: str
    user: str | None = None
    held_by: str | None = None


@dataclass(frozen=True, kw_only=True)
class RunRow:
    id: str
    ended: int
    is_finished: bool


@dataclass(kw_only=True)
class Database:
    """The rows. `is_whole` is false if some tables are missing, as in the dump of another product."""

    sessions: dict[str, SessionRow] = field(default_factory=dict)
    addresses: list[AddressRow] = field(default_factory=list)
    runs: list[RunRow] = field(default_factory=list)
    # Labels of refresh tokens in simplejwt's tables: those that have not expired, and the blacklisted ones.
    outstanding: set[str] = field(default_factory=set)
    blacklisted: set[str] = field(default_factory=set)
    told: set[str] = field(default_factory=set)  # sessions whose end was told to services
    logins: set[str] = field(default_factory=set)  # sessions whose log-in is on record
    password_changes: dict[str, int] = field(default_factory=dict)  # how many are on record, by user
    orders: set[str] = field(default_factory=set)  # bulk runs that are on record
    acts: set[str] = field(default_factory=set)  # requests by which staff ended sessions, on record
    # At earlier looks: bulk runs whose count was wrong, and addresses of a user whose session had ended.
    miscounted: list[RunRow] = field(default_factory=list)
    left_behind: list[AddressRow] = field(default_factory=list)
    # Earlier looks at the ended sessions: id -> (ended_at, reason, request, run).
    looks: list[dict[str, tuple[str, str, str, str | None]]] = field(default_factory=list)


def digest_of(address: str) -> str:
    return sha256(address.encode()).hexdigest()


_SESSIONS = """
SELECT s.id::text, s.user_id AS "user", s.ended_at::text, s.end_reason AS reason, s.ended_by_id AS ended_by,
       s.ended_request_id AS request, s.bulk_run_id::text AS run, s.device_token_id AS address,
       s.refresh_jti AS refresh,
       s.app_epoch <> a.session_epoch OR COALESCE(s.user_epoch <> u.session_epoch, false)
       OR COALESCE(s.created_at <= a.sessions_valid_after, false)
       OR COALESCE(s.created_at <= u.sessions_valid_after, false) AS is_cut_off
  FROM user_sessions_session s JOIN users_app a ON a.id = s.app_id LEFT JOIN users_user u ON u.id = s.user_id
"""
_MISCOUNTED = """
SELECT r.id::text, r.ended
  FROM user_sessions_bulkrun r
 WHERE r.ended <> (SELECT count(*) FROM user_sessions_session s WHERE s.bulk_run_id = r.id)
"""
_LEFT_BEHIND = """
SELECT t.id, encode(t.digest, 'hex'), t.user_id, t.held_by::text
  FROM users_devicetoken t JOIN user_sessions_session s ON s.id = t.held_by
 WHERE t.user_id IS NOT NULL AND s.ended_at IS NOT NULL
"""
_LOOK = """
SELECT id::text, ended_at::text, end_reason, ended_request_id, bulk_run_id::text
  FROM user_sessions_session WHERE ended_at IS NOT NULL
"""


def dump(url: str) -> Database:
    """Read everything in one snapshot. Raises: psycopg.Error."""
    with psycopg.connect(url, row_factory=dict_row) as link:
        link.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ

        def rows(statement: str) -> list[dict[str, Any]]:
            return link.execute(statement).fetchall()

        tokens = "token_blacklist_outstandingtoken o LEFT JOIN token_blacklist_blacklistedtoken b ON b.token_id = o.id"
        refresh = rows(f"SELECT o.jti, b.id IS NOT NULL AS is_dead, o.expires_at > now() AS is_new FROM {tokens}")  # noqa: S608
        told = "SELECT DISTINCT unnest(session_ids)::text AS id FROM user_sessions_notice"
        record = rows(
            "SELECT event, user_id, session_id::text AS session, details ->> 'run' AS run, request_id AS request"
            "  FROM users_securityevent"
        )
        changes: dict[str, int] = {}
        for entry in record:
            if entry["event"] == "password_changed":
                changes[entry["user_id"]] = changes.get(entry["user_id"], 0) + 1
        addresses = (
            "SELECT id, encode(digest, 'hex') AS digest, user_id AS \"user\", held_by::text FROM users_devicetoken"
        )
        runs = "SELECT id::text, ended, finished_at IS NOT NULL AS is_finished FROM user_sessions_bulkrun"
        return Database(
            sessions={row["id"]: SessionRow(**row) for row in rows(_SESSIONS)},
            addresses=[AddressRow(**row) for row in rows(addresses)],
            runs=[RunRow(**row) for row in rows(runs)],
            outstanding={row["jti"] for row in refresh if row["is_new"]},
            blacklisted={row["jti"] for row in refresh if row["is_dead"]},
            told={row["id"] for row in rows(told)},
            logins={row["session"] for row in record if row["event"] == "login"},
            password_changes=changes,
            orders={row["run"] for row in record if row["event"] == "bulk_order"},
            acts={row["request"] for row in record if row["event"] == "sessions_ended"},
        )


def miscounted(url: str) -> list[RunRow]:
    """Return the bulk runs that count other sessions than they have ended so far. Raises: psycopg.Error."""
    with psycopg.connect(url, connect_timeout=2) as link:
        return [RunRow(id=run, ended=ended, is_finished=False) for run, ended in link.execute(_MISCOUNTED)]


def left_behind(link: psycopg.Connection[Any]) -> list[AddressRow]:
    """Return the addresses that still belong to a user whose session has ended. Raises: psycopg.Error."""
    found = link.execute(_LEFT_BEHIND)
    return [AddressRow(id=row[0], digest=row[1], user=row[2], held_by=row[3]) for row in found]


def look(url: str) -> dict[str, tuple[str, str, str, str | None]]:
    """Read which sessions have ended so far, and how. Raises: psycopg.Error."""
    with psycopg.connect(url, connect_timeout=2) as link:
        return {row[0]: tuple(row[1:]) for row in link.execute(_LOOK)}


def save(database: Database, path: Path) -> None:
    """Write the dump as JSON, to be read beside the history."""
    path.write_text(json.dumps(asdict(database), default=sorted, indent=1))


def load(path: Path) -> Database:
    facts = json.loads(path.read_text())
    facts["sessions"] = {key: SessionRow(**row) for key, row in facts["sessions"].items()}
    for name in ("addresses", "left_behind"):
        facts[name] = [AddressRow(**row) for row in facts[name]]
    for name in ("runs", "miscounted"):
        facts[name] = [RunRow(**row) for row in facts[name]]
    facts["looks"] = [{key: tuple(row) for key, row in look.items()} for look in facts["looks"]]
    for name in ("outstanding", "blacklisted", "told", "logins", "orders", "acts"):
        facts[name] = set(facts[name])
    return Database(**facts)
