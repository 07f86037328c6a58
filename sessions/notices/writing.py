"""Write notices of orders, delete old notices, and begin a new era."""

from collections.abc import Iterable
from datetime import datetime
from uuid import uuid4

from django.conf import settings

from sessions.models import EndReason
from sessions.notice import MOST_IN_ONE, NoticeHorizon
from sessions.sql.noticing import HAS_LISTENERS
from users.clock import database_now
from users.statement import Statement

BATCH = 2000

_TELL_OF_APPS = Statement(f"""
INSERT INTO user_sessions_notice (at, app_id, reason, opened_until)
SELECT clock_timestamp(), app_id, %(reason)s, COALESCE(%(until)s::timestamptz, clock_timestamp())
  FROM unnest(%(apps)s::text[]) AS app_id
 WHERE {HAS_LISTENERS}
""")  # noqa: S608  # constants
# One notice for each app: an app that is told of its own sessions only must not learn of other apps' users.
_TELL_OF_USERS = Statement(f"""
INSERT INTO user_sessions_notice (at, app_id, reason, user_ids, opened_until)
SELECT clock_timestamp(), app_id, %(reason)s, array_agg(user_id),
       COALESCE(%(until)s::timestamptz, clock_timestamp())
  FROM (SELECT app_id, user_id, (row_number() OVER (PARTITION BY app_id) - 1) / {MOST_IN_ONE} AS part
          FROM user_sessions_session
         WHERE user_id = ANY(%(users)s::text[]) AND ended_at IS NULL
         GROUP BY app_id, user_id) theirs
 WHERE {HAS_LISTENERS}
 GROUP BY app_id, part
""")  # noqa: S608  # constants
_FORGET = Statement("""
WITH gone AS (
    DELETE FROM user_sessions_notice
     WHERE id IN (SELECT id FROM user_sessions_notice ORDER BY id LIMIT %(most)s) AND at < %(before)s
 RETURNING xid
),
-- A place before these can't be read on.
moved AS (
    INSERT INTO user_sessions_noticehorizon AS h (id, era, xid)
    SELECT 1, gen_random_uuid(), max(xid) FROM gone HAVING count(*) > 0
        ON CONFLICT (id) DO UPDATE SET xid = greatest(h.xid, EXCLUDED.xid)
)
SELECT count(*) FROM gone
""")


def tell_of_apps(app_ids: Iterable[str], *, reason: EndReason, until: datetime | None) -> None:
    """Tell services, once this transaction commits, that all sessions of these apps are refused.

    Args: until: only the sessions that were opened until then; None: until now.
    """
    _TELL_OF_APPS.fetch_all(apps=list(app_ids), reason=reason.value, until=until)


def tell_of_users(user_ids: Iterable[str], *, reason: EndReason, until: datetime | None) -> None:
    """Tell services, once this transaction commits, that all sessions of these users are refused."""
    _TELL_OF_USERS.fetch_all(users=list(user_ids), reason=reason.value, until=until)


def forget_old_notices() -> None:
    """Delete the notices that are older than EVENT_RETENTION."""
    before = database_now() - settings.EVENT_RETENTION
    # The oldest have the lowest numbers, so no index by time is needed.
    while _FORGET.fetch_all(most=BATCH, before=before)[0][0] == BATCH:
        pass


def begin_era() -> None:
    """Make every place in the stream unknown: services that come back are told to check all their connections."""
    NoticeHorizon.objects.update_or_create(pk=NoticeHorizon.ONLY, defaults={"era": uuid4()})
