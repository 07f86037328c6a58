"""The link "That wasn't me" in a mail, the page behind it, and what its button does."""

import re
from datetime import timedelta
from urllib.parse import urlencode

import pytest
import time_machine
from django.db import OperationalError
from django.test import Client

from sessions.account import not_me as pages
from sessions.accounts import change_in_admin
from sessions.models import EndReason, Session
from sessions.not_me import disown, find_not_me_link
from tests.phones import InProcess, ZapPhone, pushes_of, reset_code_in
from tests.threads import other_threads
from users.clock import database_now
from users.errors import LinkInvalid
from users.models import OneTimeCode, OneUseLink, SecurityEvent, User
from users.one_use_links import LIFETIME
from users.origin import Origin
from users.record.events import Event

HERE = Origin(ip="192.0.2.7", user_agent="Firefox", request_id="r")
NEW = "another-horse-2"
SITE = "https://auth.example.org"


@pytest.fixture(autouse=True)
def _links(settings):
    settings.PUBLIC_URL, settings.NEW_DEVICE_MAIL = SITE, True


@pytest.fixture
def ann(db, commits):
    """Ann, who is logged in on her phone, and whose email is verified."""
    phone = ZapPhone(InProcess(), device_token="of ann").sign_up("ann")
    User.objects.update(email_verified=True)
    return phone


@pytest.fixture
def thief(ann, mailoutbox):
    """Somebody who knows Ann's password, and has logged in. Ann has a mail about it."""
    mailoutbox.clear()
    phone = thiefs_phone()
    assert phone.log_in("ann").status == 200
    return phone


def sending(**headers):
    """Return a way to call the application with these headers."""
    more, send = {name.replace("_", "-"): value for name, value in headers.items()}, InProcess()
    return lambda *args, headers=None, **rest: send(*args, headers=(headers or {}) | more, **rest)


def thiefs_phone():
    return ZapPhone(
        sending(User_Agent="Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X)"), device_token="of thief"
    )


def thiefs_tablet():
    return ZapPhone(sending(User_Agent="Mozilla/5.0 (Linux; Android 15; Pixel Tablet)"), device_token="thief's other")


def link_in(mail):
    """Return the path of the link in a mail. It is the same one in the text and in the HTML."""
    html, _ = mail.alternatives[0]
    (link,) = set(re.findall(rf"{SITE}(/account/not-me/[\w-]+/)", str(mail.body) + html))
    return link


def token_in(mail):
    return link_in(mail).split("/")[3]


def browse(method, path, **typed):
    """Send a request as a browser does, without any cookie."""
    kind = {"Content-Type": "application/x-www-form-urlencoded"} if method == "POST" else {}
    return InProcess()(method, path, headers=kind, content=urlencode(typed) if method == "POST" else None)


def press(path):
    """Press the button. Returns the path of the next page."""
    answer = browse("POST", path)
    assert answer.status == 302, answer
    return answer.headers["location"]


def typed(mail):
    """Return what a user types who has that mail with a code."""
    return {"code": reset_code_in(mail), "new_password": NEW, "new_password_again": NEW}


def everything():
    models = (User, Session, OneTimeCode, OneUseLink, SecurityEvent)
    return [list(model.objects.order_by("pk").values()) for model in models]


# --- a log-in ----------------------------------------------------------------------------------------


def test_one_tap_ends_the_log_in_and_all_later_ones_and_the_password(ann, thief, mailoutbox):
    later = ZapPhone(InProcess())
    later.log_in("ann")
    press(link_in(mailoutbox[0]))
    for phone in (thief, later):
        assert phone.me().status == 401
        assert phone.refresh().status == 401
    assert pushes_of(ann.user_id) == ["of ann"]
    assert ann.me().status == 200  # she was logged in before
    assert ZapPhone(InProcess()).log_in("ann").status == 401


def test_the_session_ends_with_its_own_reason_by_the_user_and_is_on_record(ann, thief, mailoutbox):
    sid = Session.objects.order_by("-created_at").first().pk
    press(link_in(mailoutbox[0]))
    session = Session.objects.get(pk=sid)
    assert (session.end_reason, session.ended_by_id, session.ended_ip) == (EndReason.NOT_ME, ann.user_id, "127.0.0.1")
    entry = SecurityEvent.objects.get(event=Event.NOT_ME)
    assert (entry.user_id, entry.actor_id, entry.ip) == (ann.user_id, ann.user_id, "127.0.0.1")
    assert entry.details == {"count": 1, "about": ["login"], "session": str(sid)}
    assert SecurityEvent.objects.filter(event=Event.RESET_ASKED, user=ann.user_id).count() == 1


