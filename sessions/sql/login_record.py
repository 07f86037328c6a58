"""The statement that records a log-in, if the statement that opened its session has not done so."""

from sessions.models import Session
from users.record.events import Event
from users.statement import Statement

# One prepared statement for both entries. The user's newest sessions come first: most of them are from the same place,
# and then it reads only one.
_RECORD = Statement("""
WITH place AS MATERIALIZED (
    SELECT EXISTS (
               SELECT FROM user_sessions_session WHERE user_id = %(user)s::varchar AND id <> %(id)s::uuid)
           AND NOT EXISTS (
               SELECT FROM (SELECT * FROM user_sessions_session
                             WHERE user_id = %(user)s::varchar AND id <> %(id)s::uuid
                             ORDER BY created_at DESC) b
                WHERE (b.user_agent = %(user_agent)s::varchar AND b.ip IS NOT DISTINCT FROM %(ip)s::inet)
                   OR b.device_id = %(device)s::varchar OR b.device_token_id = %(device_token)s::bigint) AS is_new
), told AS (
    INSERT INTO users_securityevent
           (at, event, outcome, user_id, actor_id, session_id, app_id, ip, user_agent, request_id)
    SELECT clock_timestamp(), event, 'done', %(user)s::varchar, %(user)s::varchar, %(id)s::uuid, %(app)s::varchar,
           %(ip)s::inet, %(user_agent)s::varchar, %(request_id)s::varchar
      FROM place CROSS JOIN (VALUES (%(login)s::varchar), (%(new_device)s::varchar)) e (event)
     WHERE event = %(login)s::varchar OR place.is_new
)
SELECT is_new FROM place
""")


def record_login(session: Session, *, request_id: str) -> bool:
    """Record the log-in of ``session``, which is stored already, and whether its device is new to the user.

    The device is new if the user has logged in before, but never from this place. The place is the same if the device,
    the device token, or both user agent and IP address are the same.

    Returns: whether the device is new.
    """
    ((is_new,),) = _RECORD.fetch_all(
        login=Event.LOGIN.value,
        new_device=Event.NEW_DEVICE.value,
        user=session.user_id,
        id=session.pk,
        app=session.app_id,
        ip=session.ip,
        user_agent=session.user_agent,
        request_id=request_id,
        device=session.device_id,
        device_token=session.device_token_id,
    )
    return bool(is_new)
