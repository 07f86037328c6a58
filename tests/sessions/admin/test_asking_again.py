"""Grave acts of staff ask for the password or a code again, if the last time is long ago."""

from datetime import timedelta

import pytest
from django.db import connection

from sessions.factor import switch_off_factor
from sessions.management.demo_data import make_sessions, make_users
from sessions.models import Session
from sessions.reauthentication import prove_again
from tests.phones import PASSWORD, InProcess, ZapPhone
from tests.second_factor import give_factor
from tests.sessions.staff import app_url, browser_of, confirm, new_staff, open_form, tick, told, user_url
from users.clients import create_app
from users.errors import NotYours
from users.models import App, SecurityEvent, User
from users.second_factor.enabling import has_factor

SECOND = timedelta(seconds=1)
BOX = 'name="proof"'


@pytest.fixture
def olga(clock):
    return new_staff("Operators", name="olga")


@pytest.fixture
def browser(olga):
    """Olga's browser. She logged in just now."""
    return browser_of(olga)


@pytest.fixture
def later(browser, clock, settings):
    """Olga's browser. The log-in is too long ago."""
    clock.shift(settings.REAUTHENTICATION_WINDOW + SECOND)
    return browser


@pytest.fixture
def ann(clock):
    return ZapPhone(InProcess()).sign_up("ann")


def disable(browser, phone, **typed):
    return browser.post(user_url(phone.user_id, "disable"), {"note": "Fraud, ticket 12", **typed}, follow=True)


def is_disabled(phone):
    return not User.objects.get(pk=phone.user_id).is_active


def text_of(page):
    return page.content.decode()


# --- disable an account -------------------------------------------------------------------------


def test_soon_after_the_log_in_nothing_is_asked_for(browser, ann, clock, settings):
    clock.shift(settings.REAUTHENTICATION_WINDOW)
    assert BOX not in text_of(browser.get(user_url(ann.user_id, "disable")))
    disable(browser, ann)
    assert is_disabled(ann)


def test_later_an_account_is_disabled_only_with_the_password(later, ann):
    assert BOX in text_of(later.get(user_url(ann.user_id, "disable")))
    for typed in ({}, {"proof": ""}, {"proof": "wrong-pass-1"}, {"proof": "123456"}):
        page = disable(later, ann, **typed)
        assert 'aria-describedby="id_proof_helptext id_proof_error"' in text_of(page)
        assert 'id="id_proof_error"' in text_of(page)
        assert "Fraud, ticket 12</textarea>" in text_of(page)
        assert not is_disabled(ann)
        assert ann.me().status == 200
    assert "This is not your password." in text_of(page)
    disable(later, ann, proof=PASSWORD)
    assert is_disabled(ann)
    assert ann.me().status == 401


def test_a_right_password_counts_for_the_next_acts_too(later, ann, olga, clock, settings):
    disable(later, ann, proof=PASSWORD)
    ben = ZapPhone(InProcess()).sign_up("ben")
    assert BOX not in text_of(later.get(user_url(ben.user_id, "disable")))
    clock.shift(settings.REAUTHENTICATION_WINDOW + SECOND)
    assert BOX in text_of(later.get(user_url(ben.user_id, "disable")))


def test_a_wrong_password_renews_nothing_and_counts_as_a_failed_log_in(later, ann, olga, settings):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"login": (3, 900), "login_known": (3, 900)}
    before = Session.objects.get(user=olga).authenticated_at
    for _ in range(3):
        disable(later, ann, proof="wrong-pass-1")
    assert "Too many attempts. Try again in 15 min." in text_of(disable(later, ann, proof=PASSWORD))
    assert not is_disabled(ann)
    assert Session.objects.get(user=olga).authenticated_at == before
    assert ZapPhone(InProcess()).log_in("olga").status == 429


