"""The shape of every Buddy answer, and of what stands in it.

A `result` is never null and never a bare list, and what there is no value for is left out:
the Android and .NET clients can't read it otherwise.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse

from sessions.tokens.grant import Grant
from users.models import Device, User
from zapauth.dialect import json_response

CONTENT_TYPE = "application/json"  # to the letter: one client compares it
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def success(request: HttpRequest, result: Any, *, status: int = 200) -> HttpResponse:
    """`{"status", "result", "request_id", "success": true}`."""
    body = {"status": status, "result": result, "request_id": _id(request), "success": True}
    return json_response(body, status=status, content_type=CONTENT_TYPE)


def failure(
    request: HttpRequest,
    *,
    status: int,
    error: str,
    number: int,
    message: str,
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    """`{"status", "error", "errorNumber", "message", "request_id", "success": false}`."""
    body = {
        "status": status,
        "error": error,
        "errorNumber": number,
        "message": message,
        "request_id": _id(request),
        "success": False,
    }
    return json_response(body, status=status, content_type=CONTENT_TYPE, headers=headers)


def _id(request: HttpRequest) -> str:
    request_id: str = request.request_id  # type: ignore[attr-defined]
    return request_id


def time_json(moment: datetime | None) -> str | None:
    """`/Date(1423002218900)/`: milliseconds since 1970, UTC; negative before."""
    return None if moment is None else f"/Date({(moment - _EPOCH) // timedelta(milliseconds=1)})/"


def grant_json(grant: Grant) -> dict[str, Any]:
    return {"accessToken": grant.access_token, "accessTokenExpires": time_json(grant.access_expires_at)}


def user_json(user: User) -> dict[str, Any]:
    """A user as Buddy's clients know one. A wire format: add, never rename."""
    return _present(
        id=user.pk,
        userName=user.username,
        firstName=user.first_name,
        lastName=user.last_name,
        email=user.latest_email,
        gender=user.gender.capitalize(),
        dateOfBirth=time_json(user.date_of_birth),
        lastLogin=time_json(user.last_login),
        created=time_json(user.created_at),
        lastModified=time_json(user.updated_at),
        location=_location(user),
        tag=user.tag,
    )


def device_json(device: Device) -> dict[str, Any]:
    """A device; its push address is a secret, so it is not told. A wire format."""
    return _present(
        id=device.pk,
        uniqueId=device.unique_id,
        platform=device.platform,
        model=device.model,
        osVersion=device.os_version,
        appVersion=device.app_version,
        connectionType=device.connection_type,
        isProduction=device.is_production,
        created=time_json(device.created_at),
        lastModified=time_json(device.updated_at),
        location=_location(device),
        tag=device.tag,
    )


def _location(of: User | Device) -> dict[str, float] | None:
    if of.latitude is None or of.longitude is None:
        return None
    return {"lat": of.latitude, "lng": of.longitude}


def _present(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value not in (None, "")}
