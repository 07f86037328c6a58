"""`manage.py whocan`: it lists every accepted credential and no other."""

from datetime import timedelta

import pytest
from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from time_machine import travel

from sessions.accounts import enable_user
from sessions.bulk.orders import disable_user
from sessions.inspect.credentials import credentials_of
from sessions.invitations import Invitation, invite
from sessions.models import Session
from sessions.not_me import disown, find_not_me_link
from tests.commands.terminal import manage, shell
from tests.phones import PASSWORD, BuddyPhone, InProcess, ZapPhone, promote
from tests.second_factor import give_factor
from tests.sessions.staff import browser_of, is_in, new_staff, user_url
from users.models import App, DeviceToken, OneUseLink, User
from users.one_use_links import Purpose, make_link
from users.origin import NOWHERE
from users.reset_codes import issue_code
from users.second_factor.codes import use_code

OF_A_PHONE = {"password", "access tokens", "refresh token", "device token"}


def kinds(user_id):
    """Return the kinds that the command lists. The admin's page calls the same function."""
    done = manage(f"whocan {user_id} --json")
    listed = [facts["kind"] for facts in done.json]
    assert listed == [credential.kind for credential in credentials_of(User.objects.get(pk=user_id))]
    assert done.code == (0 if any(facts["asUser"] for facts in done.json) else 1)
    return set(listed)


def accepted(phone):
    """Return the kinds that the service accepts now."""
    works = {
        "access tokens": phone.me().status == 200,
        "refresh token": phone.refresh().status == 200,
        "device token": DeviceToken.objects.filter(user=phone.user_id).exists(),
        "password": ZapPhone(InProcess()).log_in("ann").status == 200,
    }
    return {kind for kind, does in works.items() if does}


def nothing(phone):
    pass


def end_all(phone):
    assert manage("logout --user ann").code == 0


def disable(phone):
    User.objects.filter(pk=phone.user_id).update(is_active=False)


def delete(phone):
    assert phone.ask("DELETE", f"/v1/users/{phone.user_id}").status == 200


def forget_password(phone):
    user = User.objects.get(pk=phone.user_id)
    user.set_unusable_password()
    user.save()


def revoke(phone):
    """Blacklist a refresh token with simplejwt's own class."""
    BlacklistedToken.objects.create(token=OutstandingToken.objects.get())


def enable_again(phone):
    """Disable the account and enable it, as staff do."""
    boss = new_staff(name="boss")
    disable_user(phone.user_id, actor=boss, origin=NOWHERE, note="")
    assert enable_user(phone.user_id, actor=boss, origin=NOWHERE)


def switch_app_off(phone):
    App.objects.update(is_active=False)


def cut_app_off(phone):
    App.objects.update(sessions_valid_after=timezone.now())


def cut_user_off(phone):
    User.objects.update(sessions_valid_after=timezone.now())


def expire(phone):
    Session.objects.update(expires_at=timezone.now())


def leave_idle(phone):
    Session.objects.update(last_seen_at=timezone.now() - timedelta(days=14))


@pytest.mark.parametrize(
    ("happens", "gone"),
    [
        (nothing, set()),
        (ZapPhone.log_out, OF_A_PHONE - {"password"}),
        (end_all, OF_A_PHONE - {"password"}),
        (disable, OF_A_PHONE - {"device token"}),
        (delete, OF_A_PHONE),
        (forget_password, {"password"}),
        (revoke, {"refresh token"}),
        (cut_app_off, {"access tokens", "refresh token"}),
        (cut_user_off, {"access tokens", "refresh token"}),
        (expire, {"access tokens", "refresh token"}),
        (leave_idle, {"access tokens", "refresh token"}),
    ],
)
def test_what_is_listed_is_what_the_service_takes(ann, happens, gone):
    happens(ann)
    listed = kinds(ann.user_id)
    assert listed == OF_A_PHONE - gone
    assert accepted(ann) == listed


def test_tokens_of_an_app_that_is_switched_off_are_not_listed(ann):
    switch_app_off(ann)
    assert kinds(ann.user_id) == {"password", "device token"}  # the password opens sessions in other apps
    assert (ann.me().status, ann.refresh().status) == (401, 401)


def test_tokens_are_listed_until_the_second_in_which_their_session_is_over(ann):
    expires = Session.objects.get().expires_at
    Session.objects.update(last_seen_at=expires)
    with travel(expires - timedelta(seconds=2), tick=False):
        assert "refresh token" in kinds(ann.user_id)
        assert ann.refresh().status == 200
    with travel(expires, tick=False):
        assert "refresh token" not in kinds(ann.user_id)
        assert ann.refresh().status == 401


def reset(ann, code, new="another-pass-2"):
    body = {"identity": "ann", "otp": code, "newPassword": new}
    return ann.call("POST", "/v1/forgotPassword", body).status