def test_staff_with_a_factor_may_give_a_code_and_each_code_works_once(later, ann, olga, clock, settings):
    app, codes = give_factor(olga.pk)
    assert "or a code from your app" in text_of(later.get(user_url(ann.user_id, "disable")))
    for wrong in (app.wrong_code(), codes[0]):  # recovery codes are for log-ins
        assert "neither your password nor a code" in text_of(disable(later, ann, proof=wrong))
    code = app.code()
    disable(later, ann, proof=f"{code[:3]} {code[3:]}")
    assert is_disabled(ann)
    clock.shift(settings.REAUTHENTICATION_WINDOW + SECOND)
    ben = ZapPhone(InProcess()).sign_up("ben")
    disable(later, ben, proof=code)
    assert not is_disabled(ben)
    disable(later, ben, proof=PASSWORD)
    assert is_disabled(ben)


def test_the_form_of_a_user_disables_nobody_without_it_either(later, ann):
    url = user_url(ann.user_id)
    form = {name: value for name, value in open_form(later, url).items() if name != "is_active"}
    assert "Type your password to change this" in text_of(later.post(url, form))
    assert not is_disabled(ann)
    assert later.post(url, form | {"your_password": PASSWORD}).status_code == 302
    assert is_disabled(ann)


# --- bulk orders --------------------------------------------------------------------------------


@pytest.fixture
def many(clock, settings):
    for batch in (make_users(10), make_sessions(40, users=10)):
        list(batch)
    settings.BULK_CONFIRM_OVER = 20


def live():
    return Session.objects.filter(ended_at=None, app__kind=App.Kind.CLIENT).count()


def ask(browser):
    ids = [str(pk) for pk in Session.objects.filter(app__kind=App.Kind.CLIENT).values_list("pk", flat=True)]
    return tick(browser, "log_out", ids)


def test_a_large_order_needs_a_recent_password_and_keeps_what_was_typed(many, later):
    question = ask(later)
    assert BOX in text_of(question)
    before = live()
    for typed in ({}, {"proof": "wrong-pass-1"}):
        page = confirm(later, question, note="Tokens leaked", typed="40", **typed)
        assert "Tokens leaked</textarea>" in text_of(page)
        assert 'value="40"' in text_of(page)
        assert live() == before == 40
    confirm(later, question, note="Tokens leaked", typed="40", proof=PASSWORD)
    assert live() == 0


def test_a_small_order_never_needs_one(many, later, settings):
    settings.BULK_CONFIRM_OVER = 40
    question = ask(later)
    assert BOX not in text_of(question)
    confirm(later, question, note="Tokens leaked")
    assert live() == 0


def test_a_code_is_not_used_up_by_a_form_with_another_mistake(many, later, olga):
    app, _ = give_factor(olga.pk)
    question = ask(later)
    confirm(later, question, note="Tokens leaked", typed="41", proof=app.code())
    assert live() == 40
    assert BOX in text_of(ask(later))  # it does not count, either
    confirm(later, question, note="Tokens leaked", typed="40", proof=app.code())
    assert live() == 0


# --- another user's factor ----------------------------------------------------------------------


@pytest.fixture
def secured(ann):
    give_factor(ann.user_id)
    User.objects.filter(pk=ann.user_id).update(email="ann@example.org")
    return ann


def switch_off(browser, user_id, **typed):
    return browser.post(user_url(user_id, "factor_off"), {"note": "Phone lost, ticket 9", **typed}, follow=True)


def test_staff_switch_a_users_factor_off_with_a_reason_on_record_and_the_user_is_told(
    browser, secured, olga, mailoutbox, django_capture_on_commit_callbacks
):
    page = browser.get(user_url(secured.user_id))
    assert user_url(secured.user_id, "factor_off") in text_of(page)
    assert "This field is required" in text_of(switch_off(browser, secured.user_id, note=""))
    with django_capture_on_commit_callbacks(execute=True):
        page = switch_off(browser, secured.user_id)
    assert "The second factor of ann is off." in told(page)
    assert secured.me().status == 200  # the sessions go on
    assert secured.log_in("ann").status == 200
    entry = SecurityEvent.objects.get(event="factor_disabled")
    assert (entry.user_id, entry.actor_id, entry.ip) == (secured.user_id, olga.pk, "127.0.0.1")
    assert entry.details == {"note": "Phone lost, ticket 9", "sessions_ended": False}
    (mail,) = mailoutbox
    assert (mail.to, "our staff changed" in mail.body) == (["ann@example.org"], True)
    assert "has no second factor" in told(switch_off(browser, secured.user_id))


