"""Make the subject, the text and the HTML of a mail from templates. An operator can replace each of ours.

MAIL_TEMPLATES names a folder with the operator's templates. They have the names of ours, in
`sessions/templates/user_sessions/mail`. A mail must not be lost because of a broken template: if one can't be used, the
mail gets our text, and the log says why.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.template import Context, Engine, TemplateDoesNotExist, TemplateSyntaxError

logger = logging.getLogger("zapauth.mail")

OURS = Path(__file__).resolve().parent / "templates" / "user_sessions" / "mail"
_LINK_NOT_NEEDED = {"new_staff"}  # its link leads to the admin, which staff find anyway
_DEFAULT_COLOR = "#155dfc"


@dataclass(frozen=True)
class Rendered:
    """A mail that is ready to be sent."""

    subject: str
    text: str
    html: str


class TemplateUnusable(Exception):
    """A template of the operator's can't be used. The text says why, and has nothing of the mail."""


def render(template: str, subject: str, context: Mapping[str, Any]) -> Rendered:
    """Return the mail ``template``.

    Args: subject: ours. The operator may have another one, in the file `<template>.subject.txt`.
    """
    known = {"service": settings.SERVICE_NAME, **colors(), **context, "subject": subject}
    own_subject = f"{template}.subject.txt"
    if settings.MAIL_TEMPLATES and (settings.MAIL_TEMPLATES / own_subject).is_file():
        subject = _theirs(own_subject, known) or subject
    # A line break in a subject would begin another header.
    known["subject"] = subject = " ".join(subject.split())
    return Rendered(subject, _render(f"{template}.txt", known), _render(f"{template}.html", known))


def render_theirs(name: str, context: Mapping[str, Any]) -> str:
    """Return the template ``name`` with the operator's files before ours. Raises: TemplateUnusable."""
    try:
        engine = _engine(*filter(None, [settings.MAIL_TEMPLATES]), OURS)
        text = engine.get_template(name).render(_context(name, context))
    except (TemplateSyntaxError, TemplateDoesNotExist) as error:
        raise TemplateUnusable(f"{type(error).__name__}: {error}") from None  # this error quotes the template only
    except Exception as error:
        raise TemplateUnusable(type(error).__name__) from None  # its text may quote a code
    if not text.strip():
        raise TemplateUnusable("it is empty")
    if ".subject." not in name:
        _check_shown(name, text, context)
    return text


def _check_shown(name: str, text: str, context: Mapping[str, Any]) -> None:
    """Check that a mail shows its code and its link. Without them it would be of no use, or lack its one safe answer.

    Raises: TemplateUnusable.
    """
    for variable in ("code", "link"):
        value = context.get(variable)
        is_needed = variable == "code" or Path(name).stem not in _LINK_NOT_NEEDED
        if value and is_needed and value not in text:
            raise TemplateUnusable(f"it does not show {{{{ {variable} }}}}")


def _render(name: str, context: Mapping[str, Any]) -> str:
    return (_theirs(name, context) if settings.MAIL_TEMPLATES else "") or _ours(name, context)


def _theirs(name: str, context: Mapping[str, Any]) -> str:
    """Return the operator's template, or an empty text if it can't be used."""
    try:
        return render_theirs(name, context)
    except TemplateUnusable as error:
        logger.error("MAIL_TEMPLATES: %s can't be used, so a mail has our text instead: %s", name, error)
        return ""


def _ours(name: str, context: Mapping[str, Any]) -> str:
    return _engine(OURS).get_template(name).render(_context(name, context))


def _context(name: str, context: Mapping[str, Any]) -> Context:
    return Context(context, autoescape=name.endswith(".html"))


def _engine(*folders: Path) -> Engine:
    # Not Django's own engine: its cache would keep the operator's file as it was at the first mail.
    loaders = [("django.template.loaders.filesystem.Loader", folders)]
    return Engine(loaders=loaders)


def colors() -> dict[str, str]:
    """Return the service's color, and a color for text on it: black or white, whichever is easier to read."""
    color = getattr(settings, "SERVICE_COLOR", _DEFAULT_COLOR)
    red, green, blue = (_linear(int(color[start : start + 2], 16) / 255) for start in (1, 3, 5))
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue  # WCAG 2.2, "relative luminance"
    # The contrast with white is 1.05 / (luminance + 0.05), and with black (luminance + 0.05) / 0.05.
    return {"color": color, "on_color": "#ffffff" if (luminance + 0.05) ** 2 < 1.05 * 0.05 else "#000000"}


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)
