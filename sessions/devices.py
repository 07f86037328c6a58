"""What a device can do: register, change its description or device token, and log its user out."""

from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet
from uuid6 import uuid7

from sessions.errors import DeviceInUse
from sessions.liveness import live_sessions
from sessions.login.new_session import open_app_session
from sessions.login.on_device import still_open
from sessions.logout import log_out_and_open
from sessions.models import Session
from sessions.sql.locks import lock_sessions
from sessions.tokens.grant import Grant
from sessions.tokens.jwt import AppAccessToken
from users.clock import database_now
from users.device_tokens import (
    attach_device_token,
    find_device,
    lock_device_tokens,
    register_device,
    release_device_token,
)
from users.models import App, Device, DeviceToken
from users.origin import Origin
from users.transactions import in_transaction


@in_transaction
def open_device_session(
    app: App, *, unique_id: str | None, push_token: str | None, origin: Origin, **description: Any
) -> Grant:
    """Register a device, or find it by ``unique_id``, and open an app-level session on it.

    ``unique_id`` is no secret. So if a user is logged in on the device, nothing changes for them: the device keeps
    its description, and only the new session is bound to the device token.
    """
    device = find_device(app, unique_id)
    if device is None or not _is_in_use(device.pk):
        device = register_device(app, unique_id=unique_id, **description)
    held = attach_device_token(push_token, device=device) if push_token else None
    here = {"device_id": device.pk, "device_token_id": held.pk if held else None, "platform": device.platform}
    return open_app_session(app, origin=origin, **here)


@in_transaction
def change_device(session: Session, *, push_token: str | None = None, **description: Any) -> Device:
    """Change the description of the device of ``session``, and the session's device token.

    A new token replaces the session's old one; "" removes it. The app-level session that a user's session was
    opened from gets the new token as well, because some clients log in with that session again.

    Raises: DeviceInUse, if ``session`` is app-level and a user is logged in on the device. SessionEnded, if a logout
        came first; without this check, the user's pushes would come back.
    """
    on_device = _sessions_on(session)
    session = still_open(session, lock_sessions(on_device))
    if session.is_app_level and _is_in_use(session.device_id):
        raise DeviceInUse
    device = Device.objects.get(pk=session.device_id)
    for name, value in description.items():
        setattr(device, name, value)
    device.save(update_fields=[*description, "updated_at"])
    if push_token is not None:
        held = _move(session, push_token, device=device)
        on_device.filter(pk__in=[session.pk, session.opened_from_id]).update(device_token=held)
    return _without_users_facts(device, description) if session.is_app_level else device


def _sessions_on(session: Session) -> QuerySet[Session]:
    """Return the open sessions on the device of ``session``, app-level ones and users'."""
    return Session.objects.filter(device=session.device_id, ended_at=None)


def _is_in_use(device_id: str | None) -> bool:
    """Return whether a user is logged in on that device now."""
    of_users = Session.objects.filter(device=device_id, user__isnull=False)
    return live_sessions(of_users, now=database_now()).exists()


def _move(session: Session, push_token: str, *, device: Device) -> DeviceToken | None:
    """Replace the device token of ``session``, which is on ``device``; "" means none. Returns: the new token's row."""
    old_id, user = session.device_token_id, session.user
    # Lock both at once. Otherwise two devices that exchange their tokens could wait for each other.
    lock_device_tokens(Q(pk=old_id) | Q(digest=DeviceToken.digest_of(push_token)))
    held_by = None if user is None else session.pk
    held = attach_device_token(push_token, user=user, held_by=held_by, device=device) if push_token else None
    if old_id is not None and (held is None or held.pk != old_id):
        release_device_token(old_id, user=user, held_by=session.pk, device=device)
    return held


def _without_users_facts(device: Device, given: dict[str, Any]) -> Device:
    """Return the device as an app-level session may see it: without facts that a user gave, such as their location."""
    nothing = Device()
    for name in ("latitude", "longitude", "tag"):
        if name not in given:
            setattr(device, name, getattr(nothing, name))
    return device


def log_out_of_device(session: Session, *, origin: Origin) -> Grant:
    """End a user's session on a device and open an app-level one there: both or neither.

    Raises: SessionEnded, if the session had ended before. Then no session is opened.
    """
    opened, now = uuid7(), session.checked_at
    expires_at = now + settings.APP_SESSION_LIFETIME
    access = AppAccessToken.issue(
        session_id=opened, app_id=session.app_id, user_id=None, issued_at=now, expires_at=expires_at
    )
    log_out_and_open(session, opened, expires_at=expires_at, origin=origin)
    return Grant.of(access)
