"""The list of staff: what each of them may do, how they log in, and who has not accepted their invitation yet."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Max, Q

from sessions.liveness import live_sessions
from sessions.models import Session
from users.clock import database_now
from users.models import App, OneUseLink, User
from users.one_use_links import Purpose
from users.password_policy import never_had_a_password
from users.permissions import Act, may_as_staff
from users.second_factor.enabling import has_factor

MOST_SHOWN = 500


@dataclass(frozen=True)
class Member:
    """A member of staff, or somebody who is invited. ``acts``: what the reader may do to them."""

    user: User
    role: str
    last_log_in: datetime | None
    live_sessions: int
    is_pending: bool
    invited_until: datetime | None
    is_expired: bool
    has_factor: bool
    acts: frozenset[str]

    @property
    def state(self) -> str:
        if self.is_pending:
            return "invitation expired" if self.is_expired else "invited"
        return "enabled" if self.user.is_active else "disabled"


def list_staff(*, actor: User) -> list[Member]:
    """Return the members of staff as ``actor`` sees them, in the order of their names."""
    found = User.objects.filter(Q(is_staff=True) | Q(is_superuser=True), deleted_at=None)
    users = list(found.prefetch_related("groups").order_by("username")[:MOST_SHOWN])
    ids, now = [user.pk for user in users], database_now()
    sessions = Session.objects.filter(user__in=ids, app__kind=App.Kind.ADMIN)
    last = _by_user(sessions.values_list("user").annotate(Max("created_at")))
    live = _by_user(live_sessions(sessions, now=now).values_list("user").annotate(Count("pk")))
    invitations = OneUseLink.objects.filter(user__in=ids, purpose=Purpose.INVITATION)
    until = _by_user(invitations.values_list("user").annotate(Max("expires_at")))
    return [_member(user, actor, now, last.get(user.pk), live.get(user.pk, 0), until.get(user.pk)) for user in users]


def role_of(user: User) -> str:
    """Return what the user may do in words: `superuser`, or the names of their groups."""
    return "superuser" if user.is_superuser else ", ".join(sorted(group.name for group in user.groups.all()))


def _by_user(rows: Iterable[Any]) -> dict[str, Any]:
    return dict(rows)


def _member(user: User, actor: User, now: datetime, last: datetime | None, live: int, until: datetime | None) -> Member:
    is_pending = user.is_staff and never_had_a_password(user)
    return Member(
        user=user,
        role=role_of(user),
        last_log_in=last,
        live_sessions=live,
        is_pending=is_pending,
        invited_until=until,
        is_expired=until is None or until <= now,
        has_factor=has_factor(user),
        acts=frozenset(_acts(user, actor, is_pending=is_pending)),
    )


def _acts(user: User, actor: User, *, is_pending: bool) -> list[str]:
    if is_pending:
        return ["invite"] if may_as_staff(actor, Act.INVITE) else []
    allowed = {
        "log_out": may_as_staff(actor, Act.END_SESSIONS, user),
        "send_reset": user.is_active and bool(user.email) and may_as_staff(actor, Act.SEND_RESET, user),
        "factor_off": has_factor(user) and may_as_staff(actor, Act.DISABLE_FACTOR, user),
        "disable": user.is_active and may_as_staff(actor, Act.DISABLE_USER, user),
    }
    return [name for name, may in allowed.items() if may]
