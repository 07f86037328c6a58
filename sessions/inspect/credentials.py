"""List every credential that lets somebody act as a user now."""

from dataclasses import dataclass
from datetime import datetime

from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken

from sessions.liveness import live_sessions
from sessions.models import Session
from users.clock import database_now
from users.models import App, DeviceToken, OneTimeCode, User
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
    is_theirs: bool = True  # False: it doesn't act as the user, but can be used to log in


def credentials_of(user: User) -> list[Credential]:
    """Return the user's credentials that are accepted now, the most powerful ones first."""
    return [*_passwords(user), *_sessions(user), *_app_tokens(user), *_pushes(user), *_codes(user)]


def _passwords(user: User) -> list[Credential]:
    active = user.is_active and user.deleted_at is None
    if not (active and user.has_usable_password()):
        return []
    opens = "opens new sessions"
    if has_factor(user):
        opens += f", with a code of the second factor or one of {count_recovery_codes(user)} recovery codes"
    return [Credential("password", opens)]


def _sessions(user: User) -> list[Credential]:
    found = []
    sessions = Session.objects.filter(user=user).select_related("app", "user", "device")
    live = list(live_sessions(sessions, now=database_now()).order_by("-pk"))
    # Somebody may have blacklisted a refresh token in simplejwt's own tables, so check that, too.
    listed = BlacklistedToken.objects.filter(token__jti__in=[session.refresh_jti for session in live])
    revoked = set(listed.values_list("token__jti", flat=True))
    for session in live:
        where = f"{session.app}, {session.device or session.platform or 'unknown device'}"
        kind = _KINDS[App.Kind(session.app.kind)]
        found.append(Credential(kind, where, session.expires_at, session))
        if session.refresh_jti and session.refresh_jti not in revoked:
            found.append(Credential("refresh token", where, session.expires_at, session))
    return found


def _app_tokens(user: User) -> list[Credential]:
    """Return the tokens of app-level sessions on the user's devices. They act as no user, but can be used to log in."""
    devices = Session.objects.filter(user=user, device__isnull=False).values("device")
    sessions = Session.objects.filter(user=None, device__in=devices).select_related("app", "user", "device")
    live = live_sessions(sessions, now=database_now()).order_by("-pk")
    return [
        Credential(
            "app token",
            f"{session.app}, {session.device}; not as the user",
            session.expires_at,
            session,
            is_theirs=False,
        )
        for session in live
    ]


def _pushes(user: User) -> list[Credential]:
    held = DeviceToken.objects.filter(user=user).select_related("device")
    return [Credential("device token", f"receives pushes: {token.device or 'no device known'}") for token in held]


def _codes(user: User) -> list[Credential]:
    if user.deleted_at is not None or not user.is_active:
        return []
    codes = OneTimeCode.objects.filter(user=user, purpose=OneTimeCode.Purpose.RESET, expires_at__gt=database_now())
    return [Credential("reset code", "sets a new password", code.expires_at) for code in codes]
