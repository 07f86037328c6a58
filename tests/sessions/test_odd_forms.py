"""Odd values in every form and query of the admin and of the account page: no page fails. No failure logs a secret."""

import re
from collections.abc import Iterator
from copy import deepcopy
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote_from_bytes

import pytest
from django.contrib.auth.models import Group
from django.db import transaction
from django.forms import BaseForm
from django.template import Template
from django.test import Client
from django.urls import URLResolver, get_resolver

from sessions.account.not_me import _SALT
from sessions.models import Session
from sessions.signed import sign
from tests.log_secrets import WATCH
from tests.phones import PASSWORD, BuddyPhone, InProcess
from tests.sessions.staff import new_staff
from users.models import App, Device, DeviceToken, SecurityEvent, User
from users.one_use_links import Purpose, make_link

ODD = [
    "a\0b",
    "\udcff\ud800",  # lone surrogates
    "\u202e\u0645\u0631\u062d\u0628\u0627\u200f",  # from right to left
    "e" + "\u0301" * 5000,  # combining marks
    "1" + "0" * 30,
    "-" + "9" * 20,
    "9999-12-31T23:59:59.999999-12:00",
    "NaN",
    "<script>'\"&%s{{x}}%00",
]
# Fields that a page reads although it may not show them.
ALSO_READ = ["next", "token", "note", "typed", "proof", "code", "action", "select_across", "index", "format", "_popup"]
IN_QUERIES = ["next", "q", "p", "o", "page", "after", "before", "at", "further", "older", "newer", "kind", "ended_page"]
MODELS = {model._meta.model_name: model for model in (App, Device, DeviceToken, Group, SecurityEvent, Session, User)}
# The log-out, a script of Django's, and redirects, which have no name.
LEFT_OUT = ("logout", "jsi18n", None)
TYPED = "what-somebody-typed-7"


def routes(resolver: URLResolver, before: str = "") -> Iterator[str]:
    for each in resolver.url_patterns:
        path = before + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from routes(each, path)
        elif each.name not in LEFT_OUT and path.startswith(("admin/", "account/")) and "^" not in path:
            yield path


ROUTES = sorted({*routes(get_resolver())})


class _Fields(HTMLParser):
    """Collects the names of all fields of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("input", "textarea", "select", "button") and (name := dict(attrs).get("name")):
            self.names.append(name)


def fields_of(page: Any) -> list[str]:
    fields = _Fields()
    if "text/html" in page.headers.get("Content-Type", "") and not page.streaming:
        fields.feed(page.content.decode())
    return list(dict.fromkeys([*fields.names, *ALSO_READ]))


def encoded(fields: list[tuple[str, str]]) -> str:
    """Return a form as bytes in percents. A browser can't send lone surrogates, but a script can."""

    def plain(text: str) -> str:
        return quote_from_bytes(text.encode(errors="surrogatepass"))

    return "&".join(f"{plain(name)}={plain(value)}" for name, value in fields)


