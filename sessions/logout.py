"""How a session ends: start here.

Every way out (the admin, the commands, a changed password, a disabled or deleted account, a refresh token
used twice, a time-out, a limit) calls `end_sessions`. Who is meant is a queryset, how many is no matter.
The one that phones wait for, a user's own logout, does the same in one statement: `log_out`.
"""

import logging
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q, QuerySet

from sessions.errors import SessionEnded
from sessions.models import USER_AGENT_LENGTH, BulkRun, EndReason, Session
from sessions.origin import Origin
from sessions.reauthentication import require_recent_password
from sessions.sql.ending import LOCK_OWN, end_as_seen, end_locked
from sessions.sql.locks import lock_addresses_of
from sessions.sql.statement import Statement, Value
from users.clock import database_now
from users.device_tokens import lock_device_tokens
from users.directory import get_user_to_change
from users.models import DeviceToken, User
from users.permissions import Act, endable_by, require
from users.transactions import in_transaction, tried_again

logger = logging.getLogger("zapauth.sessions")

_BY_ITSELF = {EndReason.EXPIRED, EndReason.IDLE, EndReason.OVER_LIMIT}


# savepoint=False: inside a caller's transaction it is a part of that one, and costs no round trips.
@tried_again
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
        by_itself = reason in _BY_ITSELF
        if by_itself:
            lock_addresses_of(ids)
        order = _order(actor, reason, origin, now=database_now(), run=run)
        _end(end_locked(by_itself=by_itself), order, ids=ids)
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


@tried_again
def _log_out(session: Session, origin: Origin | None, **more: Value) -> None:
    # The logout that phones wait for: `end_sessions` in one statement, if that finds all as it was seen.
    order = _order(session.user, EndReason.LOGOUT, origin, now=session.checked_at)
    order |= {"id": session.pk, "user": session.user_id} | more
    seen: dict[str, Value] = {
        "refresh_jti": session.refresh_jti,
        "device": session.device_id,
        "device_token": session.device_token_id,
    }
    opens = "opened" in more
    statement = end_as_seen(
        refreshes=session.refresh_jti is not None,
        on_device=session.device_id is not None,
        named=order["digest"] is not None,
        opens=opens,
    )
    if _end(statement, order | seen):
        return
    with transaction.atomic(savepoint=False):
        ids = [session_id for (session_id,) in LOCK_OWN.fetch_all(**order)]
        if session.pk in ids:
            _end(end_locked(named=True, opens=opens), order, ids=ids)
            return
    raise SessionEnded


def _end(statement: Statement, order: dict[str, Value], *, ids: list[UUID] | None = None) -> bool:
    """The one door: every session ends in here. Whether any did."""
    ((_, done),) = statement.fetch_all(**order, ids=ids)
    if done:
        _tell(1 if ids is None else len(ids), order)
    return bool(done)


def _order(
    actor: User | None, reason: EndReason, origin: Origin | None, *, now: datetime, run: BulkRun | None = None
) -> dict[str, Value]:
    """What the record says of a logout; no device token is named."""
    return {
        "now": now,
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


def log_out_user(
    user_id: str,
    *,
    actor: User,
    current: Session,
    device_token: str | None = None,
    password: str | None = None,
    origin: Origin,
) -> None:
    """On behalf of staff: end that user's sessions, or only those bound to ``device_token``.

    Args: current: the session of ``actor``. password: theirs, too.

    Raises: NotYours, UserNotFound (that only to staff who may end sessions), ReauthenticationRequired,
        TooManyAttempts.
    """
    user = get_user_to_change(user_id, actor=actor, act=Act.END_SESSIONS)
    require_recent_password(current, password=password, origin=origin)
    sessions = Session.objects.filter(user=user)
    if device_token is None:
        end_sessions_as_staff(sessions, actor=actor, origin=origin)
        return
    _end_on_address(user, DeviceToken.digest_of(device_token), actor=actor, origin=origin)


@in_transaction
def _end_on_address(user: User, digest: bytes, *, actor: User, origin: Origin) -> None:
    held = Session.objects.filter(user=user, device_token__digest=digest)
    end_sessions_as_staff(held, actor=actor, origin=origin)
    # The address may be that user's with no open session to show for it. Locked first, so that a log-in that was
    # under way is seen: its address stays.
    lock_device_tokens(Q(digest=digest))
    if not held.filter(ended_at=None).exists():
        DeviceToken.objects.filter(digest=digest, user=user).update(user=None, updated_at=database_now())


def end_sessions_as_staff(sessions: QuerySet[Session], *, actor: User, origin: Origin | None = None) -> set[UUID]:
    """End those of ``sessions`` that ``actor``, a member of staff, may end.

    Returns: the ids of the sessions that this very call ended. Raises: NotYours.
    """
    require(actor, Act.END_SESSIONS)
    return end_sessions(sessions.filter(endable_by(actor)), actor=actor, reason=EndReason.STAFF, origin=origin)
