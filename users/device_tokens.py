"""Devices and their device tokens. This module and the statements of log-in and logout set which user gets pushes."""

import logging
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db.models import Q

from users.clock import DatabaseNow
from users.models import App, Device, DeviceToken, User
from users.sealing import CannotUnseal, Purpose, unseal

logger = logging.getLogger("zapauth.users")


def find_device(app: App, unique_id: str | None) -> Device | None:
    """Return the device that registered with that ``unique_id`` before, or None."""
    return None if unique_id is None else Device.objects.filter(app=app, unique_id=unique_id).first()


def register_device(app: App, *, unique_id: str | None, **fields: Any) -> Device:
    """Store a device and return it. A device with that ``unique_id`` is updated; without one a row is added."""
    if unique_id is None:
        return Device.objects.create(app=app, **fields)
    # Not `update_or_create`: its FOR UPDATE would block sessions that are being opened on the device.
    Device.objects.bulk_create(
        [Device(app=app, unique_id=unique_id, **fields)],
        update_conflicts=True,
        unique_fields=["app", "unique_id"],
        update_fields=[*fields, "updated_at"],
    )
    return Device.objects.get(app=app, unique_id=unique_id)


def attach_device_token(
    token: str, *, user: User | None = None, held_by: UUID | None = None, device: Device | None = None
) -> DeviceToken:
    """Store a device token, encrypted, and give it to ``user`` and ``device``. None leaves the old value.

    A device token belongs to the last user who logged in with it; ``held_by`` is the id of that user's session.
    An app-level session has no user: nobody logged in, so the token's user stays.
    """
    given = {"user": user, "held_by": held_by, "device": device}
    changed = [field for field, value in given.items() if value is not None]
    # The database's time: a report that the token is dead compares it (`sessions.pushes.detach_gone`).
    row = DeviceToken.of(token, updated_at=DatabaseNow(), **given)
    # One upsert: two phones may send the same token at once. A known token is encrypted again, so that it uses a new
    # SECRET_KEY, even if the old key is lost.
    DeviceToken.objects.bulk_create(
        [row], update_conflicts=True, unique_fields=["digest"], update_fields=["sealed_token", *changed, "updated_at"]
    )
    return row


def lock_device_tokens(rule: Q) -> None:
    """Lock the device tokens that match ``rule`` until the transaction ends, in the order of their keys.

    Call this before writing several of them. Otherwise two transactions could wait for each other.
    """
    tokens = DeviceToken.objects.filter(rule).order_by("pk").select_for_update(of=("self",), no_key=True)
    list(tokens.values_list("pk"))


def read_device_token(device_token_id: int, sealed: bytes | memoryview) -> str | None:
    """Decrypt a stored device token. If no key decrypts it, log that as an error and return None."""
    try:
        return unseal(sealed, Purpose.DEVICE_TOKEN)
    except CannotUnseal as error:
        logger.error("No push can be sent to device token %s. %s", device_token_id, error)
        return None


def detach_device_tokens(ids: Iterable[int]) -> None:
    """Take device tokens, which this transaction has locked, from their users. They get no pushes there any more."""
    DeviceToken.objects.filter(pk__in=ids).update(user=None, updated_at=DatabaseNow())


def release_device_token(device_token_id: int, *, user: User | None, held_by: UUID, device: Device) -> None:
    """Take a device token from ``device``, and from ``user`` if their session ``held_by`` still holds it."""
    row = DeviceToken.objects.filter(pk=device_token_id)
    row.filter(device=device).update(device=None, updated_at=DatabaseNow())
    if user is not None:
        row.filter(Q(held_by=held_by) | Q(held_by=None), user=user).update(user=None, updated_at=DatabaseNow())
