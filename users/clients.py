"""Apps and their credentials: the key registers devices, and the shared secret signs requests."""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Unpack

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, IntegrityError
from django.db.models import Q

from users.canary import CANARY_ID
from users.clock import DatabaseNow, database_now
from users.errors import AppInactive, AppUnchanged, BadAppCredentials
from users.models import Access, App
from users.record.changes import record_app_changes
from users.record.events import Event
from users.record.writing import By, record
from users.sealing import Purpose, seal, unseal
from users.statement import Statement
from users.throttling import Allowance, count_attempt, network_of
from users.transactions import in_transaction

# Names for the apps of the pages. The second is used when a client app already has the first.
ADMIN_APP_NAMES = ("Admin", "Admin (ZapAuth)")
ACCOUNT_APP_NAMES = ("Account", "Account (ZapAuth)")
CANARY_APP_NAMES = ("Canary", "Canary (ZapAuth)")
# Names that nobody gives to an app: they look like the service's own.
OWN_NAMES = (*ADMIN_APP_NAMES, *ACCOUNT_APP_NAMES, *CANARY_APP_NAMES)

# A service sends its key with each request. By the ORM this look-up took as much CPU as the rest of an introspection.
_COLUMNS = [field.attname for field in App._meta.concrete_fields]
_FIND_APP = Statement(f"""
SELECT previous_until > clock_timestamp(), {", ".join(_COLUMNS)}
  FROM users_app
 WHERE id = %(id)s AND is_active AND kind = '{App.Kind.CLIENT.value}'
""")  # noqa: S608  # names of columns


@dataclass(frozen=True)
class NewApp:
    """A new app and its credentials in plain text. They are shown once and not stored in this form."""

    app: App
    key: str
    shared_secret: str | None


@in_transaction
def create_app(name: str, *, signed: bool = False, limits: Mapping[str, Any] | None = None, **by: Unpack[By]) -> NewApp:
    """Create an app with a random key and, if ``signed``, a shared secret. It is recorded.

    Args: limits: the app's own lifetimes and limits, by the names of their columns.

    Only a hash of the key is stored. The secret is needed to check signatures, so it is stored encrypted with
    SECRET_KEY, which is not in the database.

    Raises: django.db.IntegrityError, when the name is taken.
    """
    key, shared_secret, sealed = _new_credentials(signed=signed)
    app = App.objects.create(name=name, key_hash=_key_hash(key), sealed_secret=sealed, **(limits or {}))
    record(Event.APP_CREATED, app=app, name=name, signed=signed, **by)
    return NewApp(app, key, shared_secret)


@in_transaction
def rotate_key(
    app: App, *, overlap: timedelta, instead_of: str | None = None, note: str = "", **by: Unpack[By]
) -> NewApp:
    """Give the app a new key and, if its requests are signed, a new shared secret. It is recorded.

    A key that was retired before stops at once.

    Args:
        overlap: how long the present key and secret are still accepted, by the database's clock. Zero: not at all.
        instead_of: `key_mark` of the key that the caller has seen.

    Raises: AppUnchanged, if the app has another key than ``instead_of``, or none.
    """
    old = App.objects.select_for_update(no_key=True).get(pk=app.pk)
    if not has_key(old) or instead_of not in (None, key_mark(old)):
        raise AppUnchanged
    key, shared_secret, sealed = _new_credentials(signed=bool(old.sealed_secret))
    until = database_now() + overlap if overlap else None
    previous = (old.key_hash, old.sealed_secret) if overlap else ("", "")
    App.objects.filter(pk=app.pk).update(
        key_hash=_key_hash(key),
        sealed_secret=sealed,
        previous_key_hash=previous[0],
        previous_sealed_secret=previous[1],
        previous_until=until,
    )
    told = until.isoformat(timespec="seconds") if until else None
    record(Event.APP_KEY_ROTATED, app=old, name=old.name, previous_works_until=told, note=note.strip(), **by)
    app.refresh_from_db()
    return NewApp(app, key, shared_secret)


@in_transaction
def end_previous_key(app: App, *, note: str = "", **by: Unpack[By]) -> None:
    """Refuse the previous key and secret of the app from now on. It is recorded. Raises: AppUnchanged: it has none."""
    has_one = App.objects.filter(pk=app.pk, previous_until__gt=DatabaseNow())
    if not has_one.update(previous_key_hash="", previous_sealed_secret="", previous_until=None):
        raise AppUnchanged
    record(Event.APP_KEY_ENDED, app=app, name=app.name, note=note.strip(), **by)


@in_transaction
def set_access(app: App, changes: Mapping[str, Access], *, note: str = "", **by: Unpack[By]) -> None:
    """Change what the app may ask with its key. It is recorded, if anything changes.

    Args: changes: new values by column: `token_access`, `push_access`, `event_access`.
    """
    old = App.objects.select_for_update(no_key=True).values(*changes).get(pk=app.pk)
    App.objects.filter(pk=app.pk).update(**changes)
    record_app_changes(app, old, changes, note=note.strip(), **by)
    app.refresh_from_db()


