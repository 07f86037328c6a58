"""All that the admin shows of a user: where they are logged in, what ended when and why, what still works."""

from dataclasses import dataclass

from django.core.paginator import Page, Paginator

from sessions.inspect.credentials import Artefact, artefacts_of
from sessions.models import Refusal, Session
from users.clock import database_now
from users.models import DeviceToken, User
from users.permissions import Act, may_as_staff

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
    may_send_reset: bool

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
        may_end=may_as_staff(actor, Act.END_SESSIONS, user),
        may_disable=user.is_active and may_as_staff(actor, Act.DISABLE_USER, user),
        may_send_reset=user.is_active and may_as_staff(actor, Act.SEND_RESET, user),
    )
