"""How a session ends: start here.

Every way out (the logout routes, the admin, a changed password, a disabled or deleted account, a
refresh token used twice, a time-out, a limit) calls `end_sessions`. Who is meant is a queryset, how
many is no matter.
"""

import logging
from datetime import datetime
from functools import cache
from uuid import UUID

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from sessions.errors import SessionEnded
from sessions.models import USER_AGENT_LENGTH, BulkRun, EndReason, Session
from sessions.origin import Origin
from sessions.prepared import Statement, Value
from users.accounts import END_SESSION, get_user_to_change
from users.errors import NotYours
from users.models import DeviceToken, User

logger = logging.getLogger("zapauth.sessions")

# One's own session and all others that its user has on a device token: those that are open, in one order.
_LOCK_OWN = Statement("""
SELECT id
  FROM user_sessions_session
 WHERE ended_at IS NULL
   AND id = ANY(ARRAY(
       SELECT %(id)s::uuid
        UNION
       SELECT s.id
         FROM users_devicetoken t
         JOIN user_sessions_session s ON s.device_token_id = t.id
        WHERE t.digest = %(digest)s::bytea AND s.user_id = %(user)s AND s.ended_at IS NULL))
 ORDER BY id
   FOR NO KEY UPDATE
""")
# The parts of the one statement that ends sessions, so that the facts of a logout have one moment. First who,
# when, why and from where: from here on authentication refuses the session.
_ENDED = """
    UPDATE user_sessions_session
       SET ended_at = %(now)s, end_reason = %(reason)s, ended_by_id = %(actor)s,
           ended_ip = %(ip)s, ended_request_id = %(request_id)s, bulk_run_id = %(run)s
     WHERE {which}
 RETURNING id, app_id, user_id, refresh_jti, device_id, device_token_id, platform, opened_from_id"""
# Its refresh token, in simplejwt's own tables, unless it has expired: `manage.py prune` may delete such a one in
# this very moment. LATERAL, as below, keeps PostgreSQL to the index: for a few thousand it would rather read the
# whole table, once for each batch.
_BLACKLISTED = """
    INSERT INTO token_blacklist_blacklistedtoken (token_id, blacklisted_at)
    SELECT o.id, %(now)s
      FROM ended e
     CROSS JOIN LATERAL (SELECT id FROM token_blacklist_outstandingtoken
                          WHERE jti = e.refresh_jti AND expires_at > %(now)s OFFSET 0) o
        ON CONFLICT (token_id) DO NOTHING"""
# The push addresses that it may hold for its user: the one it logged in with, those of its device, and one that
# the user names, whether or not an open session holds it. Not an OR in one join: of a million sessions it would
# take a third longer.
_OF_LOGIN = """
    SELECT device_token_id AS id, user_id, NULL AS device_id FROM ended"""
_OF_DEVICE = """
    SELECT t.id, e.user_id, e.device_id
      FROM ended e
     CROSS JOIN LATERAL (SELECT id FROM users_devicetoken WHERE device_id = e.device_id OFFSET 0) t"""
_NAMED = """
    SELECT t.id, e.user_id, NULL FROM ended e JOIN users_devicetoken t USING (user_id) WHERE t.digest = %(digest)s"""
# Those of them that are still that user's once they are locked, for the phone may be somebody else's by now: no
# push for them any more. The device keeps its address. In one order, so that two logouts that share some can't
# deadlock. A session that nobody ended leaves an address alone that the user's next login on the phone holds, too.
_HELD = """
    SELECT t.id, t.user_id, t.device_id
      FROM users_devicetoken t
     WHERE t.id = ANY(ARRAY(SELECT id FROM theirs)) {unless}
     ORDER BY t.id
       FOR NO KEY UPDATE OF t"""
_ELSEWHERE = """
       AND NOT EXISTS (
           SELECT FROM user_sessions_session other
            WHERE other.device_token_id = t.id AND other.user_id = t.user_id
              AND other.ended_at IS NULL AND other.id NOT IN (SELECT id FROM ended))"""
_DETACHED = """
    UPDATE users_devicetoken SET user_id = NULL, updated_at = %(now)s
     WHERE id = ANY(ARRAY(
           SELECT held.id FROM held JOIN theirs ON theirs.id = held.id AND theirs.user_id = held.user_id
            WHERE theirs.device_id IS NULL OR theirs.device_id = held.device_id))"""
# The same for the one or two of one session, which need no list.
_DETACHED_OF_ONE = """
    UPDATE users_devicetoken t SET user_id = NULL, updated_at = %(now)s
      FROM (SELECT * FROM theirs ORDER BY id) their
     WHERE t.id = their.id AND t.user_id = their.user_id
       AND (their.device_id IS NULL OR their.device_id = t.device_id)"""