def test_later_it_needs_the_password(later, secured):
    switch_off(later, secured.user_id)
    assert has_factor(User.objects.get(pk=secured.user_id))
    switch_off(later, secured.user_id, proof=PASSWORD)
    assert not has_factor(User.objects.get(pk=secured.user_id))


def test_who_may_switch_whose_factor_off(secured, olga):
    boss, other, sven = new_staff(name="boss"), new_staff(name="other"), new_staff("Support", name="sven")
    staff = {user.username: browser_of(user) for user in (boss, olga, sven)}
    users = {user.username: user for user in (boss, other, olga, User.objects.get(username="ann"))}
    for user in users.values():
        if not has_factor(user):
            give_factor(user.pk)
    answers = {
        (who, whose): browser.get(user_url(user.pk, "factor_off")).status_code == 200
        for who, browser in staff.items()
        for whose, user in users.items()
    }
    allowed = {pair for pair, may in answers.items() if may}
    assert allowed == {("boss", "other"), ("boss", "olga"), ("boss", "ann"), ("olga", "ann")}
    for who, whose in answers.keys() - allowed:
        assert staff[who].post(user_url(users[whose].pk, "factor_off"), {"note": "x"}).status_code == 403
        with pytest.raises(NotYours):
            switch_off_factor(users[whose], actor=User.objects.get(username=who))
    assert all(has_factor(User.objects.get(pk=user.pk)) for user in users.values())


@pytest.mark.django_db(transaction=True)
def test_the_password_in_a_users_form_is_checked_before_the_transaction_that_saves(later, ann, monkeypatch):
    """A rollback would undo the count of the attempt, and make a used code valid again."""
    seen = []

    def check(session, typed, *, origin):
        seen.append(connection.in_atomic_block)
        prove_again(session, typed, origin=origin)

    monkeypatch.setattr("sessions.admin.guarded_form.prove_again", check)
    fields = open_form(later, user_url(ann.user_id, "change")) | {"username": "anna", "your_password": PASSWORD}
    later.post(user_url(ann.user_id, "change"), fields)
    assert User.objects.get(pk=ann.user_id).username == "anna"
    assert seen == [False]


# --- what a service may do ----------------------------------------------------------------------


def test_a_service_gets_access_only_with_a_recent_password(clock, settings):
    app = create_app("Gateway").app
    boss = browser_of(new_staff(name="boss"))
    url = app_url(app)
    assert 'name="your_password"' not in text_of(boss.get(url))
    clock.shift(settings.REAUTHENTICATION_WINDOW + SECOND)
    assert 'name="your_password"' in text_of(boss.get(url))
    form = open_form(boss, url) | {"push_access": "all"}
    for typed, said in (({}, "Type your password to change this"), ({"your_password": "wrong"}, "not your password")):
        page = boss.post(url, form | typed)
        assert said in text_of(page)
        assert App.objects.get(pk=app.pk).push_access == "none"
    assert boss.post(url, form | {"your_password": PASSWORD}).status_code == 302
    assert App.objects.get(pk=app.pk).push_access == "all"


def test_other_fields_of_an_app_need_no_password(clock, settings):
    app = create_app("Gateway").app
    boss = browser_of(new_staff(name="boss"))
    clock.shift(settings.REAUTHENTICATION_WINDOW + SECOND)
    url = app_url(app)
    assert boss.post(url, open_form(boss, url) | {"sessions_per_user": "3"}).status_code == 302
    assert App.objects.get(pk=app.pk).sessions_per_user == 3
