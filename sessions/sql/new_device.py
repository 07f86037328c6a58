"""The statement that records a log-in on a device that is new to the user."""

from sessions.models import Session
from users.record.events import Event
from users.statement import Statement

# One prepared statement for both the question and the entry, because every log-in asks it. The user's newest sessions
# come first: most of them are from the same place, and then it reads only one.
_NOTE = Statement("""
INSERT INTO users_securityevent (at, event, outcome, user_id, actor_id, session_id, app_id, ip, user_agent, request_id)
SELECT clock_timestamp(), %(event)s::varchar, %(outcome)s::varchar, %(user)s::varchar, %(user)s::varchar,
       %(id)s::uuid, %(app)s::varchar, %(ip)s::inet, %(user_agent)s::varchar, %(request_id)s::varchar
 WHERE EXISTS (
       SELECT FROM user_sessions_session b WHERE b.user_id = %(user)s::varchar AND b.id <> %(id)s::uuid)
   AND NOT EXISTS (
       SELECT FROM (
              SELECT * FROM user_sessions_session
               WHERE user_id = %(user)s::varchar AND id <> %(id)s::uuid
               ORDER BY created_at DESC) b
        WHERE (b.user_agent = %(user_agent)s::varchar AND b.ip IS NOT DISTINCT FROM %(ip)s::inet)
           OR b.device_id = %(device)s::varchar OR b.device_token_id = %(device_token)s::bigint)
RETURNING true
""")


def note_new_device(session: Session, *, request_id: str) -> bool:
    """Record it, if the user of ``session`` has logged in before, but never from this place.

    The place is the same if the device, the device token, or both user agent and IP address are the same.

    Returns: whether the place is new. Args: session: it is already stored.
    """
    rows = _NOTE.fetch_all(
        event=Event.NEW_DEVICE.value,
        outcome=Event.NEW_DEVICE.outcome.value,
        user=session.user_id,
        id=session.pk,
        app=session.app_id,
        ip=session.ip,
        user_agent=session.user_agent,
        request_id=request_id,
        device=session.device_id,
        device_token=session.device_token_id,
    )
    return bool(rows)
