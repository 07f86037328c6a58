"""The words on the admin's pages: one word for one thing, in plain English."""

import re
from html import unescape

import pytest

from sessions.models import BulkRun, EndReason, Session
from tests.phones import BuddyPhone, InProcess, ZapPhone
from tests.sessions.staff import LIST, browser_of, confirm, new_staff, tick, user_url
from users.models import App, Device, DeviceToken, SecurityEvent, User

# Each of these has a plain word in its place.
FORBIDDEN = {
    "With what": "Filters, or the name of the filter",
    "That is": "In total",
    "is meant": "the thing itself",
    "time was over": "reached its longest lifetime",
    "at work": "running",
    "[Ll]ogins?": "log-in",
    "Select .* to (change|view)": "the name of the list",
    # An app's page has "End all sessions".
    "[Ee]nd all(?! sessions)": "Log out everywhere",
    "(kill|terminat|invalidat|revok)(e|ed|es|ing)": "end",
    "changed successfully": "saved",
    "Save and": "Save",
    # The names of columns in the database.
    "(Created|Updated|Deleted) at": "Registered, Updated, Deleted",
    "Os version": "System version",
}


def words_of(page):
    """Return the text of a page as people see it, and its labels for screen readers."""
    html = re.sub(r"<(script|style|svg|select)\b.*?</\1>", " ", page.content.decode(), flags=re.DOTALL)
    labels = " ".join(re.findall(r'(?:aria-label|title|placeholder|alt|data-label)="([^"]*)"', html))
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html) + " " + labels).split())


def bad_words(page):
    shown = words_of(page)
    return [match[0] for pattern in FORBIDDEN for match in re.finditer(rf"\b{pattern}\b", shown)]


@pytest.fixture
def boss(db):
    return browser_of(new_staff(name="boss"))


@pytest.fixture
def ann(db):
    phone = ZapPhone(InProcess(), device_token="push").sign_up("ann")
    BuddyPhone(InProcess()).log_in("ann")
    return User.objects.get(pk=phone.user_id)


def pages(boss, ann):
    first, second = Session.objects.filter(user=ann)
    yield "dashboard", boss.get("/admin/")
    for name in ("user_sessions/session", "users/user", "user_sessions/bulkrun", "users/app", "users/device"):
        yield name, boss.get(f"/admin/{name}/")
    for name in ("users/devicetoken", "users/refusedlogin", "users/securityevent", "auth/group"):
        yield name, boss.get(f"/admin/{name}/")
    yield "user", boss.get(user_url(ann.pk))
    yield "no user yet", boss.get("/admin/users/user/add/")
    for model in (Device, DeviceToken):
        page = boss.get(f"/admin/users/{model._meta.model_name}/{model.objects.first().pk}/change/")
        yield f"a {model._meta.verbose_name}", page
    yield "app", boss.get(f"/admin/users/app/{App.objects.first().pk}/change/")
    for act in ("log_out", "disable", "send_reset"):
        yield act, boss.get(user_url(ann.pk, act))
    question = tick(boss, "log_out_everywhere", [str(first.pk)])
    yield "confirmation", question
    yield "live session", boss.get(f"{LIST}{second.pk}/change/")
    yield "after", confirm(boss, question, note="Ticket 4711")
    yield "ended session", boss.get(f"{LIST}{first.pk}/change/")
    yield "user after", boss.get(user_url(ann.pk))
    yield "timeline", boss.get(user_url(ann.pk, "timeline"))
    yield "entry", boss.get(f"/admin/users/securityevent/{SecurityEvent.objects.latest('pk').pk}/change/")
    for run in BulkRun.objects.all()[:1]:
        yield "run", boss.get(f"/admin/user_sessions/bulkrun/{run.pk}/change/")
    User.objects.filter(pk=ann.pk).update(is_active=False)
    yield "enable", boss.get(user_url(ann.pk, "enable"))
    yield "explain", boss.get("/admin/explain/")
    yield "nothing", boss.get("/admin/nothing/")


def test_no_page_has_a_word_that_has_a_plainer_one(boss, ann):
    found = {name: bad for name, page in pages(boss, ann) if (bad := bad_words(page))}
    assert not found


def test_lists_have_their_plain_names(boss):
    for name, title in (("users/user", "Users"), ("user_sessions/session", "Sessions"), ("users/app", "Apps")):
        assert f"<title> {title} | ZapAuth" in " ".join(boss.get(f"/admin/{name}/").content.decode().split())


def test_a_session_is_opened_and_not_created(boss, ann):
    shown = words_of(boss.get(LIST))
    assert "Opened (UTC)" in shown
    assert "created" not in shown.lower()


def test_a_session_that_is_not_ended_but_no_longer_accepted_is_blocked_and_the_page_says_why(boss, ann):
    session = Session.objects.filter(user=ann).latest("created_at")
    Session.objects.filter(pk=session.pk).update(expires_at=session.created_at)
    assert "Blocked It has not ended yet" in words_of(boss.get(f"{LIST}{session.pk}/change/"))
    assert "blocked" in words_of(boss.get(LIST))
    assert "blocked" in words_of(boss.get(user_url(ann.pk)))


def test_no_reason_of_an_end_begins_with_a_word_that_says_nothing():
    for reason in EndReason:
        assert reason.label[:1].islower()
        assert not reason.label.startswith(("the ", "it ", "its ", "that "))
