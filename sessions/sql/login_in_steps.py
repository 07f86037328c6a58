"""The steps of a log-in that one statement can't do: note it, give the push address, renew a session, record it.

`sessions.sql.opening` opens the session. `sessions.sql.login_at_once` has the log-ins that are one statement.
"""

from datetime import datetime, timedelta
from uuid import UUID

from sessions.models import USER_AGENT_LENGTH, Session
from users.models import User
from users.origin import Origin
from users.record.events import Event
from users.statement import Statement

# How many IP addresses and user agents are stored for a user.
MOST_KNOWN = 10

# The row lock makes a log-in and a change of the password or the end of the account run one after the other.
# The second one sees what the first one did, so no session is opened in between.
_NOTE_LOGIN = Statement("""
   UPDATE users_user
      SET last_login = clock_timestamp(),
          -- The newest first, each one once.
          ip_addresses = CASE WHEN %(ip)s::text IS NULL THEN ip_addresses
              ELSE (array_prepend(%(ip)s::varchar, array_remove(ip_addresses, %(ip)s::varchar)))[1:%(most)s::int] END,
          user_agents = CASE WHEN %(user_agent)s::text = '' THEN user_agents
              ELSE (array_prepend(%(user_agent)s::varchar,
                                  array_remove(user_agents, %(user_agent)s::varchar)))[1:%(most)s::int] END,
          latitude = COALESCE(%(latitude)s::float8, latitude),
          longitude = COALESCE(%(longitude)s::float8, longitude)
    WHERE id = %(user)s AND password = %(password)s AND is_active AND deleted_at IS NULL
      AND second_factor_since IS NOT DISTINCT FROM %(second_factor_since)s::timestamptz
RETURNING last_login, ip_addresses, user_agents, latitude, longitude
""")
_GIVE_ADDRESS = Statement("""
   UPDATE users_devicetoken
      SET user_id = %(user)s, held_by = %(session)s, updated_at = clock_timestamp()
    WHERE id = %(address)s
RETURNING id
""")
# Extends the session of that id to a full lifetime from now on.
_RENEW = Statement("""
   UPDATE user_sessions_session
      SET ip = %(ip)s::inet, user_agent = %(user_agent)s, device_token_id = %(address)s,
          last_seen_at = t.now, authenticated_at = t.now,
          expires_at = t.now + make_interval(secs => %(seconds)s::float8)
     FROM (SELECT clock_timestamp() AS now) t
    WHERE id = %(id)s
RETURNING last_seen_at, expires_at, authenticated_at
""")
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


def note_login(user: User, *, origin: Origin, latitude: float | None = None, longitude: float | None = None) -> bool:
    """Lock ``user`` and store the time, IP address, user agent and location of their log-in.

    Returns: False, when they may not log in any more, or when their password or whether they have a second factor has
        changed since they were loaded.
    """
    noted = _NOTE_LOGIN.fetch_all(
        user=user.pk,
        password=user.password,
        second_factor_since=user.second_factor_since,
        ip=origin.ip,
        user_agent=origin.user_agent[:USER_AGENT_LENGTH],
        latitude=latitude,
        longitude=longitude,
        most=MOST_KNOWN,
    )
    for row in noted:
        user.last_login, user.ip_addresses, user.user_agents, user.latitude, user.longitude = row
    return bool(noted)


def give_address(address_id: int, *, user_id: str, held_by: UUID) -> None:
    """Give a stored device token to that user, even if it was another user's before. Its text is not decrypted."""
    _GIVE_ADDRESS.fetch_all(address=address_id, user=user_id, session=held_by)


def renew(session: Session, *, lifetime: timedelta) -> datetime:
    """Extend a stored session to ``lifetime`` from now on, and store the facts of its new log-in. Returns: now."""
    ((session.last_seen_at, session.expires_at, session.authenticated_at),) = _RENEW.fetch_all(
        id=session.pk,
        ip=session.ip,
        user_agent=session.user_agent,
        address=session.device_token_id,
        seconds=lifetime.total_seconds(),
    )
    return session.last_seen_at


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
