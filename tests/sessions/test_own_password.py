"""The admin's page on which staff change their own password."""

from sessions import own_password
from sessions.models import EndReason, Session
from tests.phones import PASSWORD, InProcess, ZapPhone
from users.models import User

NEW = "battery-staple-2"


def own(browser, old):
    form = {"old_password": old, "new_password1": NEW, "new_password2": NEW}
    return browser.post("/admin/password_change/", form)


def test_wrong_old_passwords_are_throttled_like_failed_logins(operator, settings):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"login": (3, 600), "login_known": (3, 600)}
    for _ in range(3):
        assert "was entered incorrectly" in own(operator, "wrong").content.decode()
    page = own(operator, PASSWORD)  # right, but no longer checked
    assert "Too many attempts. Try again in 10 min." in page.content.decode()
    assert User.objects.get(username="olga").check_password(PASSWORD)
    # The failure counts towards the same limit as a log-in.
    assert ZapPhone(InProcess()).log_in("olga").status == 429


def test_a_right_old_password_clears_the_failures_and_changes_nothing_but_the_password(operator, settings):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"login": (3, 600), "login_known": (3, 600)}
    own(operator, "wrong")
    phone = ZapPhone(InProcess())
    phone.log_in("olga")
    before = User.objects.values().get(username="olga")
    assert own(operator, PASSWORD).headers["location"] == "/admin/password_change/done/"
    after = User.objects.values().get(username="olga")
    assert before | {name: after[name] for name in ("password", "password_changed_at", "last_login")} == after
    assert User.objects.get(username="olga").check_password(NEW)
    assert phone.me().status == 401
    assert Session.objects.get(app__name="ZAP").end_reason == EndReason.PASSWORD_CHANGED
    assert operator.get("/admin/").status_code == 200


def test_of_two_changes_of_ones_own_password_at_once_the_second_is_refused(operator, monkeypatch):
    check = own_password.check_own_password

    def and_meanwhile(user, password, **where):
        is_right = check(user, password, **where)
        thief = User.objects.get(pk=user.pk)
        thief.set_password("changed-by-another-1")
        thief.save()
        return is_right

    monkeypatch.setattr(own_password, "check_own_password", and_meanwhile)
    assert "was entered incorrectly" in own(operator, PASSWORD).content.decode()
    assert User.objects.get(username="olga").check_password("changed-by-another-1")
