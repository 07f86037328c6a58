"""Who can still act as this user? Every artefact that would be accepted at this moment."""

from dataclasses import dataclass
from datetime import datetime

from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken

from sessions.liveness import live_sessions
from sessions.models import Session
from users.clock import database_now
from users.models import DeviceToken, OneTimeCode, User


@dataclass(frozen=True)
class Artefact:
    """Something that is accepted: what it is, what it is good for, until when if nobody ends it."""

    kind: str
    detail: str
    until: datetime | None = None
    session: Session | None = None
    is_theirs: bool = True  # or it is the way to their login only


def artefacts_of(user: User) -> list[Artefact]:
    """All that works now, the most powerful first; empty: nobody can act as this user."""
    return [*_passwords(user), *_sessions(user), *_app_tokens(user), *_pushes(user), *_codes(user)]


def _passwords(user: User) -> list[Artefact]:
    active = user.is_active and user.deleted_at is None
    return [Artefact("password", "opens new sessions")] if active and user.has_usable_password() else []


def _sessions(user: User) -> list[Artefact]:
    found = []
    sessions = Session.objects.filter(user=user).select_related("app", "user", "device")
    live = list(live_sessions(sessions, now=database_now()).order_by("-pk"))
    # By other hands than ours: what we end is not live.
    listed = BlacklistedToken.objects.filter(token__jti__in=[session.refresh_jti for session in live])
    revoked = set(listed.values_list("token__jti", flat=True))
    for session in live:
        where = f"{session.app}, {session.device or session.platform or 'unknown device'}"
        kind = "admin log-in" if session.app.is_admin else "access tokens"
        found.append(Artefact(kind, where, session.expires_at, session))
        if session.refresh_jti and session.refresh_jti not in revoked:
            found.append(Artefact("refresh token", where, session.expires_at, session))
    return found


def _app_tokens(user: User) -> list[Artefact]:
    """Of the devices where the user is, or was last, logged in: no user's, but the way to the login there."""
    devices = Session.objects.filter(user=user, device__isnull=False).values("device")
    sessions = Session.objects.filter(user=None, device__in=devices).select_related("app", "user", "device")
    live = live_sessions(sessions, now=database_now()).order_by("-pk")
    return [
        Artefact(
            "app token",
            f"{session.app}, {session.device}; not as the user",
            session.expires_at,
            session,
            is_theirs=False,
        )
        for session in live
    ]


def _pushes(user: User) -> list[Artefact]:
    held = DeviceToken.objects.filter(user=user).select_related("device")
    return [Artefact("device token", f"receives pushes: {token.device or 'no device known'}") for token in held]


def _codes(user: User) -> list[Artefact]:
    if user.deleted_at is not None or not user.is_active:
        return []
    codes = OneTimeCode.objects.filter(user=user, purpose=OneTimeCode.Purpose.RESET, expires_at__gt=database_now())
    return [Artefact("reset code", "sets a new password", code.expires_at) for code in codes]
