"""The statements for a user's own logout, which ends the session of the request."""

from datetime import datetime
from uuid import UUID

from sessions.models import Session
from sessions.sql.noticing import ONE_NOTICED
from users.origin import Origin
from users.statement import Statement

# The user's own logout. It takes no lock first: the UPDATE compares the row with the session that the request saw.
_END_OWN = Statement(f"""
WITH
-- End the session. But if it has changed since the request looked it up, or if the user has another open
-- session on the given device token, end nothing: the caller then locks first, and looks again.
-- For example, a refresh may commit while this waits for the session's row. This would then see the new token's
-- `jti` in that row, but not the token in simplejwt's table, and could not blacklist it.
ended AS (
    UPDATE user_sessions_session
       SET ended_at = %(now)s, end_reason = 'logout', ended_by_id = user_id,
           ended_ip = %(ip)s, ended_request_id = %(request_id)s
     WHERE id = %(id)s
       AND ended_at IS NULL
       AND refresh_jti IS NOT DISTINCT FROM %(refresh_jti)s
       AND device_id IS NOT DISTINCT FROM %(device)s
       AND device_token_id IS NOT DISTINCT FROM %(device_token)s
       AND NOT EXISTS (
           SELECT FROM users_devicetoken t
             JOIN user_sessions_session other ON other.device_token_id = t.id
            WHERE t.digest = %(digest)s AND other.user_id = %(user)s
              AND other.ended_at IS NULL AND other.id <> %(id)s)
 RETURNING id, app_id, user_id, refresh_jti, authenticated_at
),
-- Blacklist its refresh token in simplejwt's own table. An expired one is left out: `manage.py prune` may be
-- deleting it at this moment.
blacklisted AS (
    INSERT INTO token_blacklist_blacklistedtoken (token_id, blacklisted_at)
    SELECT o.id, %(now)s
      FROM ended
      JOIN token_blacklist_outstandingtoken o ON o.jti = ended.refresh_jti AND o.expires_at > %(now)s
        ON CONFLICT (token_id) DO NOTHING
),
-- Take these device tokens from the user: the session's own, its device's, and the given one.
-- If a newer session of the user holds a token, the user keeps it. If a log-in commits while we wait for the
-- token's row, we see that in `held_by` only. So if we don't see the holder's row, the holder is newer.
-- The token is written in either case: if another transaction is writing it, we wait and decide by its new state.
detached AS (
    UPDATE users_devicetoken t
       SET updated_at = %(now)s,
           user_id = CASE WHEN t.held_by IS NULL OR t.held_by = ended.id OR EXISTS (
                   SELECT FROM user_sessions_session holder
                    WHERE holder.id = t.held_by
                      AND (holder.ended_at IS NOT NULL OR holder.authenticated_at < ended.authenticated_at))
               THEN NULL ELSE t.user_id END
      FROM ended
     WHERE t.user_id = ended.user_id
       AND (t.id = %(device_token)s OR t.device_id = %(device)s OR t.digest = %(digest)s)
),
-- Tell services: `sessions.notice`.
{ONE_NOTICED}
SELECT set_config('synchronous_commit', 'remote_apply', true), EXISTS (SELECT FROM ended)
""")  # noqa: S608  # a constant


def end_own(session: Session, *, address_digest: bytes | None, origin: Origin) -> bool:
    """End the caller's session, if its row still equals ``session`` and no other session has to end with it.

    Args: address_digest: digest of a device token that is also taken from the user.

    Returns: whether it ended. If not, nothing has changed.
    """
    ((_, is_ended),) = _END_OWN.fetch_all(
        id=session.pk,
        user=session.user_id,
        refresh_jti=session.refresh_jti,
        device=session.device_id,
        device_token=session.device_token_id,
        digest=address_digest,
        now=session.checked_at,
        ip=origin.ip,
        request_id=origin.request_id,
    )
    return bool(is_ended)


