"""Every act of staff, of an order and of an operator on a user is in the user's history, with who did it and why."""

import re
from types import SimpleNamespace

import pytest
from django.contrib.auth.management.commands import changepassword
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext

from sessions.models import Session
from tests.commands.terminal import manage
from tests.phones import PASSWORD, InProcess, ZapPhone, promote
from tests.second_factor import give_factor
from tests.sessions.staff import (
    LIST,
    browser_of,
    confirm,
    new_staff,
    open_form,
    order_app,
    tick,
    user_url,
)
from users.models import App, User
from users.record.operator import operator_name

WHY = "Ticket 4711"


@pytest.fixture
def its(db):
    """Ann with a phone, and a superuser's browser."""
    phone = ZapPhone(InProcess()).sign_up("ann")
    ann = User.objects.get(pk=phone.user_id)
    User.objects.filter(pk=ann.pk).update(email="ann@example.org")
    boss = browser_of(new_staff(name="boss"))
    return SimpleNamespace(phone=phone, ann=ann, boss=boss, app=App.objects.get(name="ZAP"))


def sessions_of(its):
    return [str(pk) for pk in Session.objects.filter(user=its.ann, ended_at=None).values_list("pk", flat=True)]


def end_one(its):
    (session,) = sessions_of(its)
    its.boss.post(f"{LIST}{session}/end/", {"note": WHY})


def end_ticked(its):
    confirm(its.boss, tick(its.boss, "log_out", sessions_of(its)), note=WHY)


def end_ticked_of_many(its):
    other = ZapPhone(InProcess()).sign_up()
    ids = [str(pk) for pk in Session.objects.filter(user__in=[its.ann.pk, other.user_id]).values_list("pk", flat=True)]
    confirm(its.boss, tick(its.boss, "log_out", ids), note=WHY)


def log_out_everywhere(its):
    confirm(its.boss, tick(its.boss, "log_out_everywhere", sessions_of(its)), note=WHY)


def log_out(its):
    its.boss.post(user_url(its.ann.pk, "log_out"), {"note": WHY})


def disable(its):
    its.boss.post(user_url(its.ann.pk, "disable"), {"note": WHY})


def change(its, **fields):
    form = open_form(its.boss, user_url(its.ann.pk))
    for name, value in fields.items():
        form.pop(name, None)
        form |= {} if value is None else {name: value}
    assert its.boss.post(user_url(its.ann.pk), form).status_code == 302


def disable_by_form(its):
    change(its, is_active=None)


def enable(its):
    User.objects.filter(pk=its.ann.pk).update(is_active=False)
    change(its, is_active="on")


def make_staff(its):
    change(its, is_staff="on", groups=[str(Group.objects.get(name="Support").pk)])


def send_reset(its):
    its.boss.post(user_url(its.ann.pk, "send_reset"), {"note": WHY})


def factor_off(its):
    give_factor(its.ann.pk)
    its.boss.post(user_url(its.ann.pk, "factor_off"), {"note": WHY})


def switch_app_off(its):
    order_app(its.boss, its.app, "switch_off", note=WHY)


def cut_app_off(its):
    order_app(its.boss, its.app, "cut_off", note=WHY)


# By its name: the act, the first line that it leaves in the user's history, and whether the line has the reason.
ACTS = {
    "one session": (end_one, "Sessions were ended", True),
    "the ticked session": (end_ticked, "Sessions were ended", True),
    "sessions of several users": (end_ticked_of_many, "Session ended: logged out by staff", True),
    "everywhere": (log_out_everywhere, "An order to end sessions was given", True),
    "all sessions": (log_out, "An order to end sessions was given", True),
    "disabled": (disable, "The account was disabled", True),
    "disabled by the form": (disable_by_form, "The account was disabled", False),
    "enabled": (enable, "The account was enabled", False),
    "email": (lambda its: change(its, email="new@example.org"), "The email was changed", False),
    "name": (lambda its: change(its, name="Ann Lee"), "The name was changed", False),
    "user name": (lambda its: change(its, username="anna"), "The user name was changed", False),
    "phone number": (lambda its: change(its, phone_number="+4915112345678"), "The phone number was changed", False),
    "role": (lambda its: change(its, role_id="7"), "The role was changed", False),
    "powers": (make_staff, "The groups were changed", False),
    "reset code": (send_reset, "A password reset was asked for", True),
    "factor off": (factor_off, "The second factor was switched off", True),
    "app switched off": (switch_app_off, "Session ended: app switched off", True),
    "app cut off": (cut_app_off, "Session ended: logged out by staff", True),
    "export": (
        lambda its: its.boss.post(user_url(its.ann.pk, "export"), {"format": "csv"}),
        "The record was exported",
        False,
    ),
}
BY_COMMAND = "Session ended: logged out by an operator's command"
COMMANDS = {
    "logout": (("logout --user ann --reason", WHY), "An order to end sessions was given"),
    "logout of one session": (
        ("logout --reason", WHY, "--session"),
        "Session ended: logged out by an operator's command",
    ),
    "logout of an app": (("logout --app ZAP --reason", WHY), BY_COMMAND),
    "second factor off": (("secondfactor off --user ann --reason", WHY), "The second factor was switched off"),
}
# The acts that end sessions.
ENDS = (
    *("one session", "the ticked session", "sessions of several users", "everywhere", "all sessions", "disabled"),
    *("app switched off", "app cut off"),
)