@pytest.fixture
def code(ann):
    return issue_code(User.objects.get(pk=ann.user_id))


def test_a_reset_code_is_listed_until_it_is_used(ann, code):
    assert "reset code" in kinds(ann.user_id)
    assert reset(ann, code) == 200
    assert "reset code" not in kinds(ann.user_id)
    assert reset(ann, code) == 422


@pytest.mark.parametrize("happens", [disable, delete])
def test_a_reset_code_of_an_account_that_is_gone_is_not_listed(ann, code, happens):
    happens(ann)
    assert "reset code" not in kinds(ann.user_id)
    assert reset(ann, code) == 422


def test_a_reset_code_is_listed_for_ten_minutes(ann, code):
    with travel(timezone.now() + timedelta(minutes=9)):
        assert "reset code" in kinds(ann.user_id)
    with travel(timezone.now() + timedelta(minutes=10)):
        assert "reset code" not in kinds(ann.user_id)
        assert reset(ann, code) == 422


@pytest.fixture
def browser(ann):
    promote(ann, "users.view_user")
    return browser_of(User.objects.get(pk=ann.user_id))


def test_a_login_to_the_admin_is_listed_until_it_is_over(ann, browser):
    assert "admin log-in" in kinds(ann.user_id)
    assert is_in(browser)
    browser.post("/admin/logout/")
    assert "admin log-in" not in kinds(ann.user_id)
    assert not is_in(browser)


def refuse_all(ann):
    User.objects.update(session_epoch=1)


def take_staff_away(ann):
    User.objects.update(is_staff=False)


@pytest.mark.parametrize(
    "happens",
    [
        *(end_all, disable, delete, take_staff_away, refuse_all),
        *(cut_app_off, cut_user_off, switch_app_off, expire, leave_idle),
    ],
)
def test_a_login_to_the_admin_is_not_listed_when_it_opens_nothing(ann, browser, happens):
    happens(ann)
    assert "admin log-in" not in kinds(ann.user_id)
    assert not is_in(browser)


def test_a_login_to_the_admin_works_under_an_earlier_secret_key_as_long_as_that_is_kept(ann, browser, settings):
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "a new one" * 8, [settings.SECRET_KEY]
    assert "admin log-in" in kinds(ann.user_id)
    assert is_in(browser)
    settings.SECRET_KEY_FALLBACKS = []
    assert not is_in(browser)


def test_somebody_elses_login_is_not_listed(ann, browser, db):
    other = ZapPhone(InProcess()).sign_up("other")
    promote(other)
    assert "admin log-in" not in kinds(other.user_id)


def test_the_token_of_a_device_is_listed_but_nobody_acts_as_the_user_with_it(db):
    phone = BuddyPhone(InProcess()).sign_up("ben")
    assert kinds(phone.user_id) == {"password", "access tokens", "app token"}
    assert manage("logout --user ben").code == 0
    forget_password(phone)
    assert kinds(phone.user_id) == {"app token"}
    assert (phone.me().status, phone.me(phone.app_token).status) == (401, 403)
    done = manage("whocan ben")
    assert done.code == 1
    assert "not as the user" in done.out
    assert done.out.endswith("Nobody can act as ben: no credential would be accepted.\n")
    assert manage(f"logout --app {phone.app_id} --reason Leak").code == 0
    assert kinds(phone.user_id) == set()


def test_the_output_says_when_nobody_can_act_as_the_user(ann):
    delete(ann)
    done = manage(f"whocan {ann.user_id}")
    assert (done.code, done.err) == (1, "")
    assert done.out.startswith("Nobody can act as ")


@pytest.mark.parametrize("identity", ["ann", "ANN", "ann@example.org", "+49151", "{id}"])
def test_a_user_is_found_by_whatever_they_are_called(ann, identity):
    User.objects.filter(pk=ann.user_id).update(phone_number="+49151")
    done = manage("whocan", identity.format(id=ann.user_id))
    session = Session.objects.get()
    assert done.code == 0
    assert (
        f"refresh token  ZAP, unknown device, until {session.expires_at:%Y-%m-%d %H:%M} UTC, session {session.pk}"
        in (done.out)
    )


@pytest.mark.parametrize("identity", ["nobody", "", "ann ", "+", "f" * 24, "x" * 5000, "\udcff"])
def test_somebody_unknown_is_one_line_with_code_2(ann, identity):
    done = manage("whocan", identity)
    assert (done.code, done.out, len(done.err.splitlines())) == (2, "", 1)


def test_no_secret_is_shown(ann):
    issued = issue_code(User.objects.get())
    for how in ("", "--json"):
        out = manage(f"whocan ann {how}").out
        for secret in (
            ann.access_token,
            ann.refresh_token,
            "push of ann",
            PASSWORD,
            issued,
            User.objects.get().password,
        ):
            assert secret not in out


