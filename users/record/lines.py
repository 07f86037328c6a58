"""Lines for the admin's lists of entries: what happened, who ordered it, from where, and the details."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.urls import reverse

from users.models import RefusedLogin, SecurityEvent
from users.record.events import Event, Outcome

# What a line says about an entry without an actor: these events need no log-in.
_BY_A_STRANGER = {Event.RESET_ASKED}
# Details whose values are names in the code, such as `wrong_password`.
_CODES = ("reason", "judgement", "allowance", "format")
_NAMES = {
    "allowance": "limit used up",
    "judgement": "unusual",
    "mailed": "code mailed",
    "expected": "sessions",
    "ended": "sessions ended",
    "previous_works_until": "previous key works until",
    "count": "sessions",
}
# Details that a line leaves out. The page of the entry shows them.
_ON_ITS_PAGE = ("run", "filters", "group", "session", "by_app", "by_app_id")


@dataclass(frozen=True)
class Fact:
    """A detail of a line: its name, and either a text, or the old and the new value."""

    name: str
    text: str = ""
    old: str | None = None
    new: str | None = None

    def __str__(self) -> str:
        return f"{self.name}: {self.text}" if self.old is None else f"{self.name}: {self.old} → {self.new}"


@dataclass(frozen=True)
class Line:
    """One line of a timeline or of a history. Its texts may come from clients, so templates escape them."""

    at: datetime
    what: str
    who: str  # who ordered it
    url: str  # the page that shows all of it; "" if there is none
    who_url: str = ""
    ip: str | None = None
    place: str = ""
    facts: list[Fact] = field(default_factory=list)
    is_refused: bool = False


def line_of(entry: SecurityEvent) -> Line:
    """Return the line of an entry. It reads `user`, `actor` and `app`, so load them with the entry."""
    facts = [Fact("app", entry.app.name)] if entry.app and "name" not in entry.details else []
    return Line(
        at=entry.at,
        what=what_happened(entry),
        who=who_ordered(entry),
        who_url=page_of_user(entry.actor_id) if entry.actor and entry.actor_id != entry.user_id else "",
        url=reverse("admin:users_securityevent_change", args=[entry.pk]),
        ip=entry.ip,
        facts=[*facts, *facts_of({name: entry.details[name] for name in entry.details if name not in _ON_ITS_PAGE})],
        is_refused=entry.outcome == Outcome.REFUSED,
    )


def what_happened(entry: SecurityEvent) -> str:
    """Return the label of the event, with a capital letter."""
    # A newer version may have written an event that this one does not know.
    label = str(Event(entry.event).label) if entry.event in Event else entry.event.replace("_", " ")
    return label[:1].upper() + label[1:]


def who_ordered(entry: SecurityEvent) -> str:
    """Return who ordered it: `the user`, a name of a person or of an app, `user@host` of a command, or other words."""
    if entry.actor_id is not None:
        if entry.actor_id == entry.user_id:
            return "the user"
        return entry.actor.username if entry.actor else entry.actor_id
    if entry.operator or "by_app" in entry.details:
        return entry.operator or str(entry.details["by_app"])
    is_of_stranger = entry.outcome == Outcome.REFUSED or entry.event in _BY_A_STRANGER
    return "unknown" if is_of_stranger else "the service"


def page_of_user(user_id: str | None) -> str:
    return reverse("admin:users_user_change", args=[user_id]) if user_id else ""


def facts_of(details: dict[str, Any]) -> list[Fact]:
    """Return the details of an entry in words. Empty values are left out."""
    facts = []
    for name, value in details.items():
        if name == "changed" and isinstance(value, dict):
            facts += [fact for each, change in value.items() for fact in _changes(each, change)]
        elif value not in (None, "", [], {}):
            facts.append(Fact(_name(name), _words(value) if name in _CODES else _text(value)))
    return facts


def _changes(name: str, change: Any) -> list[Fact]:
    if not isinstance(change, dict):
        return [Fact(_name(name), _text(change))]
    if "from" in change:
        return [Fact(_name(name), old=_text(change["from"]), new=_text(change.get("to")))]
    return [Fact(f"{_name(name)} {how}", _text(names)) for how, names in change.items()]


def _name(name: str) -> str:
    return _NAMES.get(name) or name.removesuffix("_id").replace("_", " ")


def _words(value: Any) -> str:
    known = value in RefusedLogin.Reason.values
    return str(RefusedLogin.Reason(value).label) if known else _text(value).replace("_", " ")


def _text(value: Any) -> str:
    if value is None or value == "":
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_text(each) for each in value)
    if isinstance(value, dict):
        return "; ".join(f"{_name(name)} {_text(each)}" for name, each in value.items())
    return str(value)
