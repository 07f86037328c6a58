"""Describe an entry of the record in one sentence."""

from typing import Any

from users.models import SecurityEvent
from users.record.events import Event

_REASONS = {
    "unknown_user": "unknown user",
    "wrong_password": "wrong password",
    "known_place": "wrong password",
    "disabled": "the account is disabled",
    "code_missing": "the code of the second factor was missing",
    "not_staff": "the user is not staff",
}
_OF_ONE_COLUMN = {
    Event.EMAIL_CHANGED,
    Event.PHONE_CHANGED,
    Event.USERNAME_CHANGED,
    Event.NAME_CHANGED,
    Event.ROLE_CHANGED,
}


def describe(entry: SecurityEvent, *, to_staff: bool) -> str:
    """Return what happened, in one sentence.

    Args: to_staff: whether staff read it. Users are not told which member of staff acted, nor from where.
    """
    who_and_where = _by_whom(entry, to_staff=to_staff) + _from_where(entry, to_staff=to_staff)
    what = f"{_label(entry)}{_from_to(entry)}{who_and_where}{_more(entry)}."
    if to_staff and entry.user is not None:
        return f"{entry.user.username}: {what}"
    return what[:1].upper() + what[1:]


def is_by_another(entry: SecurityEvent) -> bool:
    """Return whether staff or an operator ordered it, and not the user of the account."""
    return bool(entry.operator) or (entry.actor_id is not None and entry.actor_id != entry.user_id)


def _label(entry: SecurityEvent) -> str:
    if entry.event == Event.SESSIONS_ENDED:
        count = entry.details.get("count")
        return "1 session was ended" if count == 1 else f"{count} sessions were ended"
    # A newer version may have written an event that this one doesn't know.
    return str(Event(entry.event).label) if entry.event in Event else entry.event.replace("_", " ")


def _from_to(entry: SecurityEvent) -> str:
    """Return the old and the new value, if the event is about one column only."""
    changed = entry.details.get("changed", {})
    return _values(*changed.values()) if entry.event in _OF_ONE_COLUMN and len(changed) == 1 else ""


def _more(entry: SecurityEvent) -> str:
    details: dict[str, Any] = entry.details
    if reason := _REASONS.get(details.get("reason", "")):
        return f": {reason}"
    parts = [details["name"]] if details.get("name") else []
    if "step" in details:  # of a rotation of the signing keys
        parts += [f"step {details['step']}", *(["forced"] if details.get("forced") else [])]
    if not _from_to(entry):
        parts += [f"{name.replace('_', ' ')}{_values(change)}" for name, change in details.get("changed", {}).items()]
    return f": {'; '.join(parts)}" if parts else ""


def _values(change: dict[str, Any]) -> str:
    if "from" in change:
        return f" from {_shown(change['from'])} to {_shown(change['to'])}"
    return " and".join(f" {how} {', '.join(names)}" for how, names in change.items())


def _shown(value: Any) -> str:
    return {None: "nothing", "": "nothing", True: "yes", False: "no"}.get(value) or str(value)


def _by_whom(entry: SecurityEvent, *, to_staff: bool) -> str:
    if "by_app" in entry.details:
        return f", {entry.details['by_app']}" if to_staff else ""
    if not is_by_another(entry):
        return ""
    if not to_staff:
        return " by our staff"
    return f" by {entry.actor.username if entry.actor else entry.operator or 'somebody'}"


def _from_where(entry: SecurityEvent, *, to_staff: bool) -> str:
    is_theirs = not is_by_another(entry) and "by_app" not in entry.details
    return f", from {entry.ip}" if entry.ip and (to_staff or is_theirs) else ""
