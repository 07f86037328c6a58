"""The contents of the admin's page of a user: live and ended sessions, and the credentials that are still accepted."""

from dataclasses import dataclass

from django.core.paginator import Page, Paginator

from sessions.inspect.credentials import Credential, credentials_of
from sessions.inspect.end_notes import add_notes
from sessions.models import Refusal, Session
from users.clock import database_now
from users.models import DeviceToken, User
from users.permissions import Act, may_as_staff
from users.second_factor.enabling import has_factor

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
    """The newest open sessions, and one page of the ended ones."""

    open_count: int
    open_sessions: list[OpenSession]
    ended: "Page[Session]"
    credentials: list[Credential]
    device_tokens: list[DeviceToken]
    may_end: bool
    may_disable: bool
    may_send_reset: bool
    may_disable_factor: bool

    @property
    def nobody_can_act(self) -> bool:
        """Whether no accepted credential acts as the user. App tokens of their devices don't act as the user."""
        return not any(credential.is_theirs for credential in self.credentials)


def user_page(user: User, *, actor: User, ended_page: str | None = None) -> UserPage:
    """Return the page of ``user`` as ``actor`` sees it. ``ended_page`` is the number of a page of ended sessions."""
    now = database_now()
    sessions = Session.objects.filter(user=user)
    open_ones = sessions.filter(ended_at=None)
    newest = open_ones.select_related("app", "user", "device").order_by("-created_at", "-pk")[:MOST_SHOWN]
    ended = sessions.filter(ended_at__isnull=False).select_related("app", "device", "ended_by", "bulk_run")
    ended_shown = Paginator(ended.order_by("-ended_at", "-pk"), ENDED_PER_PAGE).get_page(ended_page)
    add_notes(ended_shown.object_list)
    return UserPage(
        open_count=open_ones.count(),
        open_sessions=[OpenSession(session, session.refusal(now)) for session in newest],
        ended=ended_shown,
        credentials=credentials_of(user),
        device_tokens=list(DeviceToken.objects.filter(user=user).select_related("device").order_by("-updated_at")),
        may_end=may_as_staff(actor, Act.END_SESSIONS, user),
        may_disable=user.is_active and may_as_staff(actor, Act.DISABLE_USER, user),
        may_send_reset=user.is_active and may_as_staff(actor, Act.SEND_RESET, user),
        may_disable_factor=has_factor(user) and may_as_staff(actor, Act.DISABLE_FACTOR, user),
    )