def is_app_name(name: str) -> bool:
    """Return whether an app may have that name. The service's own apps have theirs."""
    return bool(name) and name.isprintable() and name.casefold() not in {taken.casefold() for taken in OWN_NAMES}


def has_key(app: App) -> bool:
    """Return whether the app has a key. ZAP's app and the service's own have none."""
    return app.is_client and bool(app.key_hash)


def previous_works(app: App) -> bool:
    """Return whether the app's previous key is still accepted, by the database's clock."""
    return app.previous_until is not None and app.previous_until > database_now()


def key_mark(app: App) -> str:
    """Return a text that differs for each key of the app, and says nothing about the key."""
    return hashlib.sha256(f"mark {app.pk} {app.key_hash}".encode()).hexdigest()[:16]


def get_app_by_key(app_id: str, app_key: str, *, ip: str | None) -> App:
    """Return the active app with that id and key: its present key, or the previous one before its time is over.

    With the previous key, the app that is returned has the previous shared secret: the client knows no other.

    Raises: BadAppCredentials, TooManyAttempts.
    """
    count_attempt(Allowance("device", network_of(ip)))
    return _find_app(app_id, app_key)


def get_service(app_id: str, app_key: str) -> App:
    """Return the active app with that id and key, for a call by a service. It may have no access to anything.

    Attempts are not counted: nobody guesses 256 random bits, and a gateway asks thousands of times a second.

    Raises: BadAppCredentials.
    """
    return _find_app(app_id, app_key)


def event_mark(app: App) -> str:
    """Return a text that changes when the app's keys, or its access to events, change. It says nothing about them.

    Args: app: one that `get_service` has found.
    """
    previous = app.previous_key_hash if app.previous_works else ""  # type: ignore[attr-defined]  # `_find_app` sets it
    return hashlib.sha256(f"{app.event_access} {app.key_hash} {previous}".encode()).hexdigest()


def event_marks(app_ids: Collection[str]) -> dict[str, str]:
    """Return the `event_mark` of each of these apps that is active and has access to events, by the app's id."""
    found = App.objects.filter(pk__in=app_ids, is_active=True, kind=App.Kind.CLIENT).exclude(event_access=Access.NONE)
    return {app.pk: event_mark(app) for app in found.annotate(previous_works=Q(previous_until__gt=DatabaseNow()))}


def _find_app(app_id: str, app_key: str) -> App:
    """Return the active app with that id and key, as `get_app_by_key` does. Raises: BadAppCredentials."""
    row = _FIND_APP.look_up(id=app_id)
    if row is None:
        raise BadAppCredentials
    previous_works, *values = row
    app: App = App.from_db(DEFAULT_DB_ALIAS, _COLUMNS, values)
    app.previous_works = previous_works  # type: ignore[attr-defined]  # for `event_mark`
    # An app without a key, like ZAP's, has an empty hash, which no digest equals. Both comparisons are always made.
    given = _key_hash(app_key)
    is_present = hmac.compare_digest(app.key_hash, given)
    is_previous = hmac.compare_digest(app.previous_key_hash, given) and previous_works
    if is_previous and not is_present:
        app.sealed_secret = app.previous_sealed_secret
    if not (is_present or is_previous):
        raise BadAppCredentials
    return app


def get_zap_app() -> App:
    """Return the app of ZAP's clients, which the settings name. It is created on first use.

    Raises: AppInactive.
    """
    app = App.objects.filter(name=settings.ZAP_APP).first() or _get_or_create(name=settings.ZAP_APP)
    if not app.is_active or app.uses_cookies or app.pk == CANARY_ID:
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


def previous_secret_of(app: App) -> str | None:
    """Return the shared secret before the last rotation, if it is still accepted.

    It is a query of its own: requests with the present secret don't need it.

    Raises: users.sealing.CannotUnseal.
    """
    found = App.objects.filter(pk=app.pk, previous_until__gt=DatabaseNow()).values_list("previous_sealed_secret")
    sealed = found.first()
    return unseal(urlsafe_b64decode(sealed[0]), Purpose.APP_SECRET) if sealed and sealed[0] else None


def _new_credentials(*, signed: bool) -> tuple[str, str | None, str]:
    """Return a new key, and, if ``signed``, a new shared secret in plain text and as it is stored."""
    key = secrets.token_urlsafe(32)
    shared_secret = secrets.token_urlsafe(32) if signed else None
    sealed = urlsafe_b64encode(seal(shared_secret, Purpose.APP_SECRET)).decode() if shared_secret else ""
    return key, shared_secret, sealed


def _key_hash(key: str) -> str:
    # 256 random bits need no slow hash: they cannot be guessed.
    return hashlib.sha256(key.encode()).hexdigest()
