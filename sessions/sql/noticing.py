"""The part of a statement that writes notices, if any app is told about ended sessions.

Without such an app it only looks at the short table of apps. It sends no NOTIFY: PostgreSQL (up to 18) commits
transactions that notify one after the other, each with its own flush. Then logouts would take turns (docs/events.md).
"""

from sessions.notice import MOST_IN_ONE

# True if there is an app that is told.
HAS_LISTENERS = "EXISTS (SELECT FROM users_app WHERE event_access <> 'none' AND is_active)"

# Follows a data-modifying query `ended`, which returns the id, app_id and user_id of one session at most.
ONE_NOTICED = f"""
noticed AS (
    INSERT INTO user_sessions_notice (at, app_id, reason, session_ids, user_ids)
    SELECT %(now)s, app_id, 'logout', ARRAY[id], ARRAY[user_id]
      FROM ended
     WHERE {HAS_LISTENERS}
)"""  # noqa: S608  # constants

# The same for any number of sessions, unless `is_told` is false: an order has been told that refuses all of them.
NOTICED = f"""
noticed AS (
    INSERT INTO user_sessions_notice (at, app_id, reason, session_ids, user_ids)
    SELECT %(now)s, app_id, %(reason)s, array_agg(id), array_agg(user_id)
      FROM (SELECT id, app_id, user_id, (row_number() OVER (PARTITION BY app_id) - 1) / {MOST_IN_ONE} AS part
              FROM ended) parts
     WHERE %(is_told)s AND {HAS_LISTENERS}
     GROUP BY app_id, part
)"""  # noqa: S608  # constants
