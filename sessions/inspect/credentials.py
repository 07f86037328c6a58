"""List every credential that lets somebody act as a user now."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken

from sessions.client_names import client_name
from sessions.invitations import is_open
from sessions.liveness import live_sessions
from sessions.models import Session
from sessions.not_me import counts, is_replaced
from users.clock import database_now
from users.models import App, DeviceToken, OneTimeCode, OneUseLink, User
from users.one_use_links import links_of
from users.record.masking import masked_email
from users.second_factor.enabling import has_factor
from users.second_factor.recovery import count_recovery_codes

_KINDS = {App.Kind.CLIENT: "access tokens", App.Kind.ADMIN: "admin log-in", App.Kind.ACCOUNT: "account log-in"}


@dataclass(frozen=True)
class Credential:
    """A credential that is accepted: its kind, what it allows, and when it expires by itself."""

    kind: str
    detail: str
    until: datetime | None = None
    session: Session | None = None
    is_theirs: bool = True  # False: it doesn't act as the user


@dataclass(frozen=True)
class Summary:
    """The credentials of a user with one line for each session, and how many lines are left out.

    Only the newest sessions, tokens of devices, device tokens and links have a line: a script may open thousands.
    """

    credentials: list[Credential]
    more_sessions: int
    more_others: int

    @property
    def nobody_can_act(self) -> bool:
        """Whether no accepted credential acts as the user. App tokens of their devices and "not me" links don't."""
        return not any(credential.is_theirs for credential in self.credentials)


def credentials_of(user: User) -> list[Credential]:
    """Return the user's credentials that are accepted now, the most powerful ones first."""
    apps, held = _app_sessions(user), _held(user)
    return [*_passwords(user), *_tokens(user), *_app_tokens(apps), *_pushes(held), *_codes(user), *_links(user)]


def summary_of(user: User, *, most: int) -> Summary:
    """Return the same in fewer lines: one for a session with all of its tokens, and at most ``most`` of each kind."""
    sessions, apps, held, links = _live_sessions(user), _app_sessions(user), _held(user), _links(user)
    lines = [
        *(_passwords(user) + _codes(user) + links[:most]),
        *_sessions(sessions[:most]),
        *_app_tokens(apps[:most]),
        *_pushes(held[:most]),
    ]
    more_others = _beyond(apps, most) + _beyond(held, most) + max(0, len(links) - most)
    return Summary(lines, more_sessions=_beyond(sessions, most), more_others=more_others)


def _passwords(user: User) -> list[Credential]:
    active = user.is_active and user.deleted_at is None
    if not (active and user.has_usable_password()):
        return []
    opens = "opens new sessions"
    if has_factor(user):
        opens += f", with a code of the second factor or one of {count_recovery_codes(user)} recovery codes"
    return [Credential("password", opens)]


def _tokens(user: User) -> list[Credential]:
    found = []
    live = list(_live_sessions(user))
    refreshable = _refreshable(live)
    for session in live:
        where = f"{session.app}, {session.device or session.platform or 'unknown device'}"
        kind = _KINDS[App.Kind(session.app.kind)]
        found.append(Credential(kind, where, session.expires_at, session))
        if session.pk in refreshable:
            found.append(Credential("refresh token", where, session.expires_at, session))
    return found


def _sessions(sessions: Iterable[Session]) -> list[Credential]:
    """Return one credential for each session. Its kind names the client, its detail the tokens."""
    live = list(sessions)
    refreshable = _refreshable(live)
    found = []
    for session in live:
        tokens = "access, refresh token" if session.pk in refreshable else "access token"
        detail = f"{session.app}: {'cookie' if session.app.is_admin else tokens}"
        found.append(Credential(client_name(session), detail, session.expires_at, session))
    return found


def _live_sessions(user: User) -> QuerySet[Session]:
    sessions = Session.objects.filter(user=user).select_related("app", "user", "device")
    return live_sessions(sessions, now=database_now()).order_by("-pk")


def _refreshable(sessions: list[Session]) -> set[UUID]:
    """Return the ids of the sessions whose refresh token is accepted."""
    # Somebody may have blacklisted a refresh token in simplejwt's own tables, so check that, too.
    listed = BlacklistedToken.objects.filter(token__jti__in=[session.refresh_jti for session in sessions])
    revoked = {None, *listed.values_list("token__jti", flat=True)}
    return {session.pk for session in sessions if session.refresh_jti not in revoked}


def _app_sessions(user: User) -> QuerySet[Session]:
    """Return the app-level sessions on the user's devices. They act as no user, but can be used to log in."""
    devices = Session.objects.filter(user=user, device__isnull=False).values("device")
    sessions = Session.objects.filter(user=None, device__in=devices).select_related("app", "user", "device")
    return live_sessions(sessions, now=database_now()).order_by("-pk")


def _app_tokens(sessions: Iterable[Session]) -> list[Credential]:
    return [
        Credential(
            "app token",
            f"{session.app}, {session.device}; not as the user",
            session.expires_at,
            session,
            is_theirs=False,
        )
        for session in sessions
    ]


def _held(user: User) -> QuerySet[DeviceToken]:
    return DeviceToken.objects.filter(user=user).select_related("device").order_by("-updated_at", "-pk")


def _pushes(held: Iterable[DeviceToken]) -> list[Credential]:
    return [Credential("device token", f"receives pushes: {token.device or 'no device known'}") for token in held]


def _beyond(rows: QuerySet[Any], most: int) -> int:
    """Return how many rows there are beyond the first ``most``."""
    return max(0, rows.order_by().count() - most)


def _codes(user: User) -> list[Credential]:
    if user.deleted_at is not None or not user.is_active:
        return []
    codes = OneTimeCode.objects.filter(user=user, purpose=OneTimeCode.Purpose.RESET, expires_at__gt=database_now())
    return [Credential("reset code", "sets a new password", code.expires_at) for code in codes]


def _links(user: User) -> list[Credential]:
    """Return the links in mails that still work. Whoever reads the mail may use them."""
    found = []
    for link in links_of(user):
        mailed = f"mailed to {masked_email(link.address)}"
        if link.purpose == OneUseLink.Purpose.INVITATION and is_open(link):
            found.append(Credential("invitation", f"sets the first password, {mailed}", link.expires_at))
        elif link.purpose == OneUseLink.Purpose.NOT_ME and counts(link, user):
            does = "disables the account" if is_replaced(link, user) else "ends sessions and the password"
            found.append(Credential("not-me link", f"{does}, {mailed}", link.expires_at, is_theirs=False))
    return found
