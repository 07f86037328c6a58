"""The search box of the dashboard, and the page of the people that it has found."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from sessions.admin.confirm import actor_of
from sessions.inspect.people import MOST_SESSIONS, Person, people_at, with_sessions
from sessions.selection.search import key_in, session_in
from users.finding import find_people, terms_of
from users.models import User, is_object_id
from users.permissions import Act, may
from users.phone_numbers import phone_forms
from users.plain_text import spans

# Device tokens are the longest texts that can be found.
LONGEST_SHOWN = 1000


@dataclass(frozen=True)
class Row:
    """A person on the page. The texts have marks where they match."""

    person: Person
    name: SafeString
    username: SafeString
    email: SafeString
    phone: SafeString
    sessions_url: str


def find_view(request: HttpRequest) -> HttpResponse:
    """Show the people that the text finds. If it is clear who is meant, redirect to that user's page."""
    actor = actor_of(request)
    sees_users, sees_sessions = may(actor, Act.SEE_USER), may(actor, Act.SEE_SESSIONS)
    if not (sees_users or sees_sessions):
        raise PermissionDenied
    text = request.GET.get("q", "").strip()
    if not sees_users:
        return HttpResponseRedirect(_list_of_sessions(q=text))
    if is_object_id(text) and User.objects.filter(pk=text).exists():
        return _to_user(text)
    if sees_sessions and text:
        if (session := session_in(text)) is not None:
            return HttpResponseRedirect(reverse("admin:user_sessions_session_change", args=[session]))
        if (key := key_in(text)) is not None:
            return _show_people_at(request, text, key)
    return _show_people_called(request, text, sees_sessions=sees_sessions)


def _show_people_called(request: HttpRequest, text: str, *, sees_sessions: bool) -> HttpResponse:
    found = find_people(text)
    if found.certain is not None:
        return _to_user(found.certain.pk)
    people = with_sessions(found.people) if sees_sessions else [Person(user) for user in found.people]
    rows = [_row(person, text, terms_of(text)) for person in people]
    return _page(request, text, rows, found=found, sees_sessions=sees_sessions)


def _show_people_at(request: HttpRequest, text: str, key: Q) -> HttpResponse:
    """Show the people whose sessions have that address, network, device or device token."""
    at = people_at(key)
    if at.certain is not None:
        return _to_user(at.certain.pk)
    rows = [_row(person, text, None) for person in at.people]
    return _page(request, text, rows, found=at, at=at, sees_sessions=True)


def _page(request: HttpRequest, text: str, rows: list[Row], **shown: Any) -> HttpResponse:
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": "Find",
        "text": text[:LONGEST_SHOWN],
        "rows": rows,
        "most_sessions": MOST_SESSIONS,
        "sessions_url": _list_of_sessions(q=text),
        **shown,
    }
    request.current_app = admin.site.name
    return TemplateResponse(request, "sessions/found.html", context)


def _row(person: Person, text: str, terms: list[str] | None) -> Row:
    """Make the row of a person. With ``terms`` they were found by these, without by their sessions."""
    user, is_called = person.user, terms is not None
    return Row(
        person,
        name=marked(user.get_full_name(), terms or ()),
        username=marked(user.username, terms or ()),
        email=marked(user.email or "", terms or ()),
        phone=_marked_number(user.phone_number or "", text if is_called else ""),
        sessions_url="" if is_called else _list_of_sessions(q=text, user=user.pk),
    )


def marked(text: str, terms: Iterable[str]) -> SafeString:
    """Return ``text`` as HTML, with a mark around each place where one of the ``terms`` is."""
    return _with_marks(text, spans(text, terms))


def _marked_number(number: str, text: str) -> SafeString:
    """Return a phone number with a mark around the digits in which it ends like ``text``."""
    forms = phone_forms(text)
    digits = [place for place, letter in enumerate(number) if letter.isdigit()]
    plain = "".join(number[place] for place in digits)
    endings = (*forms.whole, forms.ending) if forms else ()
    same = max((len(ending) for ending in endings if plain.endswith(ending)), default=0)
    return _with_marks(number, [(digits[-same], len(number))] if same else [])


def _with_marks(text: str, places: list[tuple[int, int]]) -> SafeString:
    parts, at = [], 0
    for start, end in places:
        parts += [(text[at:start], text[start:end])]
        at = end
    return format_html("{}{}", format_html_join("", "{}<mark>{}</mark>", parts), text[at:])


def _to_user(user_id: str) -> HttpResponse:
    return HttpResponseRedirect(reverse("admin:users_user_change", args=[user_id]))


def _list_of_sessions(**narrowed: str) -> str:
    return f"{reverse('admin:user_sessions_session_changelist')}?{urlencode(narrowed)}"