def test_the_code_in_the_next_mail_sets_a_new_password_and_ends_the_rest(ann, thief, mailoutbox):
    done = press(link_in(mailoutbox[0]))
    mail = mailoutbox[1]
    assert mail.to == ["ann@example.org"]
    assert "the old one no longer works" in mail.body
    assert "your password stays as it is" not in mail.body + mail.alternatives[0][0]
    assert "a***@example.org" in browse("GET", done).text
    answer = browse("POST", done, **typed(mail))
    assert (answer.status, answer.headers["location"]) == (302, "/account/login/")
    assert ann.me().status == 401
    assert User.objects.get().check_password(NEW)


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"code": "0000 0000 000a"}, "The code is wrong or too old"),
        ({"new_password": "short", "new_password_again": "short"}, "at least 8 characters"),
        ({"new_password": ""}, "This field is required"),
    ],
)
def test_a_wrong_code_or_a_weak_password_is_explained_and_the_code_stays(ann, thief, mailoutbox, other, told):
    done = press(link_in(mailoutbox[0]))
    right = typed(mailoutbox[1])
    answer = browse("POST", done, **right | other)
    assert answer.status == 200
    assert told in answer.text
    assert not User.objects.get().has_usable_password()
    assert browse("POST", done, **right).status == 302


def test_another_code_can_be_mailed_and_that_is_limited(ann, thief, mailoutbox):
    done = press(link_in(mailoutbox[0]))
    assert browse("POST", done, again="1").status == 302
    assert reset_code_in(mailoutbox[2]) != reset_code_in(mailoutbox[1])
    for _ in range(6):
        browse("POST", done, again="1")
    assert len(mailoutbox) < 9
    assert browse("POST", done, **typed(mailoutbox[-1])).status == 302


def test_the_codes_that_are_tried_on_the_page_are_counted(ann, thief, mailoutbox):
    done = press(link_in(mailoutbox[0]))
    right = typed(mailoutbox[1])
    texts = [browse("POST", done, **right | {"code": "0000 0000 000a"}).text for _ in range(21)]
    assert "Too many attempts" in texts[-1]


def test_a_session_that_has_ended_before_keeps_its_reason_and_the_password_still_stops(ann, thief, mailoutbox):
    thief.log_out()
    assert "It has ended" in browse("GET", link_in(mailoutbox[0])).text
    done = press(link_in(mailoutbox[0]))
    assert "No log-in was open any more" in browse("GET", done).text
    assert Session.objects.order_by("-created_at").first().end_reason == EndReason.LOGOUT
    assert not User.objects.get().has_usable_password()


# --- a change of the account ------------------------------------------------------------------------


def change(phone, **fields):
    assert phone.ask("PUT", f"/v1/users/{phone.user_id}", fields).status == 200


def test_the_link_of_a_change_ends_all_sessions_and_drops_the_email_that_waits(ann, thief, mailoutbox):
    mailoutbox.clear()
    change(thief, email="eve@example.com")
    mail = next(mail for mail in mailoutbox if mail.to == ["ann@example.org"])
    page = browse("GET", link_in(mail)).text
    assert "Another email address was set" in page
    assert "127.0.0.1" in page
    waiting = next(mail for mail in mailoutbox if mail.to == ["eve@example.com"])
    press(link_in(mail))
    assert (ann.me().status, thief.me().status) == (401, 401)
    assert pushes_of(ann.user_id) == []
    user = User.objects.get()
    assert (user.new_email, user.is_active, user.has_usable_password()) == (None, True, False)
    # The thief has a code that verifies their email. It is of no use now.
    verify = {"identity": "eve@example.com", "otp": reset_code_in(waiting)}
    assert thief.call("POST", "/v1/otp/verify", verify).status != 200
    assert SecurityEvent.objects.get(event=Event.NOT_ME).details["about"] == ["email_asked"]


@pytest.mark.parametrize("field", [{"username": "eve_2"}, {"phoneNumber": "+4915112345678"}])
def test_a_changed_name_or_phone_number_is_answered_too(ann, mailoutbox, field):
    mailoutbox.clear()
    change(ann, **field)
    press(link_in(mailoutbox[0]))
    assert ann.me().status == 401