@pytest.mark.django_db(transaction=True)
def test_a_script_sees_by_the_exit_code_whether_anybody_can():
    ZapPhone(InProcess()).sign_up("ann")
    assert shell("manage whocan ann").code == 0
    User.objects.update(is_active=False)
    assert shell("manage whocan ann").code == 1
    assert shell("manage whocan bob").code == 2


@pytest.mark.parametrize("claim", [{"email": "bo@example.org"}, {"phone_number": "+491"}])
def test_an_identity_that_nobody_verified_does_not_hide_a_user_of_that_name(ann, claim):
    (name,) = claim.values()
    User.objects.filter(pk=ann.user_id).update(username=name)
    User.objects.create_user("thief", **claim)
    assert "access tokens" in manage(f"whocan {name}").out
    User.objects.filter(username="thief").update(email_verified=True)
    assert ("access tokens" in manage(f"whocan {name}").out) is ("email" not in claim)


def test_it_says_that_a_password_needs_a_code(ann):
    _, codes = give_factor(ann.user_id)
    use_code(User.objects.get(pk=ann.user_id), codes[0])
    password = next(each for each in manage(f"whocan {ann.user_id} --json").json if each["kind"] == "password")
    assert password["detail"] == "opens new sessions, with a code of the second factor or one of 9 recovery codes"


# --- links in mails --------------------------------------------------------------------------------


def link_of(user, purpose=Purpose.NOT_ME, address="ann@example.org"):
    User.objects.filter(pk=user.pk).update(email_verified=True)
    return make_link(User.objects.get(pk=user.pk), purpose=purpose, address=address)


def listed(user_id, kind):
    found = [facts for facts in manage(f"whocan {user_id} --json").json if facts["kind"] == kind]
    assert len(found) < 2
    return found[0] if found else None


@pytest.fixture
def invited(db):
    boss = new_staff(name="boss")
    with travel("2026-03-01T12:00:00Z", tick=False):
        return invite(Invitation("bea@example.org", is_superuser=True), actor=boss, origin=NOWHERE)


def test_an_invitation_is_listed_with_its_masked_address_for_seven_days(invited):
    with travel("2026-03-08T11:59:59Z", tick=False):
        facts = listed(invited.pk, "invitation")
        assert manage(f"whocan {invited.pk}").code == 0
    detail = "sets the first password, mailed to b***@example.org"
    assert facts == {
        "kind": "invitation",
        "detail": detail,
        "asUser": True,
        "until": "2026-03-08T12:00:00Z",
        "session": None,
    }
    with travel("2026-03-08T12:00:00Z", tick=False):
        assert listed(invited.pk, "invitation") is None
        assert manage(f"whocan {invited.pk}").code == 1


@pytest.mark.parametrize("change", [{"is_active": False}, {"is_staff": False}, {"email": "eve@example.org"}])
def test_an_invitation_that_nobody_can_accept_is_not_listed(invited, change):
    with travel("2026-03-02T12:00:00Z", tick=False):
        assert listed(invited.pk, "invitation")
        User.objects.filter(pk=invited.pk).update(**change)
        assert listed(invited.pk, "invitation") is None


def test_a_link_that_says_not_me_is_listed_and_acts_as_nobody(ann):
    user = User.objects.get(pk=ann.user_id)
    token = link_of(user)
    facts = listed(user.pk, "not-me link")
    assert facts["asUser"] is False
    assert facts["detail"] == "ends sessions and the password, mailed to a***@example.org"
    disown(find_not_me_link(token), origin=NOWHERE)
    assert listed(user.pk, "not-me link") is None


def test_a_link_to_a_replaced_email_is_listed_as_what_locks_the_account(ann):
    link_of(User.objects.get(pk=ann.user_id))
    User.objects.filter(pk=ann.user_id).update(email="eve@example.org")
    assert listed(ann.user_id, "not-me link")["detail"] == "disables the account, mailed to a***@example.org"
    OneUseLink.objects.update(is_verified=False)
    assert listed(ann.user_id, "not-me link") is None


@pytest.mark.parametrize("happens", [delete, enable_again])
def test_a_link_is_not_listed_after_an_act_that_ends_it(ann, happens):
    token = link_of(User.objects.get(pk=ann.user_id))
    happens(ann)
    assert listed(ann.user_id, "not-me link") is None
    assert find_not_me_link(token) is None


def test_a_code_from_before_an_account_was_disabled_does_not_work_when_it_is_enabled(ann, code):
    enable_again(ann)
    assert "reset code" not in kinds(ann.user_id)
    assert reset(ann, code) == 422


def test_the_page_of_a_user_shows_the_links_and_no_token_of_them(ann):
    user = User.objects.get(pk=ann.user_id)
    tokens = [link_of(user) for _ in range(22)]
    page = browser_of(new_staff(name="boss")).get(user_url(user.pk)).content.decode()
    assert "Not-me link" in page
    assert "2 more" in page
    assert not [token for token in tokens if token in page]
