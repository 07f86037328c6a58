"""How a session ends: start here.

Every way out (the logout routes, the admin, a changed password, a disabled or deleted account, a
refresh token used twice, a time-out, a limit) calls `end_sessions`. Who is meant is a queryset, how
many is no matter.
"""

import logging
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from sessions.errors import SessionEnded
from sessions.models import BulkRun, EndReason, Session
from sessions.origin import Origin
from users.accounts import END_SESSION, get_user_to_change
from users.errors import NotYours
from users.models import DeviceToken, User

logger = logging.getLogger("zapauth.sessions")

# One statement, so that the three facts of a logout have one moment:
#   ended        who, when, why and from where; from here on authentication refuses the session;
#   blacklisted  its refresh token, in simplejwt's own tables, unless it has expired: `manage.py prune`
#                may delete such a one in this very moment. LATERAL, as below, keeps PostgreSQL to the
#                index: for a few thousand it would rather read the whole table, once for each batch;
#   theirs       the push addresses that it may hold for its user: the one it logged in with, and those
#                of its device. Not an OR in one join: of a million sessions it would take a third longer;
#   held         of these, those that nothing else holds, as they are once they are locked: the phone may
#                be somebody else's by now. In one order, so that two logouts which share some can't
#                deadlock. A session that nobody ended leaves an address alone that the user's next
#                login on the phone holds, too;
#   detached     those that are still that user's: no push for them any more. The device keeps its address.
# Were the database's default `synchronous_commit` ever turned down, an answered logout could
# be lost in a crash, and a replica could still accept the token: so it is set for this commit.
_END = """
WITH ended AS (
    UPDATE user_sessions_session
       SET ended_at = %(now)s, end_reason = %(reason)s, ended_by_id = %(actor)s,
           ended_ip = %(ip)s, ended_request_id = %(request_id)s, bulk_run_id = %(run)s
     WHERE id = ANY(%(ids)s)
 RETURNING id, user_id, refresh_jti, device_id, device_token_id
), blacklisted AS (
    INSERT INTO token_blacklist_blacklistedtoken (token_id, blacklisted_at)
    SELECT o.id, %(now)s
      FROM ended e
     CROSS JOIN LATERAL (SELECT id FROM token_blacklist_outstandingtoken
                          WHERE jti = e.refresh_jti AND expires_at > %(now)s OFFSET 0) o
        ON CONFLICT (token_id) DO NOTHING
), theirs AS (
    SELECT device_token_id AS id, user_id, NULL AS device_id FROM ended
     UNION ALL
    SELECT t.id, e.user_id, e.device_id
      FROM ended e
     CROSS JOIN LATERAL (SELECT id FROM users_devicetoken WHERE device_id = e.device_id OFFSET 0) t
), held AS (
    SELECT t.id, t.user_id, t.device_id
      FROM users_devicetoken t
     WHERE t.id = ANY(ARRAY(SELECT id FROM theirs))
       AND NOT (%(by_itself)s AND EXISTS (
               SELECT FROM user_sessions_session other
                WHERE other.device_token_id = t.id AND other.user_id = t.user_id
                  AND other.ended_at IS NULL AND other.id NOT IN (SELECT id FROM ended)))
     ORDER BY t.id
       FOR NO KEY UPDATE OF t
), detached AS (
    UPDATE users_devicetoken SET user_id = NULL, updated_at = %(now)s
     WHERE id = ANY(ARRAY(
           SELECT held.id FROM held JOIN theirs ON theirs.id = held.id AND theirs.user_id = held.user_id
            WHERE theirs.device_id IS NULL OR theirs.device_id = held.device_id))
)
SELECT set_config('synchronous_commit', 'remote_apply', true)
"""
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
    origin = origin or Origin()
    actor_id = actor.pk if actor else None
    # Locked first and in one order: overlapping logouts can't deadlock, and the statement that
    # follows sees what was committed while we waited, such as a refresh token just rotated.
    # `no_key`: a session opened from one of these meanwhile points at it, and need not wait.
    open_ones = sessions.filter(ended_at=None).order_by("pk").select_for_update(of=("self",), no_key=True)
    ids = list(open_ones.values_list("pk", flat=True)[:at_most])
    if not ids:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(
            _END,
            {
                "ids": ids,
                "now": timezone.now(),
                "reason": reason.value,
                "actor": actor_id,
                "ip": origin.ip,
                "request_id": origin.request_id,
                "by_itself": reason in _BY_ITSELF,
                "run": run.pk if run else None,
            },
        )
    told = "sessions ended: %d, reason %s, actor %s", len(ids), reason.value, actor_id
    # A bulk run has a line of its own, or its batches would be all that the log is about.
    transaction.on_commit(lambda: logger.log(logging.DEBUG if run else logging.INFO, *told))
    return set(ids)


@transaction.atomic
def log_out(session: Session, *, device_token: str | None = None, origin: Origin | None = None) -> None:
    """End the caller's own session and, given a ``device_token``, all that this user has on it.

    That is every other session of theirs bound to the token, and their claim to its pushes.
    Somebody else's token stays theirs.

    Raises: SessionEnded, when it had ended before (another request was quicker); nothing changes.
    """
    mine = Session.objects.filter(Q(pk=session.pk) | _bound_to(session.user_id, device_token))
    if session.pk not in end_sessions(mine, actor=session.user, reason=EndReason.LOGOUT, origin=origin):
        raise SessionEnded
    _detach(session.user_id, device_token)


@transaction.atomic
def log_out_user(user_id: str, *, actor: User, device_token: str | None = None, origin: Origin | None = None) -> None:
    """On behalf of staff: end that user's sessions, or only those bound to ``device_token``.

    Raises: NotYours, UserNotFound (that only to staff who may end sessions).
    """
    user = get_user_to_change(user_id, actor=actor, permission=END_SESSION)
    whose = Q(user=user) if device_token is None else _bound_to(user.pk, device_token)
    end_sessions_as_staff(Session.objects.filter(whose), actor=actor, origin=origin)
    _detach(user.pk, device_token)


def end_sessions_as_staff(sessions: QuerySet[Session], *, actor: User, origin: Origin | None = None) -> set[UUID]:
    """End those of ``sessions`` that a member of staff may end: a superuser's only superusers may.

    Returns: the ids of the sessions that this very call ended. Raises: NotYours.
    """
    if not actor.has_perm(END_SESSION):
        raise NotYours
    if not actor.is_superuser:
        sessions = sessions.exclude(user__is_superuser=True)
    return end_sessions(sessions, actor=actor, reason=EndReason.STAFF, origin=origin)


def _bound_to(user_id: str | None, device_token: str | None) -> Q:
    """The user's sessions that were opened with that device token; no token, no session."""
    if device_token is None:
        return Q(pk__in=())
    return Q(user_id=user_id, device_token__digest=DeviceToken.digest_of(device_token))


def _detach(user_id: str | None, device_token: str | None) -> None:
    # For a token that was this user's with no open session to show for it.
    if device_token is not None and user_id is not None:
        DeviceToken.objects.filter(digest=DeviceToken.digest_of(device_token), user_id=user_id).update(
            user=None, updated_at=timezone.now()
        )
