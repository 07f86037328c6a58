"""Make ZapAuth's logins in bulk, as rows and tokens, for ZAP, for Buddy and for demo sessions. No log-in is called."""

import secrets
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from bench.logins import PASSWORD, Login
from sessions.models import Session
from sessions.tokens.jwt import AppAccessToken, RefreshToken, UserAccessToken
from users.clients import create_app, set_access
from users.models import Access, App, Device, DeviceToken, User

# Longer than the lifetime of ZAP's access tokens: it must not expire before it is used.
TOKEN_LIFETIME = timedelta(hours=12)


@transaction.atomic
def mint_zap(count: int) -> Iterator[Login]:
    """Make sessions with a device token, an access token and a refresh token."""
    app, _ = App.objects.get_or_create(name=settings.ZAP_APP)
    users = _make_users(count)
    addresses = [_new_push_address() for _ in users]
    device_tokens = _make_device_tokens(addresses, users, [None] * count)
    sessions, outstanding, logins = [], [], []
    for user, address, device_token in zip(users, addresses, device_tokens, strict=True):
        session = _new_session(app, user=user, device_token=device_token)
        refresh = RefreshToken.for_session(session, issued_at=session.created_at, expires_at=session.expires_at)
        session.refresh_jti = refresh["jti"]
        sessions.append(session)
        outstanding.append(
            OutstandingToken(
                jti=refresh["jti"], user=user, token="", created_at=session.created_at, expires_at=session.expires_at
            )
        )
        facts = {"user_id": user.pk, "username": user.username, "session": str(session.pk)}
        tokens = {"access": _access_token(session), "refresh": str(refresh), "device_token": address}
        logins.append(facts | tokens)
    Session.objects.bulk_create(sessions)
    _hold(sessions)
    OutstandingToken.objects.bulk_create(outstanding)
    yield from logins


def mint_introspected(count: int) -> Iterator[Login]:
    """Make ZAP's logins, and with each the credentials of one service that may introspect all tokens."""
    backend = create_app(f"Bench backend {secrets.token_hex(4)}")
    set_access(backend.app, {"token_access": Access.ALL}, operator="bench")
    service = b64encode(f"{backend.app.pk}:{backend.key}".encode()).decode()
    for login in mint_zap(count):
        yield login | {"service": service}


@transaction.atomic
def mint_buddy(count: int) -> Iterator[Login]:
    """Make devices with a push address and an app-level session, and on each of them a user's session."""
    app, _ = App.objects.get_or_create(name="Bench")
    users = _make_users(count)
    roots, there = _register_devices(app, users)
    sessions = Session.objects.bulk_create(
        _new_session(app, user=user, opened_from=root, **on_device)
        for user, root, on_device in zip(users, roots, there, strict=True)
    )
    _hold(sessions)
    # Each user also has a second device without a login, to log in on.
    empty, _ = _register_devices(app, [None] * count)
    for user, session, root in zip(users, sessions, empty, strict=True):
        expires_at = timezone.now() + TOKEN_LIFETIME
        app_access = AppAccessToken.for_session(root, issued_at=root.created_at, expires_at=expires_at)
        yield {"username": user.username, "access": _access_token(session), "app_access": str(app_access)}


def mint_demo(count: int) -> Iterator[Login]:
    """Make access tokens of demo sessions, evenly spread over all live ones."""
    live = Session.objects.filter(ended_at=None, device=None)
    ids = list(live.order_by("pk").values_list("pk", flat=True))
    chosen = Session.objects.filter(pk__in=ids[:: max(1, len(ids) // count)][:count])
    chosen.update(last_seen_at=timezone.now())
    for session in chosen:
        yield {"access": _access_token(session)}


def _access_token(session: Session) -> str:
    expires_at = timezone.now() + TOKEN_LIFETIME
    return str(UserAccessToken.for_session(session, issued_at=session.created_at, expires_at=expires_at))


def _make_users(count: int) -> list[User]:
    password = make_password(PASSWORD)  # one hash for all
    names = [f"bench_{secrets.token_hex(7)}" for _ in range(count)]
    return User.objects.bulk_create(
        User(username=name, email=f"{name}@example.org", password=password) for name in names
    )


def _register_devices(app: App, users: Sequence[User | None]) -> tuple[list[Session], list[dict[str, Any]]]:
    """Make a device for each user. Return the app-level sessions, and the fields of sessions on these devices."""
    devices = Device.objects.bulk_create(
        Device(app=app, unique_id=secrets.token_hex(8), platform="Android", model="Pixel 8") for _ in users
    )
    tokens = _make_device_tokens([_new_push_address() for _ in users], users, devices)
    there = [
        {"device": device, "device_token": token, "platform": device.platform}
        for device, token in zip(devices, tokens, strict=True)
    ]
    return Session.objects.bulk_create(_new_session(app, **on_device) for on_device in there), there


def _new_push_address() -> str:
    """A random push address, as long as an FCM one."""
    return secrets.token_urlsafe(107)


def _make_device_tokens(
    addresses: Iterable[str], users: Sequence[User | None], devices: Sequence[Device | None]
) -> list[DeviceToken]:
    return DeviceToken.objects.bulk_create(
        DeviceToken.of(address, user=user, device=device)
        for address, user, device in zip(addresses, users, devices, strict=True)
    )


def _hold(sessions: Iterable[Session]) -> None:
    """Let each of the sessions hold its push address, as a log-in does."""
    tokens = []
    for session in sessions:
        if session.device_token is not None:
            session.device_token.held_by = session.pk
            tokens.append(session.device_token)
    DeviceToken.objects.bulk_update(tokens, ["held_by"], batch_size=1000)


def _new_session(app: App, **fields: Any) -> Session:
    """A session that was opened and seen just now, so that a read doesn't write when it was last seen."""
    now = timezone.now()
    return Session(
        app=app,
        ip="127.0.0.1",
        user_agent="bench/1",
        created_at=now,
        last_seen_at=now,
        expires_at=now + timedelta(days=30),
        app_epoch=app.session_epoch,
        **fields,
    )
