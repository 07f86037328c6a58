"""People change their email. It counts once they have typed the code that was mailed to it."""

import pytest

from tests.phones import PASSWORD, InProcess, ZapPhone, reset_code_in, wrong_code
from tests.sessions.account.people import HOME, browser_of, leave_for_an_hour, text_of, user
from users.models import SecurityEvent, User

URL, CODE, AGAIN, KEEP = (f"{HOME}email/{path}" for path in ("", "code/", "code/again/", "keep/"))
OLD, NEXT = "ann@example.org", "ann@example.com"


@pytest.fixture
def ann(db, mailoutbox):
    phone = ZapPhone(InProcess()).sign_up("ann")
    User.objects.update(email_verified=True)
    mailoutbox.clear()
    return phone


@pytest.fixture
def ask(browser, mailoutbox, django_capture_on_commit_callbacks):
    """Asks for another email, and returns the code that was mailed to it."""

    def ask(email=NEXT):
        with django_capture_on_commit_callbacks(execute=True):
            assert browser.post(URL, {"email": email}).headers["Location"] == CODE
        return reset_code_in([mail for mail in mailoutbox if mail.to == [email]][-1])

    return ask


def test_a_new_email_counts_once_its_code_is_typed(browser, ann, ask, mailoutbox):
    code = ask()
    assert (user("ann").email, user("ann").new_email) == (OLD, NEXT)
    assert sorted(mail.to for mail in mailoutbox) == [[NEXT], [OLD]]
    waiting = text_of(browser.get(URL))
    assert f"{OLD} Verified" in waiting
    assert f"{NEXT} Not verified" in waiting
    assert NEXT in text_of(browser.get(CODE))
    page = browser.post(CODE, {"code": code.upper()}, follow=True)
    assert "Your email is verified." in text_of(page)
    assert (user("ann").email, user("ann").new_email, user("ann").email_verified) == (NEXT, None, True)
    events = SecurityEvent.objects.filter(event__in=["email_changed", "email_verified"]).order_by("pk")
    assert [event.event for event in events] == ["email_changed", "email_verified"]


def test_an_old_log_in_has_to_give_the_password(browser, ann, mailoutbox):
    leave_for_an_hour("ann")
    assert "Your password" in text_of(browser.get(URL))
    assert "This field is required" in text_of(browser.post(URL, {"email": NEXT}))
    assert "This is not your password" in text_of(browser.post(URL, {"email": NEXT, "proof": "wrong-pass-1"}))
    assert user("ann").new_email is None
    assert browser.post(URL, {"email": NEXT, "proof": PASSWORD}).status_code == 302
    assert user("ann").new_email == NEXT


@pytest.mark.parametrize(
    ("email", "error"),
    [
        ("", "This field is required"),
        ("no email", "Enter a valid email address"),
        ("a\0@example.com", "Null characters are not allowed"),
        ('"a\x0bb"@example.com', "Leave out characters that can't be seen"),
        (f"{'a' * 400}@example.com", "at most 320 characters"),
        ("BEN@example.org", "Another account has this email"),
    ],
)
def test_an_email_that_is_none_or_taken_is_refused(browser, ann, email, error):
    ZapPhone(InProcess()).sign_up("ben")
    page = browser.post(URL, {"email": email})
    assert (page.status_code, error in text_of(page)) == (200, True)
    assert user("ann").new_email is None


def test_the_same_email_changes_nothing(browser, ann, mailoutbox):
    assert "This is your email already" in text_of(browser.post(URL, {"email": OLD}, follow=True))
    assert mailoutbox == []


def test_a_wrong_code_is_refused_and_counted(browser, ann, ask, settings):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"reset_try_known": (2, 900)}
    code = ask()
    for _ in range(2):
        assert "This code is wrong" in text_of(browser.post(CODE, {"code": wrong_code(code)}))
    assert "Too many attempts" in text_of(browser.post(CODE, {"code": code}))
    assert user("ann").email == OLD


def test_the_code_of_another_user_with_the_same_email_is_worth_nothing(
    browser, ann, ask, mailoutbox, django_capture_on_commit_callbacks
):
    ask()
    ZapPhone(InProcess()).sign_up("ben")
    with django_capture_on_commit_callbacks(execute=True):
        browser_of("ben").post(URL, {"email": NEXT})
    of_ben = reset_code_in([mail for mail in mailoutbox if mail.to == [NEXT]][-1])
    assert "This code is wrong" in text_of(browser.post(CODE, {"code": of_ben}))
    assert (user("ann").email, user("ben").email) == (OLD, "ben@example.org")


def test_an_email_that_another_account_has_verified_meanwhile_is_refused(browser, ann, ask):
    code = ask()
    User.objects.create_user("ben", PASSWORD, email=NEXT)
    assert "Another account has verified this email" in text_of(browser.post(CODE, {"code": code}))
    assert user("ann").email == OLD


def test_another_code_replaces_the_first_and_requests_are_limited(browser, ann, ask, mailoutbox, settings):
    first = ask()
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"reset_known": (2, 900)}
    assert "A new code is on its way" in text_of(browser.post(AGAIN, follow=True))
    second = reset_code_in(mailoutbox[-1])
    assert "Too many attempts" in text_of(browser.post(AGAIN, follow=True))
    assert "This code is wrong" in text_of(browser.post(CODE, {"code": first}))
    assert "verified" in text_of(browser.post(CODE, {"code": second}, follow=True))
    assert browser.get(AGAIN).status_code == 405


def test_the_earlier_email_can_be_kept(browser, ann, ask):
    code = ask()
    leave_for_an_hour("ann")
    assert f"Keep {OLD}?" in text_of(browser.get(KEEP))
    assert "This field is required" in text_of(browser.post(KEEP))
    assert "Your email stays as it was" in text_of(browser.post(KEEP, {"proof": PASSWORD}, follow=True))
    assert (user("ann").email, user("ann").new_email) == (OLD, None)
    assert browser.post(CODE, {"code": code}).headers["Location"] == URL
    assert user("ann").email == OLD


@pytest.mark.parametrize("url", [CODE, KEEP])
def test_pages_about_a_new_email_lead_back_when_there_is_none(browser, url):
    assert browser.get(url).headers["Location"] == URL
    assert browser.post(url, {"code": "x"}).headers["Location"] == URL
    assert browser.post(AGAIN).headers["Location"] == URL


def test_the_first_email_of_an_account_is_set_and_verified(browser, ann, ask):
    User.objects.update(email=None, email_verified=False)
    assert "None" in text_of(browser.get(URL))
    code = ask()
    assert (user("ann").email, user("ann").email_verified) == (NEXT, False)
    browser.post(CODE, {"code": code})
    assert user("ann").email_verified
