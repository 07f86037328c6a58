"""Logins in the ZAP dialect: a session on a device token, an access and a refresh token."""

from collections.abc import Iterator

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from bench.logins import Login
from bench.zapauth_rows import TOKEN_LIFETIME, hold, make_device_tokens, make_users, new_push_address, new_session
from sessions.models import Session
from sessions.tokens.jwt import RefreshToken, UserAccessToken
from users.models import App


@transaction.atomic
def mint(count: int) -> Iterator[Login]:
    app, _ = App.objects.get_or_create(name=settings.ZAP_APP)
    users = make_users(count)
    addresses = [new_push_address() for _ in users]
    device_tokens = make_device_tokens(addresses, users, [None] * count)
    sessions, outstanding, logins = [], [], []
    for user, address, device_token in zip(users, addresses, device_tokens, strict=True):
        session = new_session(app, user=user, device_token=device_token)
        access = UserAccessToken.for_session(
            session, issued_at=session.created_at, expires_at=timezone.now() + TOKEN_LIFETIME
        )
        refresh = RefreshToken.for_session(session, issued_at=session.created_at, expires_at=session.expires_at)
        session.refresh_jti = refresh["jti"]
        sessions.append(session)
        outstanding.append(
            OutstandingToken(
                jti=refresh["jti"], user=user, token="", created_at=session.created_at, expires_at=session.expires_at
            )
        )
        facts = {"user_id": user.pk, "username": user.username, "session": str(session.pk)}
        tokens = {"access": str(access), "refresh": str(refresh), "device_token": address}
        logins.append(facts | tokens)
    Session.objects.bulk_create(sessions)
    hold(sessions)
    OutstandingToken.objects.bulk_create(outstanding)
    yield from logins
