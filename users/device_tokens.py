"""Devices and their push addresses. Who gets a user's pushes is decided here and in `sessions.logout`."""

import logging
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from users.models import App, Device, DeviceToken, User
from users.sealing import CannotUnseal, Purpose, unseal

logger = logging.getLogger("zapauth.users")


def find_device(app: App, unique_id: str | None) -> Device | None:
    """The device that registered itself with that ``unique_id`` before."""
    return None if unique_id is None else Device.objects.filter(app=app, unique_id=unique_id).first()


def register_device(app: App, *, unique_id: str | None, **fields: Any) -> Device:
    """The device of that ``unique_id``, with its description brought up to date; a new one without."""
    if unique_id is None:
        return Device.objects.create(app=app, **fields)
    # Not `update_or_create`: its FOR UPDATE stands in the way of sessions being opened on the device.
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
    """Store a push address, sealed, and give it to ``user``, on ``device``; None leaves what was there.

    With a user it moves: a device token belongs to the last one who logged in with it. ``held_by`` is the id
    of the user's session. Without a user (an app-level session) its owner stays, for nobody has logged in.
    """
    given = {"user": user, "held_by": held_by, "device": device}
    changed = [field for field, value in given.items() if value is not None]
    row = DeviceToken.of(token, **given)
    # One upsert, so that two phones that show the same token at once can't both insert it.
    # A known token is sealed anew, so that it moves to a new SECRET_KEY, even if the old one is lost.
    DeviceToken.objects.bulk_create(
        [row], update_conflicts=True, unique_fields=["digest"], update_fields=["sealed_token", *changed, "updated_at"]
    )
    return row


def give_device_token(device_token_id: int, *, user: User, held_by: UUID) -> None:
    """Give a stored push address to ``user``, whoever had it before. It is not opened."""
    DeviceToken.objects.filter(pk=device_token_id).update(user=user, held_by=held_by, updated_at=timezone.now())


def lock_device_tokens(rule: Q) -> None:
    """Lock the push addresses of that rule until the transaction ends, in the order of their keys.

    Whoever is to write several calls this first. Else two transactions could wait for each other.
    """
    tokens = DeviceToken.objects.filter(rule).order_by("pk").select_for_update(of=("self",), no_key=True)
    list(tokens.values_list("pk"))


def push_addresses_of(user: User) -> list[str]:
    """The push addresses of ``user`` in the clear, for whatever sends pushes. Ask anew for each push.

    An address that no key opens is left out and logged as an error. The others still get their pushes.
    """
    addresses = []
    for held in DeviceToken.objects.filter(user=user).order_by("pk"):
        try:
            addresses.append(unseal(held.sealed_token, Purpose.DEVICE_TOKEN))
        except CannotUnseal as error:
            logger.error("No push can be sent to device token %s. %s", held.pk, error)
    return addresses


def release_device_token(device_token_id: int, *, user: User | None, held_by: UUID, device: Device) -> None:
    """Take a push address from ``device``, and from ``user`` as far as their session ``held_by`` still holds it."""
    row = DeviceToken.objects.filter(pk=device_token_id)
    row.filter(device=device).update(device=None, updated_at=timezone.now())
    if user is not None:
        row.filter(Q(held_by=held_by) | Q(held_by=None), user=user).update(user=None, updated_at=timezone.now())