def lines_on(its, page, key, query=""):
    found = its.boss.get(f"{user_url(its.ann.pk, page)}{query}").context
    return [line for name in key for line in found.get(name) or []]


def facts_of(line):
    return " ".join(map(str, line.facts))


@pytest.mark.parametrize("act", ACTS)
def test_an_act_of_staff_is_in_the_users_timeline_and_history(its, act):
    do, what, has_reason = ACTS[act]
    do(its)
    for page, key in (("timeline", ["lines"]), ("history", ["lines", "ended_by_orders"])):
        lines = [line for line in lines_on(its, page, key) if line.what == what]
        assert [line.who for line in lines] == ["boss"], page
        assert lines[0].ip == "127.0.0.1"
        assert (WHY in facts_of(lines[0])) == has_reason, page


@pytest.mark.parametrize("act", ENDS)
def test_an_ended_session_says_why_and_by_whom_wherever_it_is_shown(its, act):
    session = Session.objects.get(user=its.ann)
    ACTS[act][0](its)
    for query in ("", "?kind=orders", "?kind=sessions"):
        (line,) = [
            line for line in lines_on(its, "timeline", ["lines"], query) if line.what.startswith("Session ended")
        ]
        assert (line.who, WHY in facts_of(line)) == ("boss", True), query
    for page in (f"{LIST}{session.pk}/change/", user_url(its.ann.pk)):
        text = its.boss.get(page).content.decode()
        assert WHY in text, page
        assert re.search(r"boss", text), page


@pytest.mark.parametrize("act", COMMANDS)
def test_an_act_of_an_operator_is_in_the_users_timeline_and_history(its, act):
    arguments, what = COMMANDS[act]
    give_factor(its.ann.pk)
    if "--session" in arguments[-1]:
        arguments = (*arguments, *sessions_of(its))
    manage(*arguments)
    for page, key in (("timeline", ["lines"]), ("history", ["lines", "ended_by_orders"])):
        lines = [line for line in lines_on(its, page, key) if line.what == what]
        assert [line.who for line in lines] == [operator_name()], page
        assert WHY in facts_of(lines[0])


def test_a_logout_by_staff_in_the_api_is_in_the_users_timeline_and_history(its):
    sven = promote(ZapPhone(InProcess()).sign_up("sven"), "user_sessions.end_session")
    assert sven.ask("GET", f"/v1/users/logout/{its.ann.pk}").status == 200
    for page, key in (("timeline", ["lines"]), ("history", ["lines", "ended_by_orders"])):
        whats = [line.what for line in lines_on(its, page, key) if line.who == "sven"]
        assert set(whats) == {"Sessions were ended", "Session ended: logged out by staff"}


def test_a_new_password_by_an_operator_is_in_the_users_timeline(its, monkeypatch):
    monkeypatch.setattr(changepassword.getpass, "getpass", lambda **_: f"{PASSWORD}-2")
    manage("changepassword ann")
    (line,) = [line for line in lines_on(its, "timeline", ["lines"]) if line.what == "The password was changed"]
    assert line.who == operator_name()


def test_a_users_page_reads_all_notes_by_one_query(its):
    for number in range(5):
        its.phone.log_in("ann")
        for session in sessions_of(its):
            its.boss.post(f"{LIST}{session}/end/", {"note": f"Note {number}"})
    with CaptureQueriesContext(connection) as queries:
        text = its.boss.get(f"{user_url(its.ann.pk)}").content.decode()
    assert all(f"Note {number}<" in text for number in range(5))
    # One for the list of ended sessions, and one for the timeline below it.
    assert len([query for query in queries if "'sessions_ended'" in query["sql"]]) == 2
