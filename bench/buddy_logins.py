"""Logins in the Buddy dialect: a device with a push address, its app-level session, and a user's opened from that."""

import secrets
from collections.abc import Iterator, Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone

from bench.logins import Login
from bench.zapauth_rows import TOKEN_LIFETIME, hold, make_device_tokens, make_users, new_push_address, new_session
from sessions.models import Session
from sessions.tokens.jwt import AppAccessToken, UserAccessToken
from users.models import App, Device, User


@transaction.atomic
def mint(count: int) -> Iterator[Login]:
    app, _ = App.objects.get_or_create(name="Bench")
    users = make_users(count)
    roots, there = _register_devices(app, users)
    sessions = Session.objects.bulk_create(
        new_session(app, user=user, opened_from=root, **on_device)
        for user, root, on_device in zip(users, roots, there, strict=True)
    )
    hold(sessions)
    # Each user has a second device, where nobody is logged in: the one to log in on.
    empty, _ = _register_devices(app, [None] * count)
    expires_at = timezone.now() + TOKEN_LIFETIME
    for user, session, root in zip(users, sessions, empty, strict=True):
        yield {
            "username": user.username,
            "access": str(UserAccessToken.for_session(session, issued_at=session.created_at, expires_at=expires_at)),
            "app_access": str(AppAccessToken.for_session(root, issued_at=root.created_at, expires_at=expires_at)),
        }


def _register_devices(app: App, users: Sequence[User | None]) -> tuple[list[Session], list[dict[str, Any]]]:
    """For each user (of its push address) a device: its app-level session, and what sessions there have in common."""
    devices = Device.objects.bulk_create(
        Device(app=app, unique_id=secrets.token_hex(8), platform="Android", model="Pixel 8") for _ in users
    )
    tokens = make_device_tokens([new_push_address() for _ in users], users, devices)
    there = [
        {"device": device, "device_token": token, "platform": device.platform}
        for device, token in zip(devices, tokens, strict=True)
    ]
    return Session.objects.bulk_create(new_session(app, **on_device) for on_device in there), there
