"""Sessions that `zapauth.canary` opens in order to end them and to see how fast they are refused.

They belong to an account, an app and a device of the service itself. Nobody can log in with these: the account has no
password, no email and no phone number, and the app has no key. Nobody can change them (`users.permissions`). If an
earlier version or a restored backup has left them disabled or deleted, the next round enables them again.

A session begins without a log-in, so there is no entry in the record, no mail and no counted attempt. It expires after
two minutes, and its row is deleted.
"""

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from sessions.logout import end_sessions
from sessions.models import EndReason, Session
from sessions.sql.opening import open_session
from sessions.tokens.jwt import RefreshToken, UserAccessToken
from sessions.upkeep.retention import Prunable, prune
from users.canary import CANARY_ID
from users.clients import CANARY_APP_NAMES, get_zap_app
from users.clock import database_now
from users.models import App, Device, User
from users.record.events import Event
from users.record.writing import record
from users.transactions import in_transaction

LIFETIME = timedelta(minutes=2)
# The sessions of a canary that was killed are deleted when they are older than this.
_LEFT_AFTER = timedelta(minutes=5)


class CanaryHasNoApp(Exception):
    """Other apps have all names of the canary's app. The text says which."""


@dataclass(frozen=True)
class CanarySession:
    """A live session with its tokens. Only a session of ZAP has a refresh token."""

    id: UUID
    user_id: str
    access_token: str
    refresh_token: str = ""


def open_zap_session() -> CanarySession:
    """Open a session in ZAP's app. Raises: CanaryHasNoApp, users.errors.AppInactive."""
    session = Session(app=get_zap_app(), user=_account(), refresh_jti=uuid4().hex, **_FACTS)
    opened_at = open_session(session, lifetime=LIFETIME)
    refresh = RefreshToken.for_session(session, issued_at=opened_at, expires_at=session.expires_at)
    refresh["jti"] = session.refresh_jti
    expires_at = opened_at + settings.ACCESS_TOKEN_LIFETIME
    access = UserAccessToken.for_session(session, issued_at=opened_at, expires_at=expires_at)
    return CanarySession(session.pk, CANARY_ID, str(access), str(refresh))


def open_buddy_session() -> CanarySession:
    """Open a session on a device, as Buddy's clients have. Raises: CanaryHasNoApp, users.errors.AppInactive."""
    user, device = _account(), _device()
    session = Session(app=device.app, user=user, device=device, **_FACTS)
    opened_at = open_session(session, lifetime=LIFETIME)
    access = UserAccessToken.for_session(session, issued_at=opened_at, expires_at=session.expires_at)
    return CanarySession(session.pk, CANARY_ID, str(access))


def forget_canaries(own: Collection[UUID] = ()) -> None:
    """End and delete the sessions ``own``, and the sessions of canaries that were killed.

    Sessions that Buddy's logout opened from these are deleted, too.
    """
    before = database_now() - _LEFT_AFTER
    # If staff give the account a password and log in on another device, that session has successors and stays.
    theirs = Session.objects.filter(Q(user=CANARY_ID, device=None) | Q(device=CANARY_ID))
    theirs = theirs.filter(Q(created_at__lt=before) | Q(pk__in=own) | Q(opened_from__in=own))
    end_sessions(theirs, actor=None, reason=EndReason.LOGOUT)
    _delete("canary's sessions", theirs.filter(ended_at__isnull=False))
    unused = ~Exists(Session.objects.filter(user=CANARY_ID, refresh_jti=OuterRef("jti")))
    tokens = OutstandingToken.objects.filter(unused, user=CANARY_ID)
    _delete("canary's blacklisted tokens", BlacklistedToken.objects.filter(token__in=tokens))
    _delete("canary's refresh tokens", tokens.filter(blacklistedtoken=None))


_FACTS = {"user_agent": "ZapAuth canary", "platform": "canary"}


def _delete(kind: str, rows: QuerySet[Session] | QuerySet[BlacklistedToken] | QuerySet[OutstandingToken]) -> None:
    for _ in prune(Prunable(kind, rows)):
        pass


def _account() -> User:
    user = User.objects.filter(pk=CANARY_ID).first() or _make_account()
    return user if user.is_active and user.deleted_at is None else _enabled_again(user)


@in_transaction
def _make_account() -> User:
    # The name is random, so nobody can have taken it. No password matches "!".
    facts = {"username": _free_name(), "password": "!", "name": "Canary of this service"}
    user, is_new = User.objects.get_or_create(pk=CANARY_ID, defaults=facts)
    if is_new:
        record(Event.USER_CREATED, user=user)
    return user


@in_transaction
def _enabled_again(user: User) -> User:
    closed = User.objects.filter(Q(is_active=False) | Q(deleted_at__isnull=False), pk=user.pk)
    # Its name is free since it was deleted, so somebody may have taken it.
    if closed.update(is_active=True, deleted_at=None, username=_free_name(), updated_at=database_now()):
        record(Event.USER_ENABLED, user=user)
    user.refresh_from_db()
    return user


def _free_name() -> str:
    return f"canary-{secrets.token_hex(6)}"


def _device() -> Device:
    device = Device.objects.select_related("app").filter(pk=CANARY_ID).first() or _make_device()
    return device if device.app.is_active else _switched_on(device)


@in_transaction
def _switched_on(device: Device) -> Device:
    if App.objects.filter(pk=device.app_id, is_active=False).update(is_active=True):
        record(Event.APP_SWITCHED_ON, app=device.app, name=device.app.name)
    device.app.refresh_from_db()
    return device


@in_transaction
def _make_device() -> Device:
    facts = {"app": _make_app(), "unique_id": CANARY_ID, "platform": _FACTS["platform"]}
    device, _ = Device.objects.get_or_create(pk=CANARY_ID, defaults=facts)
    return device


def _make_app() -> App:
    for name in CANARY_APP_NAMES:
        try:
            with transaction.atomic():
                app, is_new = App.objects.get_or_create(pk=CANARY_ID, defaults={"name": name})
                if is_new:
                    record(Event.APP_CREATED, app=app, name=name, signed=False)
                return app
        except IntegrityError:
            continue  # another app has that name
    raise CanaryHasNoApp(f"other apps have the names {' and '.join(CANARY_APP_NAMES)}")
