"""All that the admin shows of a user: where they are logged in, what ended when and why, what still works."""

from dataclasses import dataclass

from django.core.paginator import Page, Paginator

from sessions.artefacts import Artefact, artefacts_of
from sessions.models import Refusal, Session
from users.accounts import END_SESSION
from users.clock import database_now
from users.models import DeviceToken, User

MOST_SHOWN = 50
ENDED_PER_PAGE = 20


@dataclass(frozen=True)
class OpenSession:
    session: Session
    refusal: Refusal | None

    @property
    def is_live(self) -> bool:
        return self.refusal is None


@dataclass(frozen=True)
class UserPage:
    """Of sessions that have not ended the newest, of the ended ones a page."""

    open_count: int
    open_sessions: list[OpenSession]
    ended: "Page[Session]"
    artefacts: list[Artefact]
    device_tokens: list[DeviceToken]
    may_end: bool
    may_disable: bool

    @property
    def nobody_can_act(self) -> bool:
        """Nothing that is accepted speaks for the user; an app token of their device does not."""
        return not any(artefact.is_theirs for artefact in self.artefacts)


def user_page(user: User, *, actor: User, ended_page: str | None = None) -> UserPage:
    now = database_now()
    sessions = Session.objects.filter(user=user)
    open_ones = sessions.filter(ended_at=None)
    newest = open_ones.select_related("app", "user", "device").order_by("-created_at", "-pk")[:MOST_SHOWN]
    ended = sessions.filter(ended_at__isnull=False).select_related("app", "device", "ended_by", "bulk_run")
    return UserPage(
        open_count=open_ones.count(),
        open_sessions=[OpenSession(session, session.refusal(now)) for session in newest],
        ended=Paginator(ended.order_by("-ended_at", "-pk"), ENDED_PER_PAGE).get_page(ended_page),
        artefacts=artefacts_of(user),
        device_tokens=list(DeviceToken.objects.filter(user=user).select_related("device").order_by("-updated_at")),
        may_end=may_end_sessions_of(user, actor=actor),
        may_disable=may_disable(user, actor=actor),
    )


def may_end_sessions_of(user: User, *, actor: User) -> bool:
    return actor.has_perm(END_SESSION) and (actor.is_superuser or not user.is_superuser)


def may_disable(user: User, *, actor: User) -> bool:
    """As `users.accounts.get_user_to_change` has it; nobody disables themselves."""
    protected = user.is_superuser or user.is_staff
    return (
        user.is_active
        and user.deleted_at is None
        and user.pk != actor.pk
        and may_end_sessions_of(user, actor=actor)
        and actor.has_perm("users.change_user")
        and (actor.is_superuser or not protected)
    )
