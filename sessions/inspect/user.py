"""The contents of the admin's page of a user: live and ended sessions, and the credentials that are still accepted."""

from dataclasses import dataclass

from django.core.paginator import Page, Paginator

from sessions.client_names import Client, client_of
from sessions.inspect.credentials import Summary, summary_of
from sessions.inspect.end_notes import add_notes
from sessions.models import Refusal, Session
from users.canary import BELONGS_TO_CANARY, CANARY_ID
from users.clock import database_now
from users.models import User
from users.permissions import Act, may_as_staff
from users.second_factor.enabling import has_factor

MOST_SHOWN = 20
# Few, because the page must stay short on a phone. The list of sessions has all of them.
ENDED_PER_PAGE = 5


@dataclass(frozen=True)
class OpenSession:
    session: Session
    refusal: Refusal | None
    client: Client

    @property
    def is_live(self) -> bool:
        return self.refusal is None


@dataclass(frozen=True)
class UserPage:
    """The newest open sessions, and one page of the ended ones."""

    open_count: int
    open_sessions: list[OpenSession]
    ended: "Page[Session]"
    summary: Summary
    may_end: bool
    may_disable: bool
    may_enable: bool
    may_send_reset: bool
    may_disable_factor: bool
    closed_because: str  # why nobody may change the account, or an empty text


def user_page(user: User, *, actor: User, ended_page: str | None = None) -> UserPage:
    """Return the page of ``user`` as ``actor`` sees it. ``ended_page`` is the number of a page of ended sessions."""
    now = database_now()
    sessions = Session.objects.filter(user=user)
    open_ones = sessions.filter(ended_at=None)
    newest = open_ones.select_related("app", "user", "device").order_by("-created_at", "-pk")[:MOST_SHOWN]
    ended = sessions.filter(ended_at__isnull=False).select_related("app", "device", "ended_by", "bulk_run")
    shown = Paginator(ended.order_by("-ended_at", "-pk"), ENDED_PER_PAGE).get_page(ended_page)
    add_notes(shown.object_list)
    may_switch = user.deleted_at is None and may_as_staff(actor, Act.DISABLE_USER, user)
    return UserPage(
        open_count=open_ones.count(),
        open_sessions=[OpenSession(session, session.refusal(now), client_of(session)) for session in newest],
        ended=shown,
        summary=summary_of(user, most=MOST_SHOWN),
        may_end=may_as_staff(actor, Act.END_SESSIONS, user),
        may_disable=user.is_active and may_switch,
        may_enable=not user.is_active and may_switch,
        may_send_reset=user.is_active and may_as_staff(actor, Act.SEND_RESET, user),
        may_disable_factor=has_factor(user) and may_as_staff(actor, Act.DISABLE_FACTOR, user),
        closed_because=BELONGS_TO_CANARY if user.pk == CANARY_ID else "",
    )
