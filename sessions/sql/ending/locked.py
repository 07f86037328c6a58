"""The statements for every other end. The caller has locked the sessions: one or thousands.

`_END_OWN`, in `sessions.sql.ending.own`, explains the parts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sessions.models import EndReason
from sessions.sql.noticing import NOTICED
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
