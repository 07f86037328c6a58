"""Apps and their credentials: the key that registers devices, the secret that signs requests."""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass

from django.conf import settings
from django.db import IntegrityError

from users.errors import AppInactive, BadAppCredentials
from users.models import App
from users.sealing import Purpose, seal, unseal
from users.throttling import Allowance, count_attempt, network_of

# The admin app's name, or the second one when a client has taken the first.
ADMIN_APP_NAMES = ("Admin", "Admin (ZapAuth)")


@dataclass(frozen=True)
class NewApp:
    """A fresh app with its credentials in the clear, for the one time that they are shown."""

    app: App
    key: str
    shared_secret: str | None


def create_app(name: str, *, signed: bool = False) -> NewApp:
    """Create an app with a random key and, if ``signed``, a shared secret.

    Only a hash of the key is stored. The secret has to be used again, to check signatures;
    it is stored encrypted under the installation's SECRET_KEY, which the database never holds.

    Raises: django.db.IntegrityError, when the name is taken.
    """
    key = secrets.token_urlsafe(32)
    shared_secret = secrets.token_urlsafe(32) if signed else None
    sealed = urlsafe_b64encode(seal(shared_secret, Purpose.APP_SECRET)).decode() if shared_secret else ""
    app = App.objects.create(name=name, key_hash=_key_hash(key), sealed_secret=sealed)
    return NewApp(app, key, shared_secret)


def get_app_by_key(app_id: str, app_key: str, *, ip: str | None) -> App:
    """The active app of that id and key, shown by a device. Raises: BadAppCredentials, TooManyAttempts."""
    count_attempt(Allowance("device", network_of(ip)))
    app = App.objects.filter(pk=app_id, is_active=True, kind=App.Kind.CLIENT).first()
    # An app without a key (ZAP's) has an empty hash, which equals no digest.
    if app is None or not hmac.compare_digest(app.key_hash, _key_hash(app_key)):
        raise BadAppCredentials
    return app


def get_zap_app() -> App:
    """The app that ZAP's clients belong to: the one that settings name, made at its first use.

    Raises: AppInactive.
    """
    app, _ = App.objects.get_or_create(name=settings.ZAP_APP)
    if not app.is_active or app.is_admin:
        raise AppInactive
    return app


def get_admin_app() -> App:
    """The app that the sessions of the admin belong to, made at its first use. It has no key.

    Raises: AppInactive.
    """
    app = App.objects.filter(kind=App.Kind.ADMIN).first() or _make_admin_app()
    if not app.is_active:
        raise AppInactive
    return app


def _make_admin_app() -> App:
    first, second = ADMIN_APP_NAMES
    try:
        # The database allows one: a request that comes second gets the app of the first.
        return App.objects.get_or_create(kind=App.Kind.ADMIN, defaults={"name": first})[0]
    except IntegrityError:
        return App.objects.get_or_create(kind=App.Kind.ADMIN, defaults={"name": second})[0]


def shared_secret_of(app: App) -> str | None:
    """The app's shared secret in the clear; None for an app whose requests are not signed.

    Raises: users.sealing.CannotUnseal, when neither SECRET_KEY nor a fallback sealed it.
    """
    return unseal(urlsafe_b64decode(app.sealed_secret), Purpose.APP_SECRET) if app.sealed_secret else None


def _key_hash(key: str) -> str:
    # 256 random bits need no slow hash: there is nothing to guess.
    return hashlib.sha256(key.encode()).hexdigest()
