"""The four statements that end sessions. Only `sessions.logout` runs them, and nothing else ends a session.

Each one does three things at once. It ends the sessions: after its commit, authentication refuses them. It blacklists
their refresh tokens, if the dialect has any. And it takes their device tokens from their users, unless a newer session
of the same user holds the token: `DeviceToken.held_by` names the session that brought it last. `end_by_rule` passes
the token on to another open session, if there is one.

| statement | ends | called for |
| --- | --- | --- |
| `end_own` | one session, unlocked, if it has not changed | a user's logout |
| `end_own_and_open` | the same, and opens an app-level session | a user's logout in Buddy |
| `end_locked` | locked sessions | every other order |
| `end_by_rule` | locked sessions | time-outs and the limit of sessions |

All of them set `synchronous_commit` for their commit. If the database had a weaker default, a crash could lose
a logout that was answered, and a replica could still accept the token.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sessions.models import EndReason, Session
from sessions.sql.noticing import NOTICED, ONE_NOTICED
from users.origin import Origin
from users.statement import Statement


@dataclass(frozen=True, kw_only=True)
class EndRecord:
    """When, why, by whom and from where sessions were ended. Each ended row stores it."""

    at: datetime
    reason: EndReason
    actor_id: str | None
    origin: Origin
    run_id: UUID | None
    # Whether services are told that these sessions have ended: not, if they were told of the order (`sessions.notice`).
    is_told: bool = True


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


# Ends sessions that the caller has locked: one or thousands.
_END_LOCKED = Statement(f"""
WITH
ended AS (
    UPDATE user_sessions_session
       SET ended_at = %(now)s, end_reason = %(reason)s, ended_by_id = %(actor)s,
           ended_ip = %(ip)s, ended_request_id = %(request_id)s, bulk_run_id = %(run)s
     WHERE id = ANY(%(ids)s)
 RETURNING id, app_id, user_id, refresh_jti, device_id, device_token_id, authenticated_at
),
-- Blacklist their unexpired refresh tokens; see `_END_OWN`. LATERAL with OFFSET 0, here and below, makes
-- PostgreSQL use the index. For a few thousand rows it would rather read the whole table, once for each batch.
blacklisted AS (
    INSERT INTO token_blacklist_blacklistedtoken (token_id, blacklisted_at)
    SELECT o.id, %(now)s
      FROM ended
     CROSS JOIN LATERAL (SELECT id FROM token_blacklist_outstandingtoken
                          WHERE jti = ended.refresh_jti AND expires_at > %(now)s OFFSET 0) o
        ON CONFLICT (token_id) DO NOTHING
),
-- Find the device tokens that the sessions may hold: each session's own, its device's, and the given one.
-- These are three queries: one join with an OR takes a third longer for a million sessions.
theirs AS (
    SELECT device_token_id AS id, user_id, NULL AS device_id, authenticated_at FROM ended
     UNION ALL
    SELECT t.id, e.user_id, e.device_id, e.authenticated_at
      FROM ended e
     CROSS JOIN LATERAL (SELECT id FROM users_devicetoken WHERE device_id = e.device_id OFFSET 0) t
     UNION ALL
    SELECT t.id, e.user_id, NULL, e.authenticated_at
      FROM ended e JOIN users_devicetoken t USING (user_id)
     WHERE t.digest = %(digest)s
),
-- Lock them in the order of their keys, so that two logouts that share some can't deadlock.
locked AS (
    SELECT t.id, t.user_id, t.device_id, t.held_by
      FROM users_devicetoken t
     WHERE t.id = ANY(ARRAY(SELECT id FROM theirs))
     ORDER BY t.id
       FOR NO KEY UPDATE OF t
),
-- Take them from their users. By now a token may be another user's or be on another device: then it stays
-- there. It also stays with the user if a newer session of theirs holds it; see `_END_OWN`.
detached AS (
    UPDATE users_devicetoken
       SET user_id = NULL, updated_at = %(now)s
     WHERE id = ANY(ARRAY(
           SELECT locked.id
             FROM locked
             JOIN theirs ON theirs.id = locked.id AND theirs.user_id = locked.user_id
                        AND (theirs.device_id IS NULL OR theirs.device_id = locked.device_id)
            WHERE locked.held_by IS NULL
               OR locked.held_by IN (SELECT id FROM ended)
               OR EXISTS (
                  SELECT FROM user_sessions_session holder
                   WHERE holder.id = locked.held_by
                     AND (holder.ended_at IS NOT NULL OR holder.authenticated_at < theirs.authenticated_at))))
),
-- Tell services: `sessions.notice`.
{NOTICED}
SELECT set_config('synchronous_commit', 'remote_apply', true)
""")  # noqa: S608  # a constant


def end_locked(session_ids: Sequence[UUID], record: EndRecord, *, address_digest: bytes | None) -> None:
    """End open sessions that this transaction has locked.

    Args: address_digest: digest of a device token that is also taken from the sessions' users.
    """
    _END_LOCKED.fetch_all(
        ids=list(session_ids),
        digest=address_digest,
        now=record.at,
        reason=record.reason.value,
        actor=record.actor_id,
        ip=record.origin.ip,
        request_id=record.origin.request_id,
        run=record.run_id,
        is_told=record.is_told,
    )


# Ends sessions by a rule, without an order: they have timed out, or the user has too many.
_END_BY_RULE = Statement(f"""
WITH
ended AS (
    UPDATE user_sessions_session
       SET ended_at = %(now)s, end_reason = %(reason)s, ended_by_id = %(actor)s,
           ended_ip = %(ip)s, ended_request_id = %(request_id)s, bulk_run_id = %(run)s
     WHERE id = ANY(%(ids)s)
 RETURNING id, app_id, user_id, refresh_jti, device_id, device_token_id
),
-- As in `_END_LOCKED`.
blacklisted AS (
    INSERT INTO token_blacklist_blacklistedtoken (token_id, blacklisted_at)
    SELECT o.id, %(now)s
      FROM ended
     CROSS JOIN LATERAL (SELECT id FROM token_blacklist_outstandingtoken
                          WHERE jti = ended.refresh_jti AND expires_at > %(now)s OFFSET 0) o
        ON CONFLICT (token_id) DO NOTHING
),
theirs AS (
    SELECT device_token_id AS id, user_id, NULL AS device_id FROM ended
     UNION ALL
    SELECT t.id, e.user_id, e.device_id
      FROM ended e
     CROSS JOIN LATERAL (SELECT id FROM users_devicetoken WHERE device_id = e.device_id OFFSET 0) t
),
-- Pass each device token on to the newest of the user's other open sessions that are bound to it. If a forgotten
-- session times out, the pushes of the phone in use must not stop. Without such a session, take it from the user.
-- The caller has locked the tokens before this statement, so this sees every session on them.
passed_on AS (
    UPDATE users_devicetoken t
       SET user_id = CASE WHEN other.id IS NOT NULL THEN t.user_id END, held_by = other.id, updated_at = %(now)s
      FROM theirs
      LEFT JOIN LATERAL (
           SELECT s.id
             FROM user_sessions_session s
            WHERE s.device_token_id = theirs.id AND s.user_id = theirs.user_id
              AND s.ended_at IS NULL AND s.id NOT IN (SELECT id FROM ended)
            ORDER BY s.authenticated_at DESC NULLS LAST
            LIMIT 1) other ON true
     WHERE t.id = theirs.id AND t.user_id = theirs.user_id
       AND (theirs.device_id IS NULL OR theirs.device_id = t.device_id)
),
-- Tell services: `sessions.notice`.
{NOTICED}
SELECT set_config('synchronous_commit', 'remote_apply', true)
""")  # noqa: S608  # a constant


def end_by_rule(session_ids: Sequence[UUID], record: EndRecord) -> None:
    """End open sessions by a rule. This transaction has locked them, and then their device tokens."""
    _END_BY_RULE.fetch_all(
        ids=list(session_ids),
        now=record.at,
        reason=record.reason.value,
        actor=record.actor_id,
        ip=record.origin.ip,
        request_id=record.origin.request_id,
        run=record.run_id,
        is_told=record.is_told,
    )


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
