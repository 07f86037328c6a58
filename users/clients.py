"""Apps and their credentials: the key registers devices, and the shared secret signs requests."""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import IntegrityError

from users.errors import AppInactive, BadAppCredentials
from users.models import App
from users.record.events import Event
from users.record.writing import record
from users.sealing import Purpose, seal, unseal
from users.throttling import Allowance, count_attempt, network_of
from users.transactions import in_transaction

# Names for the apps of the pages. The second is used when a client app already has the first.
ADMIN_APP_NAMES = ("Admin", "Admin (ZapAuth)")
ACCOUNT_APP_NAMES = ("Account", "Account (ZapAuth)")


@dataclass(frozen=True)
class NewApp:
    """A new app and its credentials in plain text. They are shown once and not stored in this form."""

    app: App
    key: str
    shared_secret: str | None


@in_transaction
def create_app(name: str, *, signed: bool = False, operator: str = "") -> NewApp:
    """Create an app with a random key and, if ``signed``, a shared secret. It is recorded.

    Only a hash of the key is stored. The secret is needed to check signatures, so it is stored encrypted with
    SECRET_KEY, which is not in the database.

    Raises: django.db.IntegrityError, when the name is taken.
    """
    key = secrets.token_urlsafe(32)
    shared_secret = secrets.token_urlsafe(32) if signed else None
    sealed = urlsafe_b64encode(seal(shared_secret, Purpose.APP_SECRET)).decode() if shared_secret else ""
    app = App.objects.create(name=name, key_hash=_key_hash(key), sealed_secret=sealed)
    record(Event.APP_CREATED, app=app, operator=operator, name=name, signed=signed)
    return NewApp(app, key, shared_secret)


def get_app_by_key(app_id: str, app_key: str, *, ip: str | None) -> App:
    """Return the active app with that id and key. Raises: BadAppCredentials, TooManyAttempts."""
    count_attempt(Allowance("device", network_of(ip)))
    app = App.objects.filter(pk=app_id, is_active=True, kind=App.Kind.CLIENT).first()
    # An app without a key, like ZAP's, has an empty hash, which no digest equals.
    if app is None or not hmac.compare_digest(app.key_hash, _key_hash(app_key)):
        raise BadAppCredentials
    return app


def get_zap_app() -> App:
    """Return the app of ZAP's clients, which the settings name. It is created on first use.

    Raises: AppInactive.
    """
    app = App.objects.filter(name=settings.ZAP_APP).first() or _get_or_create(name=settings.ZAP_APP)
    if not app.is_active or app.uses_cookies:
        raise AppInactive
    return app


def get_admin_app() -> App:
    """Return the app of the admin's sessions. It is created on first use and has no key.

    Raises: AppInactive.
    """
    return _get_page_app(App.Kind.ADMIN, ADMIN_APP_NAMES)


def get_account_app() -> App:
    """Return the app of the account page's sessions. It is created on first use and has no key.

    Raises: AppInactive.
    """
    return _get_page_app(App.Kind.ACCOUNT, ACCOUNT_APP_NAMES)


def _get_page_app(kind: App.Kind, names: tuple[str, str]) -> App:
    app = App.objects.filter(kind=kind).first() or _make_page_app(kind, *names)
    if not app.is_active:
        raise AppInactive
    return app


def _make_page_app(kind: App.Kind, first: str, second: str) -> App:
    try:
        # A constraint allows one app of this kind. If two requests race, the second gets the app of the first.
        return _get_or_create(kind=kind, defaults={"name": first})
    except IntegrityError:
        return _get_or_create(kind=kind, defaults={"name": second})


@in_transaction
def _get_or_create(**facts: Any) -> App:
    app, is_new = App.objects.get_or_create(**facts)
    if is_new:
        record(Event.APP_CREATED, app=app, name=app.name, signed=False)
    return app


def shared_secret_of(app: App) -> str | None:
    """Return the app's shared secret in plain text, or None if its requests are not signed.

    Raises: users.sealing.CannotUnseal, when neither SECRET_KEY nor a fallback can decrypt it.
    """
    return unseal(urlsafe_b64decode(app.sealed_secret), Purpose.APP_SECRET) if app.sealed_secret else None


def _key_hash(key: str) -> str:
    # 256 random bits need no slow hash: they cannot be guessed.
    return hashlib.sha256(key.encode()).hexdigest()
