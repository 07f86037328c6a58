"""How a session ends: start here.

- `log_out` is a user's own logout, and `log_out_and_open` is the same in Buddy. A phone waits for it, so it takes one
  round trip.
- `end_sessions` is everything else: the admin, the commands, a changed password, a disabled or deleted account, a
  refresh token that is used twice, a time-out, a limit. It locks the sessions first.

Both run the statements in `sessions.sql.ending`. No other module does.
"""

import logging
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q, QuerySet

from sessions.errors import SessionEnded
from sessions.models import USER_AGENT_LENGTH, BulkRun, EndReason, Session
from sessions.reauthentication import require_recent_password
from sessions.sql.ending.locked import EndRecord, end_by_rule, end_locked
from sessions.sql.ending.own import end_own, end_own_and_open, open_after_logout
from sessions.sql.locks import lock_addresses_of, lock_sessions
from users.clock import database_now
from users.counting import session_opened, sessions_ended
from users.device_tokens import lock_device_tokens
from users.directory import get_user_to_change
from users.models import DeviceToken, User
from users.origin import NOWHERE, Origin
from users.permissions import Act, endable_by, require
from users.record.events import Event
from users.record.writing import By, record
from users.transactions import in_transaction, tried_again

logger = logging.getLogger("zapauth.sessions")

# Sessions that end for these reasons leave the pushes to the user's other sessions.
_WITHOUT_ORDER = {EndReason.EXPIRED, EndReason.IDLE, EndReason.OVER_LIMIT}


# savepoint=False: inside a caller's transaction this costs no extra round trips.
@tried_again
@transaction.atomic(savepoint=False)
def end_sessions(
    sessions: QuerySet[Session],
    *,
    actor: User | None,
    reason: EndReason,
    origin: Origin | None = None,
    run: BulkRun | None = None,
    address_digest: bytes | None = None,
    at_most: int | None = None,
) -> set[UUID]:
    """End every open session in ``sessions``, blacklist its refresh token, and detach its device token.

    It does all of that or, after an error or a crash, nothing. A session that has ended before keeps its
    first reason, so a repeat is harmless (cf. RFC 7009 §2.2).

    Args:
        sessions: any queryset that is not sliced. Its ids are held in memory, so callers with very many use
            ``at_most``.
        actor: who ordered it, not whose session it is. None is the service itself.
        origin: where the order came from.
        run: the bulk run that this is a part of.
        address_digest: digest of a device token that is also taken from the sessions' users (`DeviceToken.digest_of`).
            Not for time-outs and limits.
        at_most: end no more than that, in the order of their keys.

    Returns: the ids of the sessions that this call ended.
    """
    # Lock first, and in one order. Then overlapping logouts can't deadlock, and the next statement sees what was
    # committed while we waited, such as a new refresh token.
    # `no_key`: another transaction can open a session from one of these without waiting.
    open_ones = sessions.filter(ended_at=None).order_by("pk").select_for_update(of=("self",), no_key=True)
    ids = list(open_ones.values_list("pk", flat=True)[:at_most])
    if not ids:
        return set()
    is_by_rule = reason in _WITHOUT_ORDER
    if is_by_rule:
        lock_addresses_of(ids)
    record = EndRecord(
        at=database_now(),
        reason=reason,
        actor_id=actor.pk if actor else None,
        origin=origin or Origin(),
        run_id=run.pk if run else None,
        is_told=run is None or not run.cut_off,
    )
    if is_by_rule:
        end_by_rule(ids, record)
    else:
        end_locked(ids, record, address_digest=address_digest)
    _tell(len(ids), reason=reason, actor=actor, run=run)
    return set(ids)


@tried_again
def log_out(session: Session, *, device_token: str | None = None, origin: Origin | None = None) -> None:
    """End the caller's own session. With ``device_token``, also end the user's other sessions on it.

    The device token is then taken from the user. If it belongs to another user, it stays theirs.

    Args: session: as `sessions.authentication` returned it, with `checked_at`, which becomes the time of the end.

    Raises: SessionEnded, when the session had ended before (another request came first). Then nothing changes.
    """
    digest = None if device_token is None else DeviceToken.digest_of(device_token)
    origin = origin or Origin()
    if end_own(session, address_digest=digest, origin=origin):
        _tell(1, reason=EndReason.LOGOUT, actor=session.user)
    elif not _end_own_locked(session, address_digest=digest, origin=origin):
        raise SessionEnded