# What Buddy goes on with: on the same device, and with the push address that it has now.
_OPENED = """
    INSERT INTO user_sessions_session (
           id, app_id, device_id, device_token_id, opened_from_id, platform, ip, user_agent,
           created_at, last_seen_at, expires_at, refresh_used_by, end_reason, ended_request_id)
    SELECT %(opened)s, app_id, device_id, device_token_id, COALESCE(opened_from_id, id), platform, %(ip)s,
           %(user_agent)s, %(now)s, %(now)s, %(expires_at)s, '', '', ''
      FROM ended
     WHERE id = %(id)s"""


def _statement(**parts: str) -> Statement:
    # Were the database's default `synchronous_commit` ever turned down, an answered logout could be lost in a
    # crash, and a replica could still accept the token: so it is set for this commit.
    facts = ", ".join(f"{name} AS ({sql})" for name, sql in parts.items())
    done = "SELECT set_config('synchronous_commit', 'remote_apply', true), EXISTS (SELECT FROM ended)"
    return Statement(f"WITH {facts} {done}")


@cache
def _end_locked(*, by_itself: bool = False, opens: bool = False) -> Statement:
    """Of all sessions that are locked."""
    return _statement(
        ended=_ENDED.format(which="id = ANY(%(ids)s)"),
        blacklisted=_BLACKLISTED,
        theirs=" UNION ALL ".join((_OF_LOGIN, _OF_DEVICE, _NAMED)),
        held=_HELD.format(unless=_ELSEWHERE if by_itself else ""),
        detached=_DETACHED,
        **({"opened": _OPENED} if opens else {}),
    )


# Compare and set: nothing that has been looked at is another by now, and no other session has to be locked
# with it. So no lock comes first, and no transaction needs to be opened for two statements.
_AS_SEEN = """
           id = %(id)s AND ended_at IS NULL AND refresh_jti IS NOT DISTINCT FROM %(refresh_jti)s
       AND device_id IS NOT DISTINCT FROM %(device)s AND device_token_id IS NOT DISTINCT FROM %(device_token)s"""
_ALONE = """
       AND NOT EXISTS (
           SELECT FROM users_devicetoken t
             JOIN user_sessions_session s ON s.device_token_id = t.id
            WHERE t.digest = %(digest)s AND s.user_id = %(user)s AND s.ended_at IS NULL AND s.id <> %(id)s)"""


@cache
def _end_as_seen(*, refreshes: bool, on_device: bool, named: bool, opens: bool) -> Statement:
    """Of one session, with no part that has nothing to do: each takes its time, whether or not it finds a row."""
    theirs = (_OF_LOGIN, *((_OF_DEVICE,) if on_device else ()), *((_NAMED,) if named else ()))
    return _statement(
        ended=_ENDED.format(which=_AS_SEEN + (_ALONE if named else "")),
        **({"blacklisted": _BLACKLISTED} if refreshes else {}),
        theirs=" UNION ALL ".join(theirs),
        detached=_DETACHED_OF_ONE,
        **({"opened": _OPENED} if opens else {}),
    )


_BY_ITSELF = {EndReason.EXPIRED, EndReason.IDLE, EndReason.OVER_LIMIT}


# savepoint=False: inside a caller's transaction it is a part of that one, and costs no round trips.
@transaction.atomic(savepoint=False)
def end_sessions(
    sessions: QuerySet[Session],
    *,
    actor: User | None,
    reason: EndReason,
    origin: Origin | None = None,
    run: BulkRun | None = None,
    at_most: int | None = None,
) -> set[UUID]:
    """End every open session in ``sessions``: it, its refresh token, its hold on device tokens.

    All of it or, after an error or a crash, none. A session that has ended keeps its first
    reason, so a repeat is harmless (cf. RFC 7009 §2.2).

    Args:
        sessions: who is meant; any queryset, of one session or of many.
        actor: who ordered it, not whose session it is; None is the service itself.
        origin: where the order came from.
        run: the bulk run that it is a part of.
        at_most: end no more than that, in the order of their keys.

    Returns: the ids of the sessions that this very call ended.
    """
    # Locked first and in one order: overlapping logouts can't deadlock, and the statement that
    # follows sees what was committed while we waited, such as a refresh token just rotated.
    # `no_key`: a session opened from one of these meanwhile points at it, and need not wait.
    open_ones = sessions.filter(ended_at=None).order_by("pk").select_for_update(of=("self",), no_key=True)
    ids = list(open_ones.values_list("pk", flat=True)[:at_most])
    if ids:
        order = _order(actor, reason, origin, run)
        _end_locked(by_itself=reason in _BY_ITSELF).fetch_all(**order, ids=ids)
        _tell(len(ids), order)
    return set(ids)


