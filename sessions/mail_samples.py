"""A made-up mail of each kind: to check an operator's templates, and to look at ours."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings

from sessions.mail import AccountChange
from sessions.mail_templates import OURS, Rendered, TemplateUnusable, colors, render, render_theirs
from sessions.models import Judgement, Session
from users.models import App, User

_AT = datetime(2026, 3, 1, 12, 34, tzinfo=UTC)
_SUBJECT = ".subject.txt"


def samples() -> dict[str, tuple[str, str, dict[str, Any]]]:
    """Return the template, the subject and the context of each sample, by a name of its own."""
    service = settings.SERVICE_NAME
    link = {"link": f"{settings.PUBLIC_URL or 'https://auth.example.org'}/account/not-me/{'x' * 43}/", "days": 7}
    code = {"code": "3f9a 1c07 b2e4", "minutes": 10, "has_password": True}
    where = {"city": "Berlin", "country_name": "Germany"}
    session = Session(app=App(name="Shop"), user=User(), ip="192.0.2.17", authenticated_at=_AT, **where)
    session.judgement = Judgement.NEW_COUNTRY
    log_in = {"session": session, "system": "iOS", "is_new_device": True}
    changed = {"at": _AT, "ip": "192.0.2.17", "location": "Berlin, Germany", "by_staff": False, "is_locked_out": False}
    password = changed | {"changes": [AccountChange.PASSWORD], "still_works": True}
    email = changed | {"changes": [AccountChange.EMAIL], "still_works": False, "by_staff": True}
    invited = link | {"link": f"{settings.PUBLIC_URL or 'https://auth.example.org'}/account/invitation/{'x' * 43}/"}
    return {
        "invitation": ("invitation", f"You are invited to the staff of {service}", invited),
        "new_staff": (
            "new_staff",
            f"You belong to the staff of {service} now",
            {"link": "https://auth.example.org/admin/"},
        ),
        "reset_code": ("reset_code", f"Your {service} reset code", code),
        "email_code": ("email_code", f"Verify your email for {service}", code),
        "login": ("login", f"New log-in to your {service} account from Berlin, Germany", log_in | link),
        "password": ("account_changed", f"The password of your {service} account was changed", password | link),
        "email": ("account_changed", f"The email of your {service} account was changed", email | link),
    }


def render_samples() -> dict[str, Rendered]:
    """Return each sample as it would be sent."""
    return {name: render(*sample) for name, sample in samples().items()}


def unusable_templates(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the name of each file in ``folder`` that no mail can use, and why."""
    names = sorted(file.name for file in folder.iterdir() if file.is_file() and not file.name.startswith("."))
    parts = [name for name in names if (OURS / name).is_file() and not _contexts(name)]
    for name in names:
        if contexts := _contexts(name):
            if problem := _problem(name, contexts):
                yield name, problem
        elif name not in parts:
            yield name, "no template of ours has this name"
    # Each mail of ours that uses the parts. If it fails, then because of one of them.
    whole = sorted({f"{template}.html" for template, _, _ in samples().values()} - set(names)) if parts else []
    for name in whole:
        if problem := _problem(name, _contexts(name)):
            yield " or ".join(parts), f"with it, {name} fails: {problem}"
            return


def _contexts(name: str) -> list[dict[str, Any]]:
    """Return the contexts of the made-up mails that have the template ``name``. A part of mails has none."""
    template = name.removesuffix(_SUBJECT).removesuffix(".txt").removesuffix(".html")
    frame = {"service": settings.SERVICE_NAME, **colors()}
    found = [
        frame | context | {"subject": subject} for each, subject, context in samples().values() if each == template
    ]
    if not found and (OURS / f"{template}.txt").is_file():
        found = [{**frame, "subject": "A subject", "link": "https://auth.example.org/", "days": 7}]
    return found


def _problem(name: str, contexts: list[dict[str, Any]]) -> str:
    """Return why a mail can't use the operator's template, or an empty text."""
    try:
        for context in contexts:
            render_theirs(name, context)
    except TemplateUnusable as error:
        return str(error)
    return ""