class Staff:
    """A superuser's browser, which is logged in to the admin and to the account page."""

    def __init__(self) -> None:
        new_staff(name="boss")
        self.phone = BuddyPhone(InProcess(), device_token="push").sign_up("ann")
        self.client = Client(raise_request_exception=False)
        for page in ("/admin/", "/account/"):
            self.client.post(f"{page}login/", {"username": "boss", "password": PASSWORD, "next": page})
        self.cookies = deepcopy(self.client.cookies)

    def address(self, route: str) -> str:
        """Return an address of that route, with ids of rows that there are."""
        ann = User.objects.get(pk=self.phone.user_id)
        model = MODELS.get(route.split("/")[2] if route.count("/") > 2 else "")
        found = model.objects.order_by("pk").first() if model else None
        state = {"user": ann.pk, "ended": 1, "mailed": True, "replaced": False, "address": "", "locked_out": False}
        values = {
            **dict.fromkeys(("user_id", "id"), ann.pk),
            "app_id": self.phone.app_id,
            "session_id": Session.objects.filter(user=ann).latest("pk").pk,
            "run_id": "01a2028c-23da-7ffb-a8b3-d763e0b87c3f",
            "token": make_link(ann, purpose=Purpose.NOT_ME, address=ann.email or ""),
            "state": sign(state, salt=_SALT),
            "app_label": "users",
            "model_name": "user",
            "content_type_id": 1,
            "object_id": found.pk if found else 1,
        }
        return "/" + re.sub(r"<(?:\w+:)?(\w+)>", lambda match: str(values[match[1]]), route)

    def send(self, how: str, url: str, fields: list[tuple[str, str]]) -> int:
        """Send the fields and undo what they have done. Returns the status of the answer."""
        self.client.cookies = deepcopy(self.cookies)
        with transaction.atomic():
            if how == "GET":
                answer = self.client.get(f"{url}?{encoded(fields)}")
            else:
                answer = self.client.post(url, encoded(fields), content_type="application/x-www-form-urlencoded")
            if answer.streaming:
                answer.getvalue()
            transaction.set_rollback(True)
        return int(answer.status_code)


@pytest.fixture
def staff(db, settings):
    settings.THROTTLING = False
    return Staff()


def odd(names: list[str], turn: int) -> list[tuple[str, str]]:
    """Return each name with an odd value: in each turn with another one, and each third name twice."""
    pairs = [(name, ODD[(turn + place) % len(ODD)]) for place, name in enumerate(names)]
    return pairs + [(name, "x") for name in names[turn % 3 :: 3]]


@pytest.mark.parametrize("part", ["account/", "admin/users/", "admin/user_sessions/", "admin/auth/", "admin/"])
def test_no_odd_value_is_an_error_of_ours(staff, part, subtests):
    others = [each for each in ("admin/users/", "admin/user_sessions/", "admin/auth/") if part == "admin/"]
    for route in ROUTES:
        if not route.startswith(part) or route.startswith(tuple(others)):
            continue
        with subtests.test(route):
            url = staff.address(route)
            staff.client.cookies = deepcopy(staff.cookies)
            names = fields_of(staff.client.get(url))
            assert staff.send("GET", url, odd(IN_QUERIES, len(names))) < 500
            for turn in (0, 4):
                assert staff.send("POST", url, odd(names, turn)) < 500


def test_a_body_of_a_megabyte_is_refused(staff):
    for route in ("account/password/", "admin/explain/", "admin/users/user/add/"):
        assert staff.send("POST", f"/{route}", [("password", "x" * 2**20)]) in (400, 413)


class Forced(Exception):
    """The error of a page, which the test has made."""


@pytest.fixture
def failing(monkeypatch):
    """Make each page fail once: after its form has read what was typed, or else while it makes its answer."""
    armed = [False]

    def fail_once() -> None:
        if armed[0]:
            armed[0] = False
            raise Forced("by the test")

    clean, render = BaseForm.full_clean, Template.render
    monkeypatch.setattr(BaseForm, "full_clean", lambda form: (clean(form), fail_once())[0])
    monkeypatch.setattr(Template, "render", lambda self, context: (fail_once(), render(self, context))[1])

    def arm() -> None:
        armed[0] = True

    return arm


@pytest.mark.parametrize("part", ["account/", "admin/"])
def test_a_page_that_fails_logs_nothing_that_was_typed(staff, failing, part, caplog):
    WATCH.remember(TYPED)
    failed = 0
    for route in ROUTES:
        if not route.startswith(part):
            continue
        url = staff.address(route)
        staff.client.cookies = deepcopy(staff.cookies)
        names = fields_of(staff.client.get(url))
        for how in ("GET", "POST"):
            failing()
            failed += staff.send(how, f"{url}", [(name, TYPED) for name in names]) == 500
    assert failed > (15 if part == "account/" else 40)
    assert "Forced" in caplog.text
    WATCH.check()