def log_out(session: Session, *, device_token: str | None = None, origin: Origin | None = None) -> None:
    """End the caller's own session and, given a ``device_token``, all that this user has on it.

    That is every other session of theirs bound to the token, and their claim to its pushes.
    Somebody else's token stays theirs.

    Raises: SessionEnded, when it had ended before (another request was quicker); nothing changes.
    """
    digest = None if device_token is None else DeviceToken.digest_of(device_token)
    _log_out(session, origin, digest=digest)


def log_out_and_open(session: Session, opened: UUID, *, expires_at: datetime, origin: Origin) -> None:
    """End the caller's own session and open an app-level one, ``opened``, on the same device: both or neither.

    Raises: SessionEnded, as `log_out`.
    """
    user_agent = origin.user_agent[:USER_AGENT_LENGTH]
    _log_out(session, origin, opened=opened, user_agent=user_agent, expires_at=expires_at)


def _log_out(session: Session, origin: Origin | None, **more: Value) -> None:
    # The logout that phones wait for: `end_sessions` in one statement, if that finds all as it was seen.
    order = _order(session.user, EndReason.LOGOUT, origin) | {"id": session.pk, "user": session.user_id} | more
    seen: dict[str, Value] = {
        "refresh_jti": session.refresh_jti,
        "device": session.device_id,
        "device_token": session.device_token_id,
    }
    opens = "opened" in more
    statement = _end_as_seen(
        refreshes=session.refresh_jti is not None,
        on_device=session.device_id is not None,
        named=order["digest"] is not None,
        opens=opens,
    )
    ((_, done),) = statement.fetch_all(**order, **seen)
    if done:
        _tell(1, order)
        return
    with transaction.atomic(savepoint=False):
        ids = [session_id for (session_id,) in _LOCK_OWN.fetch_all(**order)]
        if session.pk in ids:
            _end_locked(opens=opens).fetch_all(**order, ids=ids)
            _tell(len(ids), order)
            return
    raise SessionEnded


def _order(
    actor: User | None, reason: EndReason, origin: Origin | None, run: BulkRun | None = None
) -> dict[str, Value]:
    """What the record says of a logout; no device token is named."""
    return {
        "now": timezone.now(),
        "reason": reason.value,
        "actor": actor.pk if actor else None,
        "ip": origin.ip if origin else None,
        "request_id": origin.request_id if origin else "",
        "run": run.pk if run else None,
        "digest": None,
    }


def _tell(count: int, order: dict[str, Value]) -> None:
    # What people do every day, the record alone tells, as of a login; a bulk run has a line of its own, or its
    # batches would be all that the log is about.
    level = logging.DEBUG if order["run"] or order["reason"] == EndReason.LOGOUT else logging.INFO
    if not logger.isEnabledFor(level):
        return
    told = level, "sessions ended: %d, reason %s, actor %s", count, order["reason"], order["actor"]
    if connection.in_atomic_block:
        transaction.on_commit(lambda: logger.log(*told))
    else:
        logger.log(*told)


@transaction.atomic
def log_out_user(user_id: str, *, actor: User, device_token: str | None = None, origin: Origin | None = None) -> None:
    """On behalf of staff: end that user's sessions, or only those bound to ``device_token``.

    Raises: NotYours, UserNotFound (that only to staff who may end sessions).
    """
    user = get_user_to_change(user_id, actor=actor, permission=END_SESSION)
    sessions = Session.objects.filter(user=user)
    if device_token is None:
        end_sessions_as_staff(sessions, actor=actor, origin=origin)
        return
    digest = DeviceToken.digest_of(device_token)
    end_sessions_as_staff(sessions.filter(device_token__digest=digest), actor=actor, origin=origin)
    # It may be that user's with no open session to show for it.
    DeviceToken.objects.filter(digest=digest, user=user).update(user=None, updated_at=timezone.now())


def end_sessions_as_staff(sessions: QuerySet[Session], *, actor: User, origin: Origin | None = None) -> set[UUID]:
    """End those of ``sessions`` that a member of staff may end: a superuser's only superusers may.

    Returns: the ids of the sessions that this very call ended. Raises: NotYours.
    """
    if not actor.has_perm(END_SESSION):
        raise NotYours
    if not actor.is_superuser:
        sessions = sessions.exclude(user__is_superuser=True)
    return end_sessions(sessions, actor=actor, reason=EndReason.STAFF, origin=origin)
