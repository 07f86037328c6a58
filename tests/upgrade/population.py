"""Rows for the tables of an earlier version. The columns are those that the database has, so any version will do."""

from typing import Any

import psycopg
from psycopg.sql import SQL, Composed, Identifier

APP = "0" * 24
# A value for a column that must have one and whose value does not matter here.
_PLAIN = {
    "boolean": "false",
    "timestamp with time zone": "clock_timestamp()",
    "character varying": "''",
    "text": "''",
    "uuid": "gen_random_uuid()",
    "bytea": "sha256(int8send(n))",
    "jsonb": "'{}'",
    "ARRAY": "'{}'",
}
_SPECIAL = {
    "users_app": {"id": f"'{APP}'", "name": "'ZAP'", "is_active": "true"},
    "users_user": {
        "id": "lpad(to_hex(n), 24, '0')",
        "username": "'user_' || n",
        "email": "'user_' || n || '@example.org'",
        "name": "'Ann ' || n",
        "is_active": "true",
        "phone_number": "'+49' || 1000000000 + n",
    },
    "users_devicetoken": {"user_id": "lpad(to_hex(n), 24, '0')"},
    "user_sessions_session": {
        "id": "lpad(to_hex(n), 32, '0')::uuid",
        "user_id": "lpad(to_hex(n), 24, '0')",
        "app_id": f"'{APP}'",
        "device_token_id": "n",
        "platform": "'Android'",
        "expires_at": "clock_timestamp() + interval '30 days'",
        "refresh_jti": "lpad(to_hex(n), 32, '0')",
    },
    "token_blacklist_outstandingtoken": {"jti": "lpad(to_hex(n), 32, '0')", "user_id": "NULL"},
}


def fill(link: "psycopg.Connection[Any]", rows: int) -> None:
    """Make one app, and that many users with a device token, a session and a refresh token each."""
    for table in _SPECIAL:
        link.execute(_insert(link, table), [1 if table == "users_app" else rows])
    link.execute("ANALYZE")


def _insert(link: "psycopg.Connection[Any]", table: str) -> Composed:
    columns = link.execute(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = %s AND is_nullable = 'NO'"
        " AND column_default IS NULL AND is_identity = 'NO'",
        [table],
    ).fetchall()
    values = {name: _PLAIN.get(kind, "0") for name, kind in columns} | _SPECIAL[table]
    names = SQL(", ").join(map(Identifier, values))
    return SQL("INSERT INTO {} ({}) SELECT {} FROM generate_series(1, %s) n").format(
        Identifier(table),
        names,
        SQL(", ").join(map(SQL, values.values())),  # type: ignore[arg-type]
    )
