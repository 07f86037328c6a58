"""A whole log-in in one statement: in ZAP, and on a device where nobody is logged in.

`sessions.sql.opening` explains how a session is opened. `sessions.sql.login_in_steps` is for all other log-ins.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings

from sessions.models import Session
from sessions.sql.login_in_steps import MOST_KNOWN
from sessions.sql.opening import set_opened
from users.models import DeviceToken, User
from users.record.events import Event
from users.sealing import Purpose, seal
from users.statement import Statement, Value
from users.throttling import NO_KEYS

_LOG_IN = Statement("""
WITH app AS MATERIALIZED (
    SELECT id, session_epoch, COALESCE(session_lifetime, make_interval(secs => %(seconds)s::float8)) AS lifetime
      FROM users_app
     WHERE name = %(app)s AND is_active AND kind = 'client'
       AND (%(has_room)s::bool OR COALESCE(sessions_per_user, 0) = 0)
-- The row lock makes this log-in and a change of the password or the end of the account run one after the other.
), noted AS (
    UPDATE users_user
       SET last_login = clock_timestamp(),
           -- The newest first, each one once.
           ip_addresses = CASE WHEN %(ip)s::text IS NULL THEN ip_addresses
               ELSE (array_prepend(%(ip)s::varchar, array_remove(ip_addresses, %(ip)s::varchar)))[1:%(most)s::int] END,
           user_agents = CASE WHEN %(user_agent)s::text = '' THEN user_agents
               ELSE (array_prepend(%(user_agent)s::varchar,
                                   array_remove(user_agents, %(user_agent)s::varchar)))[1:%(most)s::int] END
     WHERE id = %(user)s AND password = %(password)s AND is_active AND deleted_at IS NULL
       AND second_factor_since IS NOT DISTINCT FROM %(second_factor_since)s::timestamptz
       AND EXISTS (SELECT FROM app)
 RETURNING id, session_epoch, last_login, ip_addresses, user_agents
), given AS (
    -- One upsert: two phones that send the same token at once can't both insert it. The token moves to this user, even
    -- from another user. A known token is encrypted again, so that it uses a new SECRET_KEY.
    INSERT INTO users_devicetoken (sealed_token, digest, user_id, held_by, created_at, updated_at)
    SELECT %(sealed)s::bytea, %(digest)s::bytea, noted.id, %(id)s::uuid, t.now, t.now
      FROM noted CROSS JOIN (SELECT clock_timestamp() AS now) t
     WHERE %(digest)s::bytea IS NOT NULL
        ON CONFLICT (digest) DO UPDATE
       SET sealed_token = EXCLUDED.sealed_token, user_id = EXCLUDED.user_id, held_by = EXCLUDED.held_by,
           updated_at = EXCLUDED.updated_at
 RETURNING id
), ready AS MATERIALIZED (
    SELECT noted.id AS user_id, noted.session_epoch, given.id AS device_token_id,
           clock_timestamp() AS now -- after a wait for the user's row and the token's row
      FROM noted LEFT JOIN given ON true
), opened AS (
    INSERT INTO user_sessions_session (
           id, app_id, user_id, device_token_id, ip, user_agent, platform,
           refresh_jti, refresh_used_by, end_reason, ended_request_id, app_epoch, user_epoch,
           created_at, last_seen_at, expires_at, authenticated_at)
    SELECT %(id)s::uuid, app.id, ready.user_id, ready.device_token_id, %(ip)s::inet, %(user_agent)s, %(platform)s,
           %(refresh_jti)s, '', '', '', app.session_epoch, ready.session_epoch,
           ready.now, ready.now, ready.now + app.lifetime, ready.now
      FROM ready CROSS JOIN app
 RETURNING app_id, user_id, device_token_id, refresh_jti, app_epoch, user_epoch, created_at, expires_at,
           authenticated_at
), recorded AS (
    INSERT INTO token_blacklist_outstandingtoken (jti, user_id, token, created_at, expires_at)
    SELECT refresh_jti, user_id, '', created_at, expires_at FROM opened
), place AS MATERIALIZED (
    -- The device is new if the user has logged in before, but never from this place. Most of the newest sessions are
    -- from the same place. Then this reads only one.
    SELECT EXISTS (SELECT FROM user_sessions_session WHERE user_id = ready.user_id)
           AND NOT EXISTS (
               SELECT FROM (SELECT * FROM user_sessions_session WHERE user_id = ready.user_id
                             ORDER BY created_at DESC) b
                WHERE (b.user_agent = %(user_agent)s AND b.ip IS NOT DISTINCT FROM %(ip)s::inet)
                   OR b.device_token_id = ready.device_token_id) AS is_new
      FROM ready
), told AS (
    INSERT INTO users_securityevent
           (at, event, outcome, user_id, actor_id, session_id, app_id, ip, user_agent, request_id)
    SELECT opened.created_at, event, 'done', %(user)s, %(user)s, %(id)s::uuid, opened.app_id, %(ip)s::inet,
           %(user_agent)s, %(request_id)s
      FROM opened CROSS JOIN place CROSS JOIN (VALUES (%(login)s::varchar), (%(new_device)s::varchar)) e (event)
     WHERE event = %(login)s::varchar OR place.is_new
), taken_back AS (
    -- The attempt was counted before the password was checked. Take it back, as `users.throttling.take_back` does. This
    -- comes last, because users at one address share a row, which stays locked until the commit.
    INSERT INTO users_throttle AS t (key, count, resets_at)
    SELECT given.key, 0, opened.created_at
      FROM opened CROSS JOIN unnest(%(keys)s::text[]) WITH ORDINALITY AS given (key, place)
     ORDER BY place
        ON CONFLICT (key) DO UPDATE
       SET count = CASE WHEN t.key = ANY(%(cleared)s::text[]) THEN 0 ELSE GREATEST(t.count - 1, 0) END
)
SELECT app_epoch, user_epoch, created_at, expires_at, authenticated_at, device_token_id,
       app_id, place.is_new, last_login, ip_addresses, user_agents
  FROM opened CROSS JOIN noted CROSS JOIN place
