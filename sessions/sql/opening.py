"""The statement that opens a session."""

from datetime import datetime, timedelta

from sessions.models import Session
from sessions.sql.statement import Statement

# The database sets the times, so that no host's clock decides how long a session lasts. It copies the
# epochs in the same statement: an order that commits after this session was answered refuses it.
# With a refresh token, that token is listed as outstanding in simplejwt's table, without its text: a token
# at rest that can be used is a token to be stolen.
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
     WHERE a.id = %(app)s
 RETURNING user_id, refresh_jti, app_epoch, user_epoch, created_at, expires_at, authenticated_at
), recorded AS (
    INSERT INTO token_blacklist_outstandingtoken (jti, user_id, token, created_at, expires_at)
    SELECT refresh_jti, user_id, '', created_at, expires_at FROM opened WHERE refresh_jti IS NOT NULL
)
SELECT app_epoch, user_epoch, created_at, expires_at, authenticated_at FROM opened
""")


def open_session(session: Session, *, lifetime: timedelta) -> datetime:
    """Store a new session that ends after ``lifetime``; fills in its times and epochs.

    A refresh token, if ``session`` names one in `refresh_jti`, is listed as outstanding.

    Returns: the database's time when it was opened.
    """
    created_at: datetime
    ((session.app_epoch, session.user_epoch, created_at, session.expires_at, session.authenticated_at),) = (
        _OPEN.fetch_all(
            id=session.pk,
            app=session.app_id,
            user=session.user_id,
            device=session.device_id,
            device_token=session.device_token_id,
            opened_from=session.opened_from_id,
            ip=session.ip,
            user_agent=session.user_agent,
            platform=session.platform,
            refresh_jti=session.refresh_jti,
            seconds=lifetime.total_seconds(),
        )
    )
    session.created_at = session.last_seen_at = session.checked_at = created_at
    session._state.adding = False
    return created_at