@tried_again
def log_out_and_open(session: Session, opened: UUID, *, expires_at: datetime, origin: Origin) -> None:
    """End the caller's own session and open an app-level one, ``opened``, on the same device: both or neither.

    Raises: SessionEnded, when the session had ended before. Then nothing changes.
    """
    user_agent = origin.user_agent[:USER_AGENT_LENGTH]
    if end_own_and_open(session, opened=opened, expires_at=expires_at, user_agent=user_agent, origin=origin):
        _tell(1, reason=EndReason.LOGOUT, actor=session.user)
        session_opened()
        return
    with transaction.atomic(savepoint=False):
        is_ended = _end_own_locked(session, origin=origin)
        if is_ended:
            open_after_logout(session, opened=opened, expires_at=expires_at, user_agent=user_agent, origin=origin)
            session_opened()
    # Raise outside the block: inside it, the error would roll back the caller's transaction.
    if not is_ended:
        raise SessionEnded


@transaction.atomic(savepoint=False)
def _end_own_locked(session: Session, *, address_digest: bytes | None = None, origin: Origin) -> bool:
    """End the caller's session in its present state, and the user's other sessions on that device token.

    Returns: whether they ended. If the caller's session had ended before, nothing has changed.
    """
    meant = Q(pk=session.pk)
    if address_digest is not None:
        meant |= Q(device_token__digest=address_digest)
    open_ones = Session.objects.filter(meant, user=session.user_id, ended_at=None)
    if session.pk not in lock_sessions(open_ones):
        return False
    end_sessions(open_ones, actor=session.user, reason=EndReason.LOGOUT, origin=origin, address_digest=address_digest)
    return True


def _tell(count: int, *, reason: EndReason, actor: User | None, run: BulkRun | None = None) -> None:
    sessions_ended(count, reason=reason.value, is_bulk=run is not None)
    # Logouts are frequent, and a bulk run logs its own line. A line for each one would fill the log.
    level = logging.DEBUG if run or reason is EndReason.LOGOUT else logging.INFO
    if not logger.isEnabledFor(level):
        return
    line = level, "sessions ended: %d, reason %s, actor %s", count, reason.value, actor.pk if actor else None
    if connection.in_atomic_block:
        transaction.on_commit(lambda: logger.log(*line))
    else:
        logger.log(*line)


def log_out_user(
    user_id: str,
    *,
    actor: User,
    current: Session,
    device_token: str | None = None,
    password: str | None = None,
    origin: Origin,
) -> None:
    """End another user's sessions, ordered by staff: all of them, or only those bound to ``device_token``.

    Args:
        current: the session of ``actor``.
        password: the password of ``actor``, if the request has it.

    Raises: NotYours, UserNotFound (only to staff who may end sessions), ReauthenticationRequired,
        TooManyAttempts.
    """
    user = get_user_to_change(user_id, actor=actor, act=Act.END_SESSIONS)
    require_recent_password(current, password=password, origin=origin)
    if device_token is None:
        end_sessions_as_staff(Session.objects.filter(user=user), of=user, current=current, actor=actor, origin=origin)
    else:
        _end_on_address(user, DeviceToken.digest_of(device_token), current=current, actor=actor, origin=origin)


@in_transaction
def _end_on_address(user: User, digest: bytes, *, current: Session, actor: User, origin: Origin) -> None:
    on_address = Session.objects.filter(user=user, device_token__digest=digest)
    end_sessions_as_staff(on_address, of=user, current=current, actor=actor, origin=origin)
    # The device token may still be the user's, with no open session bound to it. Lock it first. Then we see a log-in
    # that is under way, and leave the token to it.
    lock_device_tokens(Q(digest=digest))
    if not on_address.filter(ended_at=None).exists():
        DeviceToken.objects.filter(digest=digest, user=user).update(user=None, updated_at=database_now())


@in_transaction
def end_sessions_as_staff(
    sessions: QuerySet[Session],
    *,
    of: User | None,
    current: Session | None = None,
    actor: User,
    origin: Origin = NOWHERE,
    **details: Any,
) -> set[UUID]:
    """End the sessions in ``sessions`` that ``actor``, a member of staff, may end, and record the order.

    Args:
        of: the user of ``sessions``. None: they are app-level.
        current: the session of ``actor``.
        details: more facts for the record.

    Returns: the ids of the sessions that this call ended. Raises: NotYours.
    """
    require(actor, Act.END_SESSIONS)
    ended = end_sessions(sessions.filter(endable_by(actor)), actor=actor, reason=EndReason.STAFF, origin=origin)
    if ended:
        by: By = {"actor": actor, "origin": origin, "session_id": current.pk if current else None}
        record(Event.SESSIONS_ENDED, user=of, count=len(ended), **details, **by)
    return ended
