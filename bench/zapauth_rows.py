"""Rows of ZapAuth as its logins leave them, for `bench.zap_logins` and `bench.buddy_logins`."""

import secrets
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from django.contrib.auth.hashers import make_password
from django.utils import timezone

from bench.logins import PASSWORD
from sessions.models import Session
from users.models import App, Device, DeviceToken, User

USER_AGENT = "bench/1"
# Longer than an access token of ZAP's lives: it must not expire before it is used.
TOKEN_LIFETIME = timedelta(hours=12)


def make_users(count: int) -> list[User]:
    """New ones, beside those that are there; one hash for all, or the hashing would take hours."""
    password = make_password(PASSWORD)
    names = [f"bench_{secrets.token_hex(7)}" for _ in range(count)]
    return User.objects.bulk_create(
        User(username=name, email=f"{name}@example.org", password=password) for name in names
    )


def new_push_address() -> str:
    """As long as one of FCM."""
    return secrets.token_urlsafe(107)


def make_device_tokens(
    addresses: Iterable[str], users: Sequence[User | None], devices: Sequence[Device | None]
) -> list[DeviceToken]:
    """One of each address, user and device."""
    tokens = [
        DeviceToken.of(address, user=user, device=device)
        for address, user, device in zip(addresses, users, devices, strict=True)
    ]
    return DeviceToken.objects.bulk_create(tokens)


def hold(sessions: Iterable[Session]) -> None:
    """Have each of the sessions hold its push address, as a log-in does."""
    tokens = []
    for session in sessions:
        if session.device_token is not None:
            session.device_token.held_by = session.pk
            tokens.append(session.device_token)
    DeviceToken.objects.bulk_update(tokens, ["held_by"], batch_size=1000)


def new_session(app: App, **fields: Any) -> Session:
    """Just opened and just seen, so that reads find the time of the last use fresh enough."""
    now = timezone.now()
    return Session(
        app=app,
        ip="127.0.0.1",
        user_agent=USER_AGENT,
        created_at=now,
        last_seen_at=now,
        expires_at=now + timedelta(days=30),
        app_epoch=app.session_epoch,
        **fields,
    )