# The same for Buddy, where the device goes on with an app-level session. Buddy has no refresh tokens.
_END_OWN_AND_OPEN = Statement(f"""
WITH
-- End the session. If it has changed since the request looked it up, end nothing.
ended AS (
    UPDATE user_sessions_session
       SET ended_at = %(now)s, end_reason = 'logout', ended_by_id = user_id,
           ended_ip = %(ip)s, ended_request_id = %(request_id)s
     WHERE id = %(id)s
       AND ended_at IS NULL
       AND refresh_jti IS NULL
       AND device_id IS NOT DISTINCT FROM %(device)s
       AND device_token_id IS NOT DISTINCT FROM %(device_token)s
 RETURNING id, app_id, app_epoch, user_id, device_id, device_token_id, platform, authenticated_at
),
-- Take the session's own device token and its device's from the user, unless a newer session of theirs
-- holds them; see `_END_OWN`.
detached AS (
    UPDATE users_devicetoken t
       SET updated_at = %(now)s,
           user_id = CASE WHEN t.held_by IS NULL OR t.held_by = ended.id OR EXISTS (
                   SELECT FROM user_sessions_session holder
                    WHERE holder.id = t.held_by
                      AND (holder.ended_at IS NOT NULL OR holder.authenticated_at < ended.authenticated_at))
               THEN NULL ELSE t.user_id END
      FROM ended
     WHERE t.user_id = ended.user_id
       AND (t.id = %(device_token)s OR t.device_id = %(device)s)
),
-- Open an app-level session on the same device. It gets the epoch of the session that ended: if staff have
-- logged everybody out meanwhile, that order refuses the new session, too.
opened AS (
    INSERT INTO user_sessions_session (
           id, app_id, app_epoch, device_id, device_token_id, opened_from_id, platform, ip, user_agent,
           created_at, last_seen_at, expires_at, refresh_used_by, end_reason, ended_request_id)
    SELECT %(opened)s, app_id, app_epoch, device_id, device_token_id, id, platform, %(ip)s, %(user_agent)s,
           %(now)s, %(now)s, %(expires_at)s, '', '', ''
      FROM ended
),
-- Tell services: `sessions.notice`.
{ONE_NOTICED}
SELECT set_config('synchronous_commit', 'remote_apply', true), EXISTS (SELECT FROM ended)
""")  # noqa: S608  # a constant


def end_own_and_open(session: Session, *, opened: UUID, expires_at: datetime, user_agent: str, origin: Origin) -> bool:
    """End the caller's session, if its row still equals ``session``, and open an app-level one, ``opened``.

    Returns: whether it did. If not, nothing has changed.
    """
    ((_, is_ended),) = _END_OWN_AND_OPEN.fetch_all(
        id=session.pk,
        device=session.device_id,
        device_token=session.device_token_id,
        opened=opened,
        expires_at=expires_at,
        now=session.checked_at,
        ip=origin.ip,
        user_agent=user_agent,
        request_id=origin.request_id,
    )
    return bool(is_ended)


# Opens the app-level session, as `_END_OWN_AND_OPEN` does, after `_END_LOCKED` has ended the user's session.
_OPEN_AFTER_LOGOUT = Statement("""
INSERT INTO user_sessions_session (
       id, app_id, app_epoch, device_id, device_token_id, opened_from_id, platform, ip, user_agent,
       created_at, last_seen_at, expires_at, refresh_used_by, end_reason, ended_request_id)
SELECT %(opened)s, app_id, app_epoch, device_id, device_token_id, id, platform, %(ip)s, %(user_agent)s,
       %(now)s, %(now)s, %(expires_at)s, '', '', ''
  FROM user_sessions_session
 WHERE id = %(id)s
""")


def open_after_logout(session: Session, *, opened: UUID, expires_at: datetime, user_agent: str, origin: Origin) -> None:
    """Open an app-level session, ``opened``, on the device of ``session``, which this transaction has ended."""
    _OPEN_AFTER_LOGOUT.fetch_all(
        id=session.pk,
        opened=opened,
        expires_at=expires_at,
        now=session.checked_at,
        ip=origin.ip,
        user_agent=user_agent,
    )