def test_without_a_public_url_mails_have_words_only(ann, mailoutbox, settings):
    settings.PUBLIC_URL = ""
    mailoutbox.clear()
    change(ann, username="ann_2")
    (mail,) = mailoutbox
    assert "set a new password at once" in mail.body
    assert "/account/" not in mail.body + mail.alternatives[0][0]
    assert not OneUseLink.objects.exists()


def test_the_host_of_a_request_is_in_no_mail(ann, mailoutbox, settings):
    settings.ALLOWED_HOSTS = ["*"]
    mailoutbox.clear()
    send = ann.send
    ann.send = lambda *args, headers=None, **rest: send(
        *args, headers=(headers or {}) | {"Host": "evil.example"}, **rest
    )
    change(ann, username="ann_2")
    assert "evil" not in mailoutbox[0].body + mailoutbox[0].alternatives[0][0]
    assert link_in(mailoutbox[0])


# --- a link that went to an earlier email -----------------------------------------------------------


def replace_email(phone, mailoutbox):
    """Set another email and verify it. Returns the mail to the earlier email."""
    mailoutbox.clear()
    change(phone, email="eve@example.com")
    code = next(reset_code_in(mail) for mail in mailoutbox if mail.to == ["eve@example.com"])
    answer = phone.call("POST", "/v1/otp/verify", {"identity": "eve@example.com", "otp": code})
    assert answer.status == 200, answer
    return mailoutbox[-1]


def test_after_a_replaced_email_the_link_locks_the_account_and_mails_no_code(ann, thief, mailoutbox):
    mail = replace_email(thief, mailoutbox)
    assert mail.to == ["ann@example.org"]
    mailoutbox.clear()
    assert "The account is locked. Nobody can log in" in browse("GET", link_in(mail)).text
    done = press(link_in(mail))
    assert mailoutbox == []
    assert (ann.me().status, thief.me().status, thief.refresh().status) == (401, 401, 401)
    thief.call("POST", "/v1/otp/forgotPassword", {"identity": "eve@example.com"})
    assert mailoutbox == []
    user = User.objects.get()
    assert (user.is_active, user.email, user.has_usable_password()) == (False, "eve@example.com", False)
    page = browse("GET", done).text
    assert "The account is locked" in page
    assert "Set the new password" not in page
    assert browse("POST", done, again="1").status == 200
    assert mailoutbox == []
    assert SecurityEvent.objects.filter(event=Event.USER_DISABLED, actor=ann.user_id).count() == 1


def test_staff_give_the_account_back_and_the_thief_cannot_lock_it_again(ann, thief, mailoutbox):
    mail = replace_email(thief, mailoutbox)
    change(thief, username="eve_2")
    of_thief = mailoutbox[-1]
    press(link_in(mail))
    user = User.objects.get()
    for step in ({"email": None}, {"email": "ann@example.org"}, {"is_active": True}):
        change_in_admin(user, by={}, **step)
    assert browse("POST", link_in(of_thief)).status == 404
    mailoutbox.clear()
    zap = ZapPhone(InProcess())
    for identity in ("eve@example.com", "ann@example.org"):
        zap.call("POST", "/v1/otp/forgotPassword", {"identity": identity})
    assert [mail.to for mail in mailoutbox] == [["ann@example.org"]]
    reset = {"identity": "ann@example.org", "otp": reset_code_in(mailoutbox[0]), "newPassword": NEW}
    assert zap.call("POST", "/v1/forgotPassword", reset).status == 200
    assert User.objects.get().check_password(NEW)


def test_an_earlier_mails_link_locks_too_and_the_thiefs_own_link_does_not_help_them(ann, thief, mailoutbox):
    of_login = mailoutbox[0]
    replace_email(thief, mailoutbox)
    change(thief, username="eve_2")
    of_thief = mailoutbox[-1]
    assert of_thief.to == ["eve@example.com"]
    press(link_in(of_login))
    mailoutbox.clear()
    assert "The account is disabled" in browse("GET", link_in(of_thief)).text
    press(link_in(of_thief))
    assert mailoutbox == []
    assert not User.objects.get().is_active


