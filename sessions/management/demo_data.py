"""Demo users and sessions in any number, to look at the admin and to test under load.

SQL makes them from row numbers: the same number gives the same person and phone each time. Existing rows stay as they
are; a larger number adds rows. Sessions are inserted in the order of their log-ins, as in production.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from sessions.liveness import live_sessions
from sessions.models import Session
from users.clock import database_now
from users.models import App, User
from users.sealing import Purpose, seal

BATCH = 20_000
# An unusable password. Only demo users have it.
_NO_PASSWORD = "!demo"
_MONTH = timedelta(days=30)

# SQL functions of a row's number `n`: a fraction of 1 (evenly spread), an id, one of several choices, a session's id.
_FUNCTIONS = """
CREATE OR REPLACE FUNCTION pg_temp.part(n bigint, salt text) RETURNS float8 LANGUAGE sql IMMUTABLE AS
$$ SELECT ('x' || substr(md5(salt || n), 1, 8))::bit(32)::bigint / 4294967296.0 $$;
CREATE OR REPLACE FUNCTION pg_temp.object_id(n bigint, salt text) RETURNS text LANGUAGE sql IMMUTABLE AS
$$ SELECT substr(md5('demo ' || salt || n), 1, 24) $$;
CREATE OR REPLACE FUNCTION pg_temp.pick(n bigint, salt text, choices text[]) RETURNS text LANGUAGE sql IMMUTABLE AS
$$ SELECT choices[1 + floor(pg_temp.part(n, salt) * cardinality(choices))::int] $$;
-- A UUIDv7 (RFC 9562 §5.7) of that moment.
CREATE OR REPLACE FUNCTION pg_temp.uuid7(n bigint, salt text, at timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE AS
$$ SELECT (substr(h, 1, 8) || '-' || substr(h, 9, 4) || '-7' || substr(r, 1, 3) || '-8' || substr(r, 4, 3)
           || '-' || substr(r, 7, 12))::uuid
     FROM lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') h, md5('demo session ' || salt || n) r $$;
"""
_USERS = """
INSERT INTO users_user (id, username, email, email_verified, phone_number, password, name, first_name, last_name,
       gender, tag, ip_addresses, user_agents, is_staff, is_superuser, is_active, last_login, created_at, updated_at)
SELECT pg_temp.object_id(n, 'user'), lower(first) || '_' || n, lower(first) || '.' || n || '@example.org', part < 0.7,
       '+99' || lpad(n::text, 10, '0'), %(password)s, first || ' ' || last, first, last,
       '', '', ARRAY[]::varchar[], ARRAY[]::varchar[], false, false, true, at, at, at
  FROM (SELECT n, pg_temp.pick(n, 'first', %(first)s) AS first, pg_temp.pick(n, 'last', %(last)s) AS last,
               pg_temp.part(n, 'user') AS part, %(now)s - interval '700 days' * pg_temp.part(n, 'since') AS at
          FROM generate_series(%(start)s::bigint, %(stop)s::bigint) n) facts
ON CONFLICT DO NOTHING
"""
# All values of the sessions of a batch, one row for each session.
_FACTS = """
DROP TABLE IF EXISTS pg_temp.demo_session;  -- from the previous batch, in the same transaction
CREATE TEMP TABLE demo_session ON COMMIT DROP AS
SELECT f.*, CASE WHEN is_zap THEN %(zap)s ELSE %(buddy)s END AS app_id,
       pg_temp.uuid7(n, %(salt)s, created_at) AS id,
       '10.' || (n / 65536 %% 256) || '.' || (n / 256 %% 256) || '.' || n %% 256 AS ip,
       CASE platform WHEN 'iOS' THEN 'Demo/3.2 (iPhone; CPU iPhone OS 17_4 like Mac OS X)'
                     WHEN 'Android' THEN 'Demo/3.2 (Linux; U; Android 14; ' || model || ')'
                     ELSE 'Mozilla/5.0 (' || platform || ') Demo/3.2' END AS user_agent,
       seen_from + (%(now)s - seen_from) * pg_temp.part(n, 'seen') AS last_seen_at
  FROM (SELECT g.*, GREATEST(created_at, %(now)s - %(seen_within)s) AS seen_from,
               pg_temp.object_id(1 + floor(pg_temp.part(n, 'owner') * %(users)s)::bigint, 'user') AS user_id,
               pg_temp.part(n, 'dialect') < %(zap_share)s AS is_zap,
               pg_temp.pick(n, 'platform', ARRAY['iOS', 'iOS', 'Android', 'Android', 'Android', 'Windows', 'Mac OS X'])
                   AS platform,
               pg_temp.pick(n, 'model', ARRAY['Pixel 8', 'SM-S921B', 'Pixel 7a', 'M2101K6G', 'SM-A546B']) AS model
          FROM (SELECT n, %(now)s - interval '29 days' * (1 - (n - pg_temp.part(n, %(salt)s)) / %(count)s) AS created_at
                  FROM generate_series(%(start)s::bigint, %(stop)s::bigint) n) g) f
 WHERE NOT EXISTS (SELECT FROM users_device WHERE id = pg_temp.object_id(n, %(salt)s || 'device'))
   AND NOT EXISTS (SELECT FROM token_blacklist_outstandingtoken WHERE jti = md5('demo jti ' || %(salt)s || n));
"""
_DEVICES = """
INSERT INTO users_device (id, app_id, unique_id, platform, model, os_version, app_version, connection_type, tag,
       created_at, updated_at)
SELECT pg_temp.object_id(n, %(salt)s || 'device'), app_id, 'demo-' || %(salt)s || n, platform,
       CASE WHEN platform = 'Android' THEN model ELSE '' END, '', '3.2', '', '', created_at, created_at
  FROM demo_session WHERE NOT is_zap
ON CONFLICT DO NOTHING
"""
_DEVICE_TOKENS = """
INSERT INTO users_devicetoken (sealed_token, digest, user_id, held_by, device_id, created_at, updated_at)
SELECT %(sealed_token)s, sha256(token::bytea),
       CASE WHEN NOT %(ended)s THEN user_id END, id, device_id, created_at, created_at
  FROM (SELECT s.*, 'demo:' || md5(%(salt)s || n) AS token,
               CASE WHEN NOT is_zap THEN pg_temp.object_id(n, %(salt)s || 'device') END AS device_id
          FROM demo_session s WHERE platform IN ('iOS', 'Android')) t
ON CONFLICT DO NOTHING
"""
_SESSIONS = """
INSERT INTO user_sessions_session (id, app_id, user_id, device_id, device_token_id, ip, user_agent, platform,
       created_at, last_seen_at, expires_at, refresh_jti, refresh_used_by, end_reason, ended_at, ended_request_id,
       app_epoch, user_epoch)
SELECT s.id, s.app_id, s.user_id, CASE WHEN NOT is_zap THEN pg_temp.object_id(n, %(salt)s || 'device') END, t.id,
       ip::inet, user_agent, platform, s.created_at, last_seen_at, s.created_at + interval '30 days',
       CASE WHEN is_zap THEN md5('demo jti ' || %(salt)s || n) END, '',
       CASE WHEN %(ended)s THEN pg_temp.pick(n, 'reason', ARRAY['logout', 'logout', 'logout', 'logout', 'superseded',
            'staff', 'password_changed', 'idle', 'expired']) ELSE '' END,
       CASE WHEN %(ended)s THEN last_seen_at END, '', a.session_epoch, u.session_epoch
  FROM demo_session s
  JOIN users_app a ON a.id = s.app_id
  JOIN users_user u ON u.id = s.user_id
  LEFT JOIN users_devicetoken t ON t.digest = sha256(('demo:' || md5(%(salt)s || n))::bytea)
 ORDER BY n
ON CONFLICT DO NOTHING
"""
_REFRESH_TOKENS = """
INSERT INTO token_blacklist_outstandingtoken (jti, user_id, token, created_at, expires_at)
SELECT md5('demo jti ' || %(salt)s || n), user_id, '', created_at, created_at + interval '30 days'
  FROM demo_session WHERE is_zap
ON CONFLICT DO NOTHING
"""
_FIRST = "Ada Ben Cleo Dan Eva Finn Gil Hana Ivo Jana Kai Lea Max Nora Oli Pia Quin Rosa Sam Tom Uma Vera Will Yara Zoe"
_LAST = (
    "Abel Braun Cohen Diaz Evans Fischer Garcia Haddad Ito Jansen Kumar Lopez Moreau Novak Okafor Petrov Rossi Silva"
)


def make_users(count: int, *, now: datetime | None = None) -> Iterator[int]:
    """Make the demo users number 1 to ``count``. Yields how many there are after each batch."""
    names: dict[str, Any] = {"first": _FIRST.split(), "last": _LAST.split(), "now": now or database_now()}
    names["password"] = _NO_PASSWORD
    yield from _in_batches(count, lambda cursor, numbers: cursor.execute(_USERS, names | numbers))


def make_sessions(
    count: int, *, users: int, ended: bool = False, zap_share: float = 0.6, now: datetime | None = None
) -> Iterator[int]:
    """Make ``count`` sessions of the first ``users`` demo users, live or ended. Yields how many after each batch.

    The fraction ``zap_share`` of them is ZAP's, with a refresh token. The others are Buddy's, on a device. With the
    present settings, live sessions don't time out for at least a day.
    """
    idle = settings.SESSION_IDLE_TIMEOUT
    facts: dict[str, Any] = {
        "zap": App.objects.get_or_create(name="ZAP")[0].pk,
        "buddy": App.objects.get_or_create(name="Demo")[0].pk,
        "users": users,
        "zap_share": zap_share,
        "ended": ended,
        "salt": "ended" if ended else "live",
        "count": count,
        # Ended sessions may have been idle for any time.
        "seen_within": min(idle, _MONTH) * 0.9 if idle and not ended else _MONTH,
        "now": now or database_now(),
        # SQL can't encrypt. All demo device tokens have this encrypted text; their digests differ.
        "sealed_token": seal("demo", Purpose.DEVICE_TOKEN),
    }

    def make(cursor: "CursorWrapper", numbers: dict[str, int]) -> None:
        for statement in (_FACTS, _DEVICES, _DEVICE_TOKENS, _SESSIONS, _REFRESH_TOKENS):
            cursor.execute(statement, facts | numbers)

    yield from _in_batches(count, make)


def _in_batches(count: int, make: "Callable[[CursorWrapper, dict[str, int]], object]") -> Iterator[int]:
    for start in range(1, count + 1, BATCH):
        stop = min(start + BATCH - 1, count)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_FUNCTIONS)
            make(cursor, {"start": start, "stop": stop})
        yield stop


def analyze() -> None:
    """Update the statistics of PostgreSQL's planner after many new rows."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


@dataclass(frozen=True)
class DemoCount:
    """The numbers of demo users and of their sessions."""

    users: int
    live: int
    ended: int


def count_demo() -> DemoCount:
    sessions = Session.objects.filter(user__password=_NO_PASSWORD)
    return DemoCount(
        users=User.objects.filter(password=_NO_PASSWORD).count(),
        live=live_sessions(sessions, now=database_now()).count(),
        ended=sessions.filter(ended_at__isnull=False).count(),
    )
