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
    contexts = {template: (subject, context) for template, subject, context in samples().values()}
    link = {"link": "https://auth.example.org/", "days": 7}
    for name in sorted(file.name for file in folder.iterdir() if file.is_file() and not file.name.startswith(".")):
        template = name.removesuffix(_SUBJECT).removesuffix(".txt").removesuffix(".html")
        if template in contexts or (OURS / f"{template}.txt").is_file():
            subject, context = contexts.get(template, ("A subject", link))
            known = {"service": settings.SERVICE_NAME, "subject": subject, **colors(), **context}
            try:
                render_theirs(name, known)
            except TemplateUnusable as error:
                yield name, str(error)
        elif not (OURS / name).is_file():
            yield name, "no template of ours has this name"