""")
_LOG_IN_ON_DEVICE = Statement("""
-- As above, from the app-level session `registration`, if nobody is logged in on its device. If the user has logged
-- in since they were loaded, this statement finds nobody: that log-in may have opened a session which it can't see.
WITH noted AS (
    UPDATE users_user
       SET last_login = clock_timestamp(),
           ip_addresses = CASE WHEN %(ip)s::text IS NULL THEN ip_addresses
               ELSE (array_prepend(%(ip)s::varchar, array_remove(ip_addresses, %(ip)s::varchar)))[1:%(most)s::int] END,
           user_agents = CASE WHEN %(user_agent)s::text = '' THEN user_agents
               ELSE (array_prepend(%(user_agent)s::varchar,
                                   array_remove(user_agents, %(user_agent)s::varchar)))[1:%(most)s::int] END,
           latitude = COALESCE(%(latitude)s::float8, latitude),
           longitude = COALESCE(%(longitude)s::float8, longitude)
     WHERE id = %(user)s AND password = %(password)s AND is_active AND deleted_at IS NULL
       AND second_factor_since IS NOT DISTINCT FROM %(second_factor_since)s::timestamptz
       AND last_login IS NOT DISTINCT FROM %(last_login)s::timestamptz
       AND EXISTS (SELECT FROM users_app WHERE id = %(app)s AND is_active)
       AND EXISTS (SELECT FROM user_sessions_session WHERE id = %(registration)s::uuid AND ended_at IS NULL)
       AND NOT EXISTS (SELECT FROM user_sessions_session
                        WHERE device_id = %(device)s AND ended_at IS NULL AND user_id IS NOT NULL)
 RETURNING id, session_epoch, last_login, ip_addresses, user_agents, latitude, longitude
), registration AS (
    SELECT s.id, s.device_token_id
      FROM noted JOIN user_sessions_session s ON s.id = %(registration)s::uuid AND s.ended_at IS NULL
       FOR NO KEY UPDATE OF s
), given AS (
    UPDATE users_devicetoken t
       SET user_id = %(user)s, held_by = %(id)s::uuid, updated_at = clock_timestamp()
      FROM registration
     WHERE t.id = registration.device_token_id
 RETURNING t.id
), ready AS MATERIALIZED (
    SELECT noted.id AS user_id, noted.session_epoch, registration.id AS opened_from_id, given.id AS device_token_id,
           clock_timestamp() AS now -- after a wait for one of the three rows
      FROM noted CROSS JOIN registration LEFT JOIN given ON true
), opened AS (
    INSERT INTO user_sessions_session (
           id, app_id, user_id, device_id, device_token_id, opened_from_id, ip, user_agent, platform,
           refresh_used_by, end_reason, ended_request_id, app_epoch, user_epoch,
           created_at, last_seen_at, expires_at, authenticated_at)
    SELECT %(id)s::uuid, a.id, ready.user_id, %(device)s, ready.device_token_id, ready.opened_from_id, %(ip)s::inet,
           %(user_agent)s, %(platform)s, '', '', '', a.session_epoch, ready.session_epoch,
           ready.now, ready.now, ready.now + make_interval(secs => %(seconds)s::float8), ready.now
      FROM ready CROSS JOIN users_app a
     WHERE a.id = %(app)s
 RETURNING app_epoch, user_epoch, created_at, expires_at, authenticated_at, device_token_id
), place AS MATERIALIZED (
    SELECT EXISTS (SELECT FROM user_sessions_session WHERE user_id = ready.user_id)
           AND NOT EXISTS (
               SELECT FROM (SELECT * FROM user_sessions_session WHERE user_id = ready.user_id
                             ORDER BY created_at DESC) b
                WHERE (b.user_agent = %(user_agent)s AND b.ip IS NOT DISTINCT FROM %(ip)s::inet)
                   OR b.device_token_id = ready.device_token_id OR b.device_id = %(device)s) AS is_new
      FROM ready
), told AS (
    INSERT INTO users_securityevent
           (at, event, outcome, user_id, actor_id, session_id, app_id, ip, user_agent, request_id)
    SELECT opened.created_at, event, 'done', %(user)s, %(user)s, %(id)s::uuid, %(app)s, %(ip)s::inet, %(user_agent)s,
           %(request_id)s
      FROM opened CROSS JOIN place CROSS JOIN (VALUES (%(login)s::varchar), (%(new_device)s::varchar)) e (event)
     WHERE event = %(login)s::varchar OR place.is_new
), taken_back AS (
    INSERT INTO users_throttle AS t (key, count, resets_at)
    SELECT given.key, 0, opened.created_at
      FROM opened CROSS JOIN unnest(%(keys)s::text[]) WITH ORDINALITY AS given (key, place)
     ORDER BY place
        ON CONFLICT (key) DO UPDATE
       SET count = CASE WHEN t.key = ANY(%(cleared)s::text[]) THEN 0 ELSE GREATEST(t.count - 1, 0) END
)
SELECT opened.*, place.is_new, last_login, ip_addresses, user_agents, latitude, longitude
  FROM opened CROSS JOIN noted CROSS JOIN place