def test_a_link_to_a_replaced_email_that_was_never_verified_does_nothing(ann, thief, mailoutbox):
    User.objects.update(email_verified=False)
    mailoutbox.clear()
    change(thief, username="ann_2")
    of_stranger = mailoutbox[-1]
    gone = replace_email(thief, mailoutbox)
    assert "/account/" not in gone.body
    assert browse("GET", link_in(of_stranger)).status == 404
    assert browse("POST", link_in(of_stranger)).status == 404
    assert thief.me().status == 200


# --- looking changes nothing ------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_looking_changes_nothing_however_often(ann, thief, mailoutbox, method):
    before = everything()
    for headers in ({}, {"Sec-Purpose": "prefetch"}, {"Purpose": "prefetch"}):
        answer = InProcess()(method, link_in(mailoutbox[0]), headers=headers)
        assert answer.status == 200
    assert everything() == before
    assert len(mailoutbox) == 1
    assert thief.me().status == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH"])
def test_other_methods_are_refused(ann, thief, mailoutbox, method):
    before = everything()
    assert browse(method, link_in(mailoutbox[0])).status == 405
    assert everything() == before


def test_the_page_asks_says_what_happened_and_gives_its_address_to_nobody(ann, thief, mailoutbox):
    answer = browse("GET", link_in(mailoutbox[0]))
    for words in ("Was it not you?", "ZAP", "127.0.0.1", "a***@example.org", "me</button>", "close this page"):
        assert words in answer.text
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "no-store" in answer.headers["cache-control"]
    assert answer.headers["x-robots-tag"] == "noindex"
    assert "set-cookie" not in answer.headers
    assert token_in(mailoutbox[0]) not in answer.text


def test_an_error_gives_the_address_to_nobody_either(ann, thief, mailoutbox, monkeypatch):
    def fail(token):
        raise OperationalError("the database is away")

    monkeypatch.setattr(pages, "find_not_me_link", fail)
    answer = browse("GET", link_in(mailoutbox[0]))
    assert answer.status == 503
    assert answer.headers["referrer-policy"] == "strict-origin"


def test_the_button_works_without_cookies(ann, thief, mailoutbox):
    browser = Client(enforce_csrf_checks=True)
    assert browser.post(link_in(mailoutbox[0])).status_code == 302
    assert thief.me().status == 401


# --- a link that does not work ----------------------------------------------------------------------


def assert_gone(path):
    before = everything()
    for method in ("GET", "POST"):
        answer = browse(method, path)
        assert answer.status == 404
        for words in ("This link does not work any more", "Look at your log-ins", "tell the people who run ZapAuth"):
            assert words in answer.text
        assert answer.headers["referrer-policy"] == "no-referrer"
    assert everything() == before


def test_a_link_works_once(ann, thief, mailoutbox):
    press(link_in(mailoutbox[0]))
    assert_gone(link_in(mailoutbox[0]))


def test_one_answer_uses_up_the_other_links_to_that_email(ann, thief, mailoutbox):
    change(thief, username="ann_2")
    first, second = mailoutbox
    press(link_in(second))
    assert_gone(link_in(first))


def test_the_link_of_an_earlier_log_in_still_ends_that_one(ann, thief, mailoutbox):
    again = thiefs_tablet()
    assert again.log_in("ann").status == 200
    first, second = mailoutbox
    press(link_in(second))
    assert (again.me().status, thief.me().status) == (401, 200)
    press(link_in(first))
    assert thief.me().status == 401
    assert ann.me().status == 200


def test_after_the_new_password_no_link_of_an_earlier_mail_takes_it_away(ann, thief, mailoutbox):
    thiefs_tablet().log_in("ann")
    first, second = mailoutbox
    done = press(link_in(second))
    assert browse("POST", done, **typed(mailoutbox[-1])).status == 302
    assert_gone(link_in(first))
    assert User.objects.get().check_password(NEW)


def test_without_a_password_an_open_session_can_not_change_the_account(ann, thief, mailoutbox):
    tablet = thiefs_tablet()
    tablet.log_in("ann")
    press(link_in(mailoutbox[1]))
    assert thief.me().status == 200  # it was opened earlier, and a minute ago
    mailoutbox.clear()
    fields = {"email": "eve@example.com"}
    assert thief.ask("PUT", f"/v1/users/{ann.user_id}", fields).status == 403
    assert mailoutbox == []
    assert User.objects.get().new_email is None


def test_an_unknown_link_is_explained(db):
    assert_gone(f"/account/not-me/{'x' * 43}/")


