"""A device's own calls: registering it, telling where its pushes go, and going on after a logout."""

from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from uuid6 import uuid7

from sessions.login import Grant, lock_sessions, open_app_session, sessions_on_device
from sessions.logout import log_out_and_open
from sessions.models import Session
from sessions.origin import Origin
from sessions.tokens import AppAccessToken
from users.clock import database_now
from users.devices import attach_device_token, register_device, release_device_token
from users.models import App, Device, User


@transaction.atomic
def open_device_session(
    app: App, *, unique_id: str | None, push_token: str | None, origin: Origin, **description: Any
) -> Grant:
    """Register a device, or know it again by ``unique_id``, and open an app-level session on it.

    The push address is this session's and of those opened from it: one that another session
    brought for the same ``unique_id``, which is no secret, never gets into their hands.
    """
    device = register_device(app, unique_id=unique_id, **description)
    held = attach_device_token(push_token, device=device) if push_token else None
    here = {"device_id": device.pk, "device_token_id": held.pk if held else None, "platform": device.platform}
    return open_app_session(app, origin=origin, **here)


@transaction.atomic
def change_device(session: Session, *, push_token: str | None = None, **description: Any) -> Device:
    """Change the description of the device that ``session`` is on, and its push address.

    A new address takes the old one's place for whoever is logged in there; "" takes it away.

    Raises: SessionEnded, when a logout was quicker: else that user's pushes would come back.
    """
    on_device = sessions_on_device(session)
    old_id = lock_sessions(on_device, session).device_token_id
    device = Device.objects.get(pk=session.device_id)
    for name, value in description.items():
        setattr(device, name, value)
    device.save(update_fields=[*description, "updated_at"])
    if push_token is not None:
        user = _user_on_device(on_device)
        held = attach_device_token(push_token, user=user, device=device) if push_token else None
        if old_id is not None and (held is None or held.pk != old_id):
            release_device_token(old_id, user=user, device=device)
        on_device.update(device_token=held)
    return device


def log_out_of_device(session: Session, *, origin: Origin) -> Grant:
    """End a user's session on a device and open an app-level one there: together or not at all.

    Raises: SessionEnded, when it had ended before; then no session is opened.
    """
    opened, now = uuid7(), session.checked_at
    expires_at = now + settings.APP_SESSION_LIFETIME
    access = AppAccessToken.issue(
        session_id=opened, app_id=session.app_id, user_id=None, issued_at=now, expires_at=expires_at
    )
    log_out_and_open(session, opened, expires_at=expires_at, origin=origin)
    return Grant.of(access)


def _user_on_device(on_device: QuerySet[Session]) -> User | None:
    # Clients tell a new address with the app-level token, too, while somebody is logged in.
    logged_in = on_device.filter(user__isnull=False, expires_at__gt=database_now())
    newest = logged_in.select_related("user").order_by("-created_at").first()
    return newest.user if newest else None