""")


class Stored(NamedTuple):
    """A log-in that is stored: the database's time, and whether the device is new to the user."""

    at: datetime
    is_on_new_device: bool


def log_in(
    session: Session, user: User, *, app_name: str, token: str | None, has_room: bool, request_id: str
) -> Stored | None:
    """Log ``user`` in to that app, with a refresh token: a whole log-in in one statement, with its record.

    It gives the device token ``token`` to the user, and takes back `user.attempt`. It sets the session's `app_id`.

    If this transaction has to wait for the user's row while all sessions of the app are cut off, the new session is
    refused like them: the app is read before the wait.

    Args: has_room: the caller has made room for one more session, if the app limits them.

    Returns: None, when the user may not log in any more, when their password or whether they have a second factor
        has changed since they were loaded, when no active app has the name, or when it limits its users' sessions and
        ``has_room`` is not set. Then nothing has changed.
    """
    rows = _LOG_IN.fetch_all(
        **_login_facts(session, user, settings.SESSION_LIFETIME, request_id) | {"app": app_name},
        has_room=has_room,
        sealed=seal(token, Purpose.DEVICE_TOKEN) if token else None,
        digest=DeviceToken.digest_of(token) if token else None,
        refresh_jti=session.refresh_jti,
    )
    if not rows:
        return None
    *opened, session.app_id, is_new, user.last_login, user.ip_addresses, user.user_agents = rows[0]
    return Stored(set_opened(session, tuple(opened)), is_new)


def log_in_on_device(
    session: Session,
    user: User,
    *,
    lifetime: timedelta,
    request_id: str,
    latitude: float | None,
    longitude: float | None,
) -> Stored | None:
    """Like `log_in`, on the device of an app-level session, `session.opened_from`. There is no refresh token.

    Returns: None also when the user has logged in elsewhere since they were loaded, when a user is logged in on the
        device, when the app-level session has ended, and when the app is switched off.
    """
    rows = _LOG_IN_ON_DEVICE.fetch_all(
        **_login_facts(session, user, lifetime, request_id),
        last_login=user.last_login,
        device=session.device_id,
        registration=session.opened_from_id,
        latitude=latitude,
        longitude=longitude,
    )
    if not rows:
        return None
    *opened, is_new, user.last_login, user.ip_addresses, user.user_agents, user.latitude, user.longitude = rows[0]
    return Stored(set_opened(session, tuple(opened)), is_new)


def _login_facts(session: Session, user: User, lifetime: timedelta, request_id: str) -> dict[str, Value]:
    keys = user.attempt.keys if user.attempt else NO_KEYS
    return {
        "id": session.pk,
        "app": session.app_id,
        "user": user.pk,
        "password": user.password,
        "second_factor_since": user.second_factor_since,
        "ip": session.ip,
        "user_agent": session.user_agent,
        "platform": session.platform,
        "seconds": lifetime.total_seconds(),
        "most": MOST_KNOWN,
        "login": Event.LOGIN.value,
        "new_device": Event.NEW_DEVICE.value,
        "request_id": request_id,
        "keys": keys.in_order,
        "cleared": keys.cleared,
    }