@pytest.mark.parametrize("token", ["x", "done", "%00", "é", "x" * 2000, "..%2f.."])
def test_a_text_that_is_no_link_is_not_found(db, token):
    assert browse("GET", f"/account/not-me/{token}/").status == 404


def test_a_link_expires_after_seven_days_by_the_databases_clock(ann, mailoutbox):
    with time_machine.travel("2026-03-01T12:00:00Z", tick=False) as clock:
        ann.log_in("ann")
        mailoutbox.clear()
        change(ann, username="ann_2")
        path = link_in(mailoutbox[0])
        clock.shift(LIFETIME - timedelta(seconds=1))
        assert browse("GET", path).status == 200
        clock.shift(2)
        assert_gone(path)


def test_a_link_ends_only_its_own_users_sessions(ann, thief, mailoutbox):
    ben = ZapPhone(InProcess(), device_token="of ben").sign_up("ben")
    press(link_in(mailoutbox[0]))
    assert ben.me().status == 200
    assert pushes_of(ben.user_id) == ["of ben"]
    assert User.objects.get(username="ben").has_usable_password()


def test_the_links_of_a_deleted_user_are_gone(ann, thief, mailoutbox):
    path = link_in(mailoutbox[0])
    assert ann.ask("DELETE", f"/v1/users/{ann.user_id}").status == 200
    assert not OneUseLink.objects.exists()
    assert_gone(path)
    assert "/account/" not in mailoutbox[-1].body  # nor has the mail about the deletion one


def test_a_user_who_is_deleted_between_the_look_and_the_button_is_left_alone(ann, thief, mailoutbox):
    link = find_not_me_link(token_in(mailoutbox[0]))
    User.objects.update(deleted_at=database_now())
    with pytest.raises(LinkInvalid):
        disown(link, origin=HERE)


def test_the_link_of_a_disabled_user_mails_no_code(ann, thief, mailoutbox):
    User.objects.update(is_active=False)
    assert "The account is disabled" in browse("GET", link_in(mailoutbox[0])).text
    done = press(link_in(mailoutbox[0]))
    assert len(mailoutbox) == 1
    assert "The account is disabled" in browse("GET", done).text
    User.objects.update(is_active=True)
    assert thief.me().status == 401


# --- the next page ----------------------------------------------------------------------------------


def test_nobody_makes_up_the_next_page_and_it_is_there_for_an_hour(ann, thief, mailoutbox):
    with time_machine.travel(database_now(), tick=False) as clock:
        done = press(link_in(mailoutbox[0]))
        assert browse("GET", done[:-2] + "x/").status == 404
        clock.shift(pages._DONE_FOR - timedelta(seconds=1))
        assert browse("GET", done).status == 200
        clock.shift(2)
        assert browse("GET", done).status == 404


def test_the_next_page_of_a_deleted_user_is_not_found(ann, thief, mailoutbox):
    done = press(link_in(mailoutbox[0]))
    User.objects.update(deleted_at=database_now())
    assert browse("GET", done).status == 404


# --- races and failures -----------------------------------------------------------------------------


def test_two_taps_at_once_count_once(transactional_db, mailoutbox):
    phone = ZapPhone(InProcess(), device_token="of ann").sign_up("ann")
    thiefs_phone().log_in("ann")
    path = link_in(mailoutbox[-1])
    with other_threads(4) as start:
        taps = [start(Client().post, path) for _ in range(4)]
    assert sorted(tap.result().status_code for tap in taps) == [302, 404, 404, 404]
    assert SecurityEvent.objects.filter(event=Event.NOT_ME).count() == 1
    assert phone.me().status == 200


def test_a_failure_leaves_all_as_it_was(ann, thief, mailoutbox, monkeypatch):
    before = everything()
    monkeypatch.setattr("sessions.not_me.end_sessions", lambda *_, **__: 1 / 0)
    link = find_not_me_link(token_in(mailoutbox[0]))
    with pytest.raises(ZeroDivisionError):
        disown(link, origin=HERE)
    assert everything() == before


def test_a_path_with_a_link_is_masked_in_the_log(ann, thief, mailoutbox, monkeypatch, caplog):
    monkeypatch.setattr(pages, "disown", lambda *_, **__: 1 / 0)
    path = link_in(mailoutbox[0])
    assert browse("POST", path).status == 500
    assert path in caplog.text  # what Django logs; the watch of the suite reads what our formatter makes of it
