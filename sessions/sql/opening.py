"""The statements that open a session: without a device token, or with a stored one.

The database sets the times, so that no host's clock decides how long a session lasts. It copies the epochs in
the same statement: an order that commits after the log-in was answered refuses the session. A refresh token is listed
as outstanding in simplejwt's table, without its text, because a stored token could be stolen.

`sessions.sql.login_at_once` opens sessions, too, and follows the same rules.
"""

from datetime import datetime, timedelta

from sessions.models import Session
from users.errors import AppInactive
from users.statement import Row, Statement, Value

_OPEN = Statement("""
WITH opened AS (
    INSERT INTO user_sessions_session (
           id, app_id, user_id, device_id, device_token_id, opened_from_id, ip, user_agent, platform,
           refresh_jti, refresh_used_by, end_reason, ended_request_id, app_epoch, user_epoch,
           created_at, last_seen_at, expires_at, authenticated_at)
    SELECT %(id)s::uuid, a.id, u.id, %(device)s, %(device_token)s::bigint, %(opened_from)s::uuid, %(ip)s::inet,
           %(user_agent)s, %(platform)s, %(refresh_jti)s, '', '', '', a.session_epoch, COALESCE(u.session_epoch, 0),
           t.now, t.now, t.now + make_interval(secs => %(seconds)s::float8), CASE WHEN u.id IS NOT NULL THEN t.now END
      FROM (SELECT clock_timestamp() AS now) t
     CROSS JOIN users_app a
      LEFT JOIN users_user u ON u.id = %(user)s
     WHERE a.id = %(app)s AND a.is_active
 RETURNING user_id, device_token_id, refresh_jti, app_epoch, user_epoch, created_at, expires_at, authenticated_at
), recorded AS (
    INSERT INTO token_blacklist_outstandingtoken (jti, user_id, token, created_at, expires_at)
    SELECT refresh_jti, user_id, '', created_at, expires_at FROM opened WHERE refresh_jti IS NOT NULL
)
SELECT app_epoch, user_epoch, created_at, expires_at, authenticated_at, device_token_id FROM opened
""")
_OPEN_ON_ADDRESS = Statement("""
-- The token moves to this user, even from another user.
WITH given AS (
    UPDATE users_devicetoken
       SET user_id = %(user)s, held_by = %(id)s::uuid, updated_at = clock_timestamp()
     WHERE id = %(device_token)s::bigint
 RETURNING id, clock_timestamp() AS now -- after a wait for the token's row
), opened AS (
    INSERT INTO user_sessions_session (
           id, app_id, user_id, device_id, device_token_id, opened_from_id, ip, user_agent, platform,
           refresh_jti, refresh_used_by, end_reason, ended_request_id, app_epoch, user_epoch,
           created_at, last_seen_at, expires_at, authenticated_at)
    SELECT %(id)s::uuid, a.id, u.id, %(device)s, given.id, %(opened_from)s::uuid, %(ip)s::inet,
           %(user_agent)s, %(platform)s, %(refresh_jti)s, '', '', '', a.session_epoch, COALESCE(u.session_epoch, 0),
           given.now, given.now, given.now + make_interval(secs => %(seconds)s::float8),
           CASE WHEN u.id IS NOT NULL THEN given.now END
      FROM given
     CROSS JOIN users_app a
      LEFT JOIN users_user u ON u.id = %(user)s
     WHERE a.id = %(app)s AND a.is_active
 RETURNING user_id, device_token_id, refresh_jti, app_epoch, user_epoch, created_at, expires_at, authenticated_at
), recorded AS (
    INSERT INTO token_blacklist_outstandingtoken (jti, user_id, token, created_at, expires_at)
    SELECT refresh_jti, user_id, '', created_at, expires_at FROM opened WHERE refresh_jti IS NOT NULL
)
SELECT app_epoch, user_epoch, created_at, expires_at, authenticated_at, device_token_id FROM opened
""")


def open_session(session: Session, *, lifetime: timedelta) -> datetime:
    """Store a new session that ends after ``lifetime``. Sets its times and epochs.

    If `refresh_jti` is set, this refresh token is listed as outstanding.

    Returns: the database's time when it was opened. Raises: AppInactive, when somebody has switched the app off since
        it was read. The order has moved the app's epoch, so its run would never end a session with the new one.
    """
    return set_opened(session, _only(_OPEN.fetch_all(**_facts(session, lifetime))))


def open_session_on_address(session: Session, *, lifetime: timedelta) -> datetime:
    """Like `open_session`, with the stored `device_token` of ``session``: give it to the session's user."""
    return set_opened(session, _only(_OPEN_ON_ADDRESS.fetch_all(**_facts(session, lifetime))))


def _only(rows: list[Row]) -> Row:
    if not rows:
        raise AppInactive
    return rows[0]


def _facts(session: Session, lifetime: timedelta) -> dict[str, Value]:
    return {
        "id": session.pk,
        "app": session.app_id,
        "user": session.user_id,
        "device": session.device_id,
        "device_token": session.device_token_id,
        "opened_from": session.opened_from_id,
        "ip": session.ip,
        "user_agent": session.user_agent,
        "platform": session.platform,
        "refresh_jti": session.refresh_jti,
        "seconds": lifetime.total_seconds(),
    }


def set_opened(session: Session, row: Row) -> datetime:
    """Set the values that the database has chosen. Returns: the time when the session was opened."""
    (
        session.app_epoch,
        session.user_epoch,
        session.created_at,
        session.expires_at,
        session.authenticated_at,
        session.device_token_id,
    ) = row
    session.last_seen_at = session.checked_at = session.created_at
    session._state.adding = False
    return session.created_at
