"""Write the record of changed columns: what they were and what they are, without secrets."""

from collections.abc import Iterable, Mapping
from typing import Any, Unpack

from users.models.app import App
from users.models.user import User
from users.record.events import Event
from users.record.masking import masked_email, masked_phone
from users.record.writing import JSON, By, record

_EMAIL = ("email", "new_email", "email_verified")
# The events of a user's other columns.
_COLUMNS: dict[Event, tuple[str, ...]] = {
    Event.PHONE_CHANGED: ("phone_number",),
    Event.USERNAME_CHANGED: ("username",),
    Event.NAME_CHANGED: ("name", "first_name", "last_name"),
    Event.ROLE_CHANGED: ("role_id",),
    Event.RIGHTS_CHANGED: ("is_staff", "is_superuser"),
}
_WITHOUT_VALUES = ("gender", "date_of_birth", "tag", "latitude", "longitude")
# Every column whose change is recorded.
RECORDED = (*_EMAIL, *(name for names in _COLUMNS.values() for name in names), "is_active", *_WITHOUT_VALUES)


def record_user_changes(user: User, old: Mapping[str, Any], new: Mapping[str, Any], **by: Unpack[By]) -> None:
    """Write an entry for each kind of change of ``user`` from the columns ``old`` to ``new``.

    Both have at least the columns that changed. The change of an email needs all three columns of `RECORDED` about it.
    """
    changed = {name: (old[name], new[name]) for name in RECORDED if name in new and old[name] != new[name]}
    if "email" in changed or "new_email" in changed:
        _record_email(user, old, new, **by)
    for event, names in _COLUMNS.items():
        if found := {name: _from_to(name, *changed[name]) for name in names if name in changed}:
            record(event, user=user, changed=found, **by)
    if "is_active" in changed:
        record(Event.USER_ENABLED if new["is_active"] else Event.USER_DISABLED, user=user, **by)
    # Apps change these for their own user all the time, such as the location. So only changes by others are recorded.
    fields = [name for name in _WITHOUT_VALUES if name in changed]
    if fields and by.get("actor") != user:
        record(Event.PROFILE_CHANGED, user=user, fields=fields, **by)


def record_app_changes(
    app: App, old: Mapping[str, Any], new: Mapping[str, Any], *, note: str = "", **by: Unpack[By]
) -> None:
    """Write an entry if ``app`` was switched on or off, and one for its other changes from ``old`` to ``new``."""
    changed = {name: _from_to(name, old[name], new[name]) for name in new if old[name] != new[name]}
    if changed.pop("is_active", None):
        switched = Event.APP_SWITCHED_ON if new["is_active"] else Event.APP_SWITCHED_OFF
        record(switched, app=app, name=app.name, **by)
    if changed:
        record(Event.APP_CHANGED, app=app, name=app.name, changed=changed, note=note, **by)


def powers_of(user: User) -> dict[str, list[str]]:
    """Return the names of the groups and permissions of ``user``."""
    permissions = user.user_permissions.values_list("content_type__app_label", "codename")
    return {
        "groups": list(user.groups.values_list("name", flat=True)),
        "user_permissions": [f"{app}.{codename}" for app, codename in permissions],
    }


def record_powers(user: User, old: Mapping[str, list[str]], **by: Unpack[By]) -> None:
    """Write an entry if the groups of ``user`` have changed since they were ``old``, and one for the permissions."""
    new = powers_of(user)
    for name, event in (("groups", Event.GROUPS_CHANGED), ("user_permissions", Event.RIGHTS_CHANGED)):
        if changes := added_and_removed(old[name], new[name]):
            record(event, user=user, changed={name: changes}, **by)


def added_and_removed(old: Iterable[str], new: Iterable[str]) -> dict[str, list[str]]:
    """Return what a list of names gained and lost. Empty: nothing has changed."""
    before, after = set(old), set(new)
    changes = {"added": sorted(after - before), "removed": sorted(before - after)}
    return {name: names for name, names in changes.items() if names}


def _record_email(user: User, old: Mapping[str, Any], new: Mapping[str, Any], **by: Unpack[By]) -> None:
    shown = [masked_email(columns["new_email"] or columns["email"]) for columns in (old, new)]
    changed: dict[str, JSON] = {"email": {"from": shown[0], "to": shown[1]}}
    is_verified = not new["new_email"] and new["email_verified"]
    record(Event.EMAIL_CHANGED, user=user, changed=changed, verified=is_verified, **by)


def _from_to(name: str, old: Any, new: Any) -> JSON:
    return {"from": _shown(name, old), "to": _shown(name, new)}


def _shown(name: str, value: Any) -> JSON:
    if name == "phone_number":
        return masked_phone(value)
    return value if value is None or isinstance(value, bool | int | str) else str(value)
