"""People change their password, and set a new one when they have forgotten it."""

import pytest
from django.test import Client

from sessions.models import EndReason, Session
from tests.phones import PASSWORD, reset_code_in, work_of, wrong_code
from tests.second_factor import give_factor
from tests.sessions.account.people import (
    FORGOTTEN,
    HOME,
    NEW,
    browser_of,
    copy_of,
    is_in,
    live,
    log_in,
    text_of,
    user,
)
from users.models import SecurityEvent, User

URL, CODE = f"{HOME}password/", f"{FORGOTTEN}code/"


def change(browser, old=PASSWORD, new=NEW, again=None, **options):
    typed = {"old_password": old, "new_password1": new, "new_password2": new if again is None else again}
    return browser.post(URL, typed, **options)


def test_a_changed_password_ends_all_other_sessions_and_keeps_this_browser(browser, ann):
    copy, other = copy_of(browser), browser_of("ann")
    page = change(browser, follow=True)
    assert "Your password is changed. All your other sessions have ended." in text_of(page)
    assert (is_in(browser), is_in(copy), is_in(other)) == (True, False, False)
    assert (ann.me().status, ann.refresh().status) == (401, 401)
    assert set(Session.objects.exclude(ended_at=None).values_list("end_reason", flat=True)) == {
        EndReason.PASSWORD_CHANGED
    }
    assert SecurityEvent.objects.filter(event="password_changed", user=user("ann"), actor=user("ann")).count() == 1
    assert log_in(Client(), "ann", NEW).status_code == 302
    assert log_in(Client(), "ann", PASSWORD).status_code == 200


def test_a_changed_password_is_told_by_mail(browser, mailoutbox, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        change(browser)
    assert [mail.to for mail in mailoutbox] == [["ann@example.org"]]


@pytest.mark.parametrize(
    ("typed", "error"),
    [
        ({"old": "wrong-pass-1"}, "This is not your current password."),
        ({"again": "another-pass-3"}, "The two new passwords differ."),
        ({"new": "short"}, "This password is too short. It must contain at least 8 characters."),
        ({"new": "password123"}, "This password is too common."),
        ({"new": "ann@example.org"}, "The password is too similar to the email."),
        ({"new": ""}, "This field is required."),
        ({"new": "p" * 5000}, "at most 4096 characters"),
        ({"new": "nul\0-pass-1"}, "Null characters are not allowed."),
    ],
)
def test_a_password_that_is_refused_is_told_why_and_changes_nothing(browser, ann, typed, error):
    page = change(browser, **typed)
    assert (page.status_code, error in text_of(page)) == (200, True)
    assert ann.me().status == 200
    assert log_in(Client(), "ann").status_code == 302


def test_a_field_with_an_error_points_to_its_text(browser):
    page = change(browser, old="wrong-pass-1").content.decode()
    assert '<a href="#id_old_password">Current password: This is not your current password.</a>' in page
    assert 'aria-invalid="true"' in page
    assert 'aria-describedby="id_old_password_error"' in page
    assert 'id="id_old_password_error"' in page
    assert "<title>Error: Change your password" in page


def test_wrong_passwords_count_as_failed_log_ins(browser, settings):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"login_known": (2, 900)}
    for _ in range(2):
        change(browser, old="wrong-pass-1")
    assert "Too many attempts" in text_of(change(browser))
    assert "Too many attempts" in text_of(log_in(Client(), "ann"))


def test_a_user_with_a_second_factor_changes_the_password_without_a_code(ann):
    browser = browser_of("ann")
    app, _ = give_factor(ann.user_id)
    assert change(browser).status_code == 302
    assert is_in(browser)
    assert log_in(Client(), "ann", NEW).headers["Location"].startswith("/account/login/code/")
    assert app.code()


# --- forgotten -----------------------------------------------------------------------------------


@pytest.fixture
def code(ann, mailoutbox):
    """Ann has asked for a code. The mail has it."""
    browser = Client()
    assert browser.post(FORGOTTEN, {"identity": "ann"}).headers["Location"] == CODE
    return reset_code_in(mailoutbox[-1])


def set_password(code, browser=None, identity="ann", new=NEW, again=None):
    typed = {"identity": identity, "code": code, "new_password": new, "new_password_again": again or new}
    return (browser or Client()).post(CODE, typed, follow=True)


@pytest.mark.parametrize("identity", ["ann", "ann@example.org", "+4915112345678"])
def test_a_code_is_mailed_and_the_next_page_knows_who_asked(ann, mailoutbox, identity):
    User.objects.update(phone_number="+4915112345678")
    browser = Client()
    page = browser.post(FORGOTTEN, {"identity": identity}, follow=True)
    assert f'value="{identity}"' in page.content.decode()
    done = set_password(reset_code_in(mailoutbox[-1]).upper().replace(" ", "-"), browser, identity)
    assert "Your new password is set. Log in with it." in text_of(done)
    assert f'value="{identity}"' not in browser.get(CODE).content.decode()
    assert log_in(Client(), "ann", NEW).status_code == 302


def test_the_answer_does_not_tell_whether_the_account_exists(ann, mailoutbox):
    pages = [Client().post(FORGOTTEN, {"identity": name}, follow=True) for name in ("ann", "bob")]
    known, unknown = [text_of(page) for page in pages]
    assert known == unknown
    assert len(mailoutbox) == 1
    wrong = [set_password("0000 0000 000a", identity=name) for name in ("ann", "bob")]
    assert text_of(wrong[0]) == text_of(wrong[1])


def test_an_unknown_name_costs_the_same_work(ann, mailoutbox):
    known, unknown = [
        work_of(lambda name=name: Client().post(FORGOTTEN, {"identity": name})) for name in ("ann", "bob")
    ]
    assert known == unknown


def test_a_new_password_ends_all_sessions(ann, browser, code):
    set_password(code)
    assert ann.me().status == 401
    assert not is_in(browser)
    assert live("ann") == []


@pytest.mark.parametrize(
    ("typed", "error"),
    [
        ({"new": "short"}, "This password is too short."),
        ({"new": "ann@example.org"}, "The password is too similar to the email."),
        ({"again": "another-pass-3"}, "The two new passwords differ."),
        ({"identity": "bob"}, "This code is wrong, used or too old"),
    ],
)
def test_what_is_refused_is_told_and_the_code_stays_good(ann, code, typed, error):
    assert error in text_of(set_password(code, **typed))
    assert ann.me().status == 200
    assert "Your new password is set" in text_of(set_password(code))


def test_a_code_works_once_and_a_wrong_one_never(ann, code):
    assert "This code is wrong" in text_of(set_password(wrong_code(code)))
    set_password(code)
    assert "This code is wrong" in text_of(set_password(code, new="a-third-pass-3"))


def test_requests_and_tries_are_limited(ann, settings, code):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | dict.fromkeys(
        ("reset", "reset_known", "reset_try", "reset_try_known"), (1, 900)
    )
    assert "Too many attempts" in text_of(Client().post(FORGOTTEN, {"identity": "ann"}))
    set_password(wrong_code(code))
    assert "Too many attempts" in text_of(set_password(code))


@pytest.mark.parametrize("typed", [{}, {"identity": "a" * 400}, {"identity": "ann\0"}, {"identity": "  "}])
def test_bad_input_mails_nothing(ann, mailoutbox, typed):
    page = Client().post(FORGOTTEN, typed)
    assert (page.status_code, "That did not work" in text_of(page)) == (200, True)
    assert mailoutbox == []
