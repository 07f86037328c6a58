"""The canary's account and app: pages and commands refuse to change them, and say how to stop the canary."""

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from sessions.checks import check_zap_app
from sessions.upkeep.canary import open_buddy_session
from tests.phones import InProcess, ZapPhone
from tests.sessions.account.people import text_of
from tests.sessions.staff import browser_of, new_staff, user_url
from users.canary import CANARY_ID
from users.clients import get_zap_app
from users.errors import AppInactive
from users.models import App, User

STOP_IT = "To stop the canary, set CANARY_EVERY=0"


@pytest.fixture
def boss(db):
    return new_staff(name="boss")


@pytest.fixture
def browser(boss):
    return browser_of(boss)


@pytest.fixture
def canary(boss):
    open_buddy_session()
    return User.objects.get(pk=CANARY_ID)


def is_on(canary):
    user, app = User.objects.get(pk=canary.pk), App.objects.get(pk=CANARY_ID)
    return user.is_active and user.deleted_at is None and app.is_active and not user.has_usable_password()


@pytest.mark.parametrize(("kind", "acts"), [("user", ["disable", "send_reset"]), ("app", ["switch_off"])])
def test_its_pages_in_the_admin_say_how_to_stop_it_and_have_no_button_for_it(browser, canary, kind, acts):
    def url_of(what="change"):
        return reverse(f"admin:users_{kind}_{what}", args=[CANARY_ID])

    page = browser.get(url_of()).content.decode()
    assert STOP_IT in page
    assert 'name="_save"' not in page
    for act in acts:
        url = url_of(act)
        assert url not in page
        assert browser.post(url, {"confirm": "yes", "note": "x", "typed": "1"}).status_code == 403
    assert is_on(canary)


def test_the_page_of_anybody_else_says_nothing_of_it(browser, boss):
    assert STOP_IT not in browser.get(user_url(boss.pk)).content.decode()


def test_its_sessions_can_be_ended_in_the_admin(browser, canary):
    page = browser.get(user_url(CANARY_ID, "log_out"))
    assert "Log " in text_of(page)
    assert page.status_code == 200


def test_a_client_of_staff_can_not_delete_or_change_it(canary, boss):
    phone = ZapPhone(InProcess())
    assert phone.log_in("boss").status == 200
    path = f"/v1/users/{CANARY_ID}"
    for method, body in (("DELETE", {}), ("PUT", {"username": "other"})):
        assert phone.call(method, path, body, token=phone.access_token).status == 403
    assert is_on(canary)


def test_nobody_gives_it_a_password(canary, monkeypatch):
    monkeypatch.setattr("getpass.getpass", lambda **_: "another-pass-2")
    with pytest.raises(CommandError, match="CANARY_EVERY=0"):
        call_command("changepassword", canary.username)
    assert is_on(canary)


@pytest.mark.parametrize("name", ["Canary", "canary (zapauth)", "ADMIN", "Account (ZapAuth)"])
def test_no_other_app_gets_a_name_of_the_services_own(db, name):
    with pytest.raises(CommandError, match="The service's own apps have these names"):
        call_command("createapp", name)
    assert not App.objects.exists()


def test_zaps_clients_do_not_get_the_app_of_the_canary(canary, settings):
    settings.ZAP_APP = App.objects.get(pk=CANARY_ID).name
    assert [error.id for error in check_zap_app(None)] == ["user_sessions.E002"]
    with pytest.raises(AppInactive):
        get_zap_app()
