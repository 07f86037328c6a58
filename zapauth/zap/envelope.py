"""The shape of every ZAP answer, and of what stands in it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from django.http import HttpResponse

from sessions.models import Session
from sessions.tokens.grant import Grant
from users.models import User
from zapauth.dialect import json_response

CONTENT_TYPE = "application/json; charset=utf-8"


def success(data: Any, *, status: int = 200) -> HttpResponse:
    """`{"success": true, "data": …}`."""
    return json_response({"success": True, "data": data}, status=status, content_type=CONTENT_TYPE)


def failure(
    *,
    status: int,
    code: str,
    message: str,
    errors: Mapping[str, Sequence[str]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    """`{"success": false, "message", "code"}`, with `errors` where fields are at fault."""
    body: dict[str, Any] = {"success": False, "message": message, "code": code}
    if errors:
        body["errors"] = errors
    return json_response(body, status=status, content_type=CONTENT_TYPE, headers=headers)


def time_json(moment: datetime | None) -> str | None:
    """ISO 8601, UTC, milliseconds: `2023-02-27T16:57:05.913Z`."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def user_json(user: User) -> dict[str, Any]:
    """A user as ZAP's clients know one. A wire format: add, never rename."""
    shown = {
        "id": user.pk,
        "name": user.get_full_name(),
        "username": user.username,
        "email": user.latest_email,
        "phoneNumber": user.phone_number,
        "roleId": user.role_id,
        "iPAddress": user.ip_addresses,
        "emailVerified": user.is_latest_email_verified,
        "createdAt": time_json(user.created_at),
        "updatedAt": time_json(user.updated_at),
    }
    return shown | ({"deletedAt": time_json(user.deleted_at)} if user.deleted_at else {})


def own_user_json(user: User) -> dict[str, Any]:
    """The caller's own user, with what only they are told. A wire format: add, never rename."""
    # No second factor can be enabled yet; its secret is never told.
    two_fa = {"secret": "", "enabled": False}
    return user_json(user) | {"twoFA": two_fa, "userAgent": user.user_agents}


def login_json(user: User, grant: Grant) -> dict[str, Any]:
    """What `data` holds after a login: a whole answer again, for the clients that read `data.data.id`.

    The clients of an older page read five fields of the user next to the token. A wire format: add, never rename.
    """
    shown = user_json(user)
    beside_token = {name: shown[name] for name in ("id", "name", "email", "createdAt", "updatedAt")}
    tokens = {"token": grant.access_token, "refreshToken": grant.refresh_token}
    return {"success": True, "data": shown, **tokens, **beside_token}


def session_json(session: Session, *, current: Session) -> dict[str, Any]:
    """A session as its user sees it; ``current`` is the caller's own. A wire format: add, never rename."""
    device, push = session.device, session.device_token
    return {
        "id": str(session.pk),
        "current": session.pk == current.pk,
        "app": session.app.name,
        "platform": session.platform or None,
        "device": device
        and {
            "id": device.pk,
            "platform": device.platform,
            "model": device.model,
            "osVersion": device.os_version,
            "appVersion": device.app_version,
        },
        "hasDeviceToken": push is not None and push.user_id == session.user_id,
        "iPAddress": session.ip,
        "userAgent": session.user_agent,
        "createdAt": time_json(session.created_at),
        "lastSeenAt": time_json(session.last_seen_at),
        "expiresAt": time_json(session.expires_at),
    }
