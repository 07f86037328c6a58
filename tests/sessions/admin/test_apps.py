"""Apps in the admin: switched off and on, cut off, made, and their keys rotated."""

import hashlib
import hmac
import re
from datetime import timedelta
from functools import partial

import pytest
import time_machine
from django.contrib.auth.models import Permission
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from sessions.bulk.resume import take_up
from sessions.models import BulkRun, EndReason, Session
from tests.phones import BuddyPhone, InProcess, ZapPhone
from tests.sessions.population import new_session
from tests.sessions.staff import app_url, browser_of, new_staff, order_app, told
from users.clients import create_app, get_admin_app, get_app_by_key
from users.errors import BadAppCredentials
from users.models import App, Device, SecurityEvent, User

NEW_KEY = re.compile(r'id="the-key">([\w-]{43})<')
NEW_SECRET = re.compile(r'id="the-secret">([\w-]{43})<')


@pytest.fixture
def boss(db):
    return browser_of(new_staff(name="boss"))


@pytest.fixture
def shop(db):
    return create_app("Shop")


@pytest.fixture
def phone(shop):
    """Ann's phone. It has two sessions: an app-level one, and hers."""
    return BuddyPhone(InProcess(), app_id=shop.app.pk, app_key=shop.key).sign_up("ann")


def accepts(shop, key):
    try:
        return bool(get_app_by_key(shop.app.pk, key, ip="192.0.2.1"))
    except BadAppCredentials:
        return False


# --- Switched off and on, cut off ---------------------------------------------------------------


def test_switching_an_app_off_asks_first_ends_its_sessions_and_is_recorded(boss, shop, phone):
    other = ZapPhone(InProcess()).sign_up()
    page = boss.get(app_url(shop.app, "switch_off"))
    assert "Switch off and end 2 sessions" in page.content.decode()
    assert phone.me().status == 200  # nothing has happened yet
    page = order_app(boss, shop.app, "switch_off", note="Broken release, ticket 4711")
    assert "2 sessions ended" in told(page)
    assert (phone.me().status, other.me().status) == (401, 200)
    run, session, entry = BulkRun.objects.get(), Session.objects.get(user=phone.user_id), only("app_switched_off")
    assert (session.end_reason, session.bulk_run) == (EndReason.APP_SWITCHED_OFF, run)
    assert (run.note, run.expected, run.ended, run.cut_off) == ("Broken release, ticket 4711", 2, 2, True)
    assert (entry.app, entry.actor.username, entry.details["note"]) == (shop.app, "boss", run.note)
    assert entry.details["run"] == str(run.pk)


def only(event):
    return SecurityEvent.objects.get(event=event)


def test_switching_an_app_on_brings_no_session_back(boss, shop, phone):
    order_app(boss, shop.app, "switch_off")
    assert "can log in again" in told(order_app(boss, shop.app, "switch_on"))
    assert phone.me().status == 401
    again = BuddyPhone(InProcess(), app_id=shop.app.pk, app_key=shop.key)
    assert again.log_in("ann").status == 200
    assert again.me().status == 200
    assert phone.me().status == 401


def test_a_session_that_an_earlier_version_left_open_is_not_accepted_when_the_app_is_switched_on(boss, shop, phone):
    App.objects.filter(pk=shop.app.pk).update(is_active=False)  # as the form of earlier versions did
    order_app(boss, shop.app, "switch_on")
    assert phone.me().status == 401


def test_a_large_run_goes_on_with_its_own_reason_even_if_the_app_is_on_again(boss, shop, monkeypatch):
    monkeypatch.setattr("sessions.bulk.resume.AT_ONCE", 2)
    monkeypatch.setattr("sessions.bulk.runs.BATCH", 2)
    for _ in range(5):
        new_session(app=shop.app)
    order_app(boss, shop.app, "switch_off")
    order_app(boss, shop.app, "switch_on")
    later = new_session(app=shop.app)
    take_up(min_age=timedelta(0))
    ended = Session.objects.filter(app=shop.app, ended_at__isnull=False)
    assert {session.end_reason for session in ended} == {"app_switched_off"}
    assert (ended.count(), BulkRun.objects.get().ended) == (5, 5)
    later.refresh_from_db()
    assert later.ended_at is None


@pytest.mark.parametrize("others_are_logged_in", [False, True])
@pytest.mark.parametrize("limit", [0, 5])
def test_a_log_in_that_is_under_way_opens_no_session_of_an_app_that_was_switched_off(
    boss, shop, phone, monkeypatch, others_are_logged_in, limit
):
    App.objects.filter(pk=shop.app.pk).update(sessions_per_user=limit)
    other = phone if others_are_logged_in else BuddyPhone(InProcess(), app_id=shop.app.pk, app_key=shop.key)
    if not others_are_logged_in:
        other.register_device()
    before, last_login = Session.objects.count(), User.objects.get(username="ann").last_login

    def switched_off_meanwhile(user):
        App.objects.filter(pk=shop.app.pk).update(is_active=False, session_epoch=F("session_epoch") + 1)

    monkeypatch.setattr("sessions.login.on_device.require_factor", switched_off_meanwhile)
    assert other.log_in("ann").status == 401
    assert (Session.objects.count(), User.objects.get(username="ann").last_login) == (before, last_login)


def test_a_device_that_registers_meanwhile_gets_no_session_of_an_app_that_was_switched_off(shop, monkeypatch):
    def switched_off_meanwhile(*args, **keywords):
        found = get_app_by_key(*args, **keywords)
        App.objects.filter(pk=shop.app.pk).update(is_active=False, session_epoch=F("session_epoch") + 1)
        return found

    monkeypatch.setattr("zapauth.buddy.viewsets.get_app_by_key", switched_off_meanwhile)
    phone = BuddyPhone(InProcess(), app_id=shop.app.pk, app_key=shop.key)
    refused = phone.register_device().status
    assert refused == BuddyPhone(InProcess(), app_id=shop.app.pk, app_key="wrong").register_device().status
    assert not Session.objects.filter(app=shop.app).exists()
    assert not Device.objects.filter(app=shop.app).exists()


def test_all_sessions_of_an_app_that_were_opened_until_now_are_ended(boss, shop, phone):
    order_app(boss, shop.app, "cut_off", note="Leak")
    assert phone.me().status == 401
    again = BuddyPhone(InProcess(), app_id=shop.app.pk, app_key=shop.key)
    assert again.log_in("ann").status == 200  # the app is on
    assert Session.objects.get(end_reason=EndReason.STAFF, user=phone.user_id).bulk_run.note == "Leak"
    assert only("app_cut_off").app == shop.app


@pytest.mark.parametrize("what", ["switch_off", "cut_off"])
def test_an_order_for_an_app_needs_a_reason_and_the_number_of_many_sessions(boss, shop, phone, settings, what):
    settings.BULK_CONFIRM_OVER = 1
    new_session(app=shop.app)
    assert "This field is required" in order_app(boss, shop.app, what, note=" ", typed="2").content.decode()
    count = Session.objects.filter(app=shop.app, ended_at=None).count()
    text = order_app(boss, shop.app, what, typed="1").content.decode()
    assert f"Type {count}, the number of sessions." in text
    assert re.findall(r'name="(\w+)"[^>]* autofocus', text) == ["typed"]  # the field that is wrong
    assert phone.me().status == 200
    order_app(boss, shop.app, what, typed=str(count))
    assert phone.me().status == 401


def test_sessions_that_are_opened_while_staff_type_do_not_change_the_number(boss, shop, settings):
    settings.BULK_CONFIRM_OVER = 10
    for _ in range(30):
        new_session(app=shop.app)
    question = boss.get(app_url(shop.app, "switch_off")).context["question"]
    new_session(app=shop.app)
    boss.post(question.url, {"token": question.token, "note": "Incident", "typed": "30"})
    assert not Session.objects.filter(app=shop.app, ended_at=None).exists()


def test_a_number_of_another_page_is_not_accepted(boss, shop, phone):
    other = create_app("Other").app
    token = boss.get(app_url(other, "switch_off")).context["question"].token
    for sent in (token, "", "forged"):
        answer = boss.post(app_url(shop.app, "switch_off"), {"note": "x", "token": sent})
        assert answer.status_code == 403
    assert phone.me().status == 200


def test_many_more_sessions_than_the_page_showed_end_nothing(boss, shop, phone):
    question = boss.get(app_url(shop.app, "switch_off")).context["question"]
    for _ in range(5):
        new_session(app=shop.app)
    page = boss.post(question.url, {"note": "x", "token": question.token}, follow=True)
    assert "Nothing was changed" in told(page)
    shop.app.refresh_from_db()
    assert (shop.app.is_active, phone.me().status) == (True, 200)


def test_a_switch_that_somebody_else_was_faster_with_changes_nothing(boss, shop):
    question = boss.get(app_url(shop.app, "switch_off")).context["question"]
    order_app(boss, shop.app, "switch_off")
    answer = boss.post(question.url, {"note": "x", "token": question.token}, follow=True)
    assert "off already" in told(answer)
    assert SecurityEvent.objects.filter(event="app_switched_off").count() == 1


def test_the_admin_cannot_be_switched_off_or_get_a_key_but_be_cut_off(boss):
    admin = get_admin_app()
    for what in ("switch_off", "switch_on", "rotate_key", "end_previous_key"):
        assert boss.get(app_url(admin, what)).status_code == 403
        assert boss.post(app_url(admin, what), {"note": "x"}).status_code == 403
        assert app_url(admin, what) not in boss.get(app_url(admin)).content.decode()
    assert "Your own session in this browser" in boss.get(app_url(admin, "cut_off")).content.decode()
    order_app(boss, admin, "cut_off", note="x")
    assert boss.get("/admin/").status_code == 302  # logged out


def test_operators_end_the_sessions_of_an_app_except_those_of_superusers(boss, shop, phone):
    browser = browser_of(new_staff("Operators", name="olga"))
    of_boss = new_session(app=shop.app, user=User.objects.get(username="boss"))
    page = browser.get(app_url(shop.app)).content.decode()
    assert "End all sessions" in page
    assert not re.search("/switch-off/|/rotate-key/", page)
    for what in ("switch_off", "switch_on", "rotate_key", "end_previous_key"):
        assert browser.get(app_url(shop.app, what)).status_code == 403
    assert "Sessions of superusers go on" in browser.get(app_url(shop.app, "cut_off")).content.decode()
    order_app(browser, shop.app, "cut_off")
    of_boss.refresh_from_db()
    assert (phone.me().status, of_boss.ended_at) == (401, None)
    assert browser.get("/admin/users/app/add/").status_code == 403


def test_supporters_see_apps_and_do_nothing_to_them(shop):
    browser = browser_of(new_staff("Support", name="sven"))
    assert browser.get("/admin/users/app/").status_code == 200
    page = browser.get(app_url(shop.app))
    assert page.status_code == 200
    assert not re.search("/switch-off/|/cut-off/|/rotate-key/", page.content.decode())
    for what in ("switch_off", "cut_off", "rotate_key", "end_previous_key"):
        assert browser.post(app_url(shop.app, what), {"note": "x"}).status_code == 403


def test_who_may_change_apps_but_not_end_everybodys_sessions_switches_none_off(shop):
    viewer = new_staff("Support", name="vera")
    viewer.user_permissions.add(Permission.objects.get(codename="change_app"))
    browser = browser_of(User.objects.get(pk=viewer.pk))
    assert browser.get(app_url(shop.app, "switch_off")).status_code == 403
    assert browser.get(app_url(shop.app, "rotate_key")).status_code == 200


@pytest.mark.parametrize("what", ["switch_off", "switch_on", "cut_off", "rotate_key", "end_previous_key"])
def test_an_app_that_does_not_exist_is_not_found(boss, what):
    for app_id in ("0" * 24, "x", "é"):
        assert boss.get(app_url(App(pk=app_id), what)).status_code == 404


def test_a_form_of_an_app_has_no_switch(boss, shop, phone):
    boss.post(app_url(shop.app), {"is_active": "", "session_lifetime": ""})
    shop.app.refresh_from_db()
    assert shop.app.is_active
    assert phone.me().status == 200


# --- Made, and its key rotated ------------------------------------------------------------------


def test_the_list_of_apps_says_what_each_may_do_for_services(boss, shop):
    App.objects.filter(pk=shop.app.pk).update(token_access="all", push_access="own")
    assert "token: all, push: own" in boss.get("/admin/users/app/").content.decode()


def test_an_app_is_made_and_its_key_is_shown_once(boss):
    sent = {"name": "Till", "session_lifetime": "2 00:00:00", "sessions_per_user": "3"}
    page = boss.post("/admin/users/app/add/", sent)
    (key,) = NEW_KEY.findall(page.content.decode())
    assert "no-store" in page.headers["Cache-Control"]
    app = App.objects.get(name="Till")
    assert (app.session_lifetime, app.idle_timeout, app.sessions_per_user) == (timedelta(days=2), None, 3)
    assert BuddyPhone(InProcess(), app_id=app.pk, app_key=key).sign_up().me().status == 200
    assert key not in boss.get(app_url(app)).content.decode()
    again = boss.post("/admin/users/app/add/", sent)  # the page is loaded again
    assert "an app with this name" in again.content.decode()
    assert SecurityEvent.objects.get(event="app_created", app=app).actor.username == "boss"


def test_a_signed_app_shows_its_secret_too(boss):
    text = boss.post("/admin/users/app/add/", {"name": "Till", "signed": "on"}).content.decode()
    (key,), (secret,) = NEW_KEY.findall(text), NEW_SECRET.findall(text)
    stored = " ".join(map(str, App.objects.filter(name="Till").values_list()[0]))
    assert key not in stored
    assert secret not in stored


@pytest.mark.parametrize("name", ["", "Admin", "admin (zapauth)", "ACCOUNT", "a\nb", "x" * 101, "shop"])
def test_an_app_has_a_name_of_its_own(boss, shop, name):
    before = App.objects.count()
    assert boss.post("/admin/users/app/add/", {"name": name}).status_code == 200
    assert App.objects.count() == before


@pytest.mark.parametrize(
    ("limit", "value"),
    [
        ("session_lifetime", "-1 00:00:00"),
        ("session_lifetime", "0"),
        ("session_lifetime", "00:00:59"),
        ("session_lifetime", "3650 00:00:01"),
        ("session_lifetime", "999999999 00:00:00"),
        ("session_lifetime", "1" + "0" * 30),
        ("idle_timeout", "999999999 00:00:00"),
        ("idle_timeout", "-1"),
        ("sessions_per_user", "-1"),
        ("sessions_per_user", "2147483648"),
    ],
)
def test_a_new_app_takes_no_limit_that_the_form_of_an_app_refuses(boss, limit, value):
    answer = boss.post("/admin/users/app/add/", {"name": "Till", limit: value})
    assert answer.context["form"].errors.keys() == {limit}
    assert not App.objects.filter(name="Till").exists()


def test_a_log_in_works_with_the_longest_limits_that_an_app_can_have(boss):
    sent = {"name": "Till", "session_lifetime": "3650 00:00:00", "idle_timeout": "3650 00:00:00"}
    (key,) = NEW_KEY.findall(boss.post("/admin/users/app/add/", sent).content.decode())
    phone = BuddyPhone(InProcess(), app_id=App.objects.get(name="Till").pk, app_key=key).sign_up()
    assert phone.me().status == 200
    assert "Till" in boss.get("/admin/user_sessions/session/").content.decode()


@pytest.mark.parametrize("limit", ["session_lifetime", "idle_timeout"])
def test_the_form_of_an_app_takes_ten_years_at_most(boss, shop, limit):
    answer = boss.post(app_url(shop.app), {limit: "3651 00:00:00"})
    assert "Choose at most 3650 days" in answer.content.decode()
    shop.app.refresh_from_db()
    assert getattr(shop.app, limit) is None


def rotate(browser, app, **answers):
    """Rotate the key on its page. Returns the new key, the new secret or None, and the page."""
    page = order_app(browser, app, "rotate_key", **{"overlap": "3600"} | answers)
    text = page.content.decode()
    return (NEW_KEY.findall(text) or [None])[0], (NEW_SECRET.findall(text) or [None])[0], page


def test_the_previous_key_works_for_the_chosen_time_and_not_a_second_longer(shop):
    with time_machine.travel("2026-03-01T12:00:00Z", tick=False) as clock:
        key, secret, page = rotate(browser_of(new_staff(name="boss")), shop.app)
        assert secret is None
        assert "no-store" in page.headers["Cache-Control"]
        assert "until 2026-03-01 13:00 UTC" in page.content.decode()
        assert (accepts(shop, shop.key), accepts(shop, key), accepts(shop, "x")) == (True, True, False)
        asks_again = partial(browser_of(User.objects.get(username="boss")).get, app_url(shop.app, "rotate_key"))
        clock.shift(timedelta(seconds=3599))
        assert accepts(shop, shop.key)
        assert "which still works now" in asks_again().content.decode()
        clock.shift(timedelta(seconds=1))
        assert (accepts(shop, shop.key), accepts(shop, key)) == (False, True)
        assert "which still works now" not in asks_again().content.decode()
    entry = only("app_key_rotated")
    assert entry.details == {
        "name": "Shop",
        "note": "Ticket 4711",
        "previous_works_until": "2026-03-01T13:00:00+00:00",
    }


def test_a_key_is_checked_by_one_statement_old_or_new(boss, shop):
    key, _, _ = rotate(boss, shop.app)
    for given in (shop.key, key):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            get_app_by_key(shop.app.pk, given, ip="192.0.2.1")
        assert len([query for query in queries if "users_app" in query["sql"]]) == 1


def test_a_key_that_is_rotated_without_an_overlap_is_refused_at_once(boss, shop):
    key, _, _ = rotate(boss, shop.app, overlap="0")
    assert (accepts(shop, shop.key), accepts(shop, key)) == (False, True)


def test_a_second_rotation_ends_the_key_before_the_previous_one(boss, shop):
    second, _, _ = rotate(boss, shop.app)
    third, _, _ = rotate(boss, shop.app)
    assert [accepts(shop, key) for key in (shop.key, second, third)] == [False, True, True]


def test_the_previous_key_is_ended_by_a_button(boss, shop):
    key, _, _ = rotate(boss, shop.app)
    assert app_url(shop.app, "end_previous_key") in boss.get(app_url(shop.app)).content.decode()
    order_app(boss, shop.app, "end_previous_key")
    assert (accepts(shop, shop.key), accepts(shop, key)) == (False, True)
    assert app_url(shop.app, "end_previous_key") not in boss.get(app_url(shop.app)).content.decode()
    assert only("app_key_ended").app == shop.app
    assert "no previous key" in told(order_app(boss, shop.app, "end_previous_key"))


def test_a_rotation_that_is_sent_again_makes_no_other_key(boss, shop):
    question = boss.get(app_url(shop.app, "rotate_key")).context["question"]
    sent = {"note": "x", "overlap": "3600", **question.hidden}
    (key,) = NEW_KEY.findall(boss.post(question.url, sent).content.decode())
    assert "rotated a moment ago" in told(boss.post(question.url, sent, follow=True))
    assert (accepts(shop, shop.key), accepts(shop, key)) == (True, True)
    assert only("app_key_rotated")


def test_devices_and_sessions_notice_nothing_of_a_rotation(boss, shop, phone):
    rotate(boss, shop.app, overlap="0")
    assert phone.me().status == 200


def test_an_app_without_a_key_gets_none(boss):
    ZapPhone(InProcess()).sign_up()
    app = App.objects.get(name="ZAP")
    assert app_url(app, "rotate_key") not in boss.get(app_url(app)).content.decode()
    page = boss.post(app_url(app, "rotate_key"), {"note": "x", "overlap": "0"}, follow=True)
    assert "has no key" in told(page)
    app.refresh_from_db()
    assert app.key_hash == ""


def signature(secret, text):
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def test_both_shared_secrets_sign_requests_during_the_overlap(db):
    signed = create_app("Signed", signed=True)
    path, text = "/devices/current", f"PATCH\n{signed.app.pk}\n/devices/current"

    def ask(phone, secret):
        headers = {"Authorization": f"Buddy {phone.app_token} {signature(secret, text)}"}
        return phone.send("PATCH", path, headers=headers | {"Content-Type": "application/json"}).status

    with time_machine.travel("2026-03-01T12:00:00Z", tick=False) as clock:
        old = BuddyPhone(InProcess(), app_id=signed.app.pk, app_key=signed.key)
        assert old.register_device().status == 201
        key, secret, _ = rotate(browser_of(new_staff(name="boss")), signed.app)
        new = BuddyPhone(InProcess(), app_id=signed.app.pk, app_key=key)
        # The server proves itself to each with the secret that belongs to its key.
        proof = new.register_device().json["result"]["serverSignature"]
        assert proof == signature(secret, f"{key}\n")
        proof = old.register_device().json["result"]["serverSignature"]
        assert proof == signature(signed.shared_secret, f"{signed.key}\n")
        assert [ask(phone, each) for phone in (old, new) for each in (signed.shared_secret, secret)] == [200] * 4
        assert ask(old, "another") == 401
        clock.shift(timedelta(hours=1))
        assert (ask(old, signed.shared_secret), ask(old, secret)) == (401, 200)


def test_the_present_secret_costs_no_more_statements_than_before(db):
    signed = create_app("Signed", signed=True)
    phone = BuddyPhone(InProcess(), app_id=signed.app.pk, app_key=signed.key)
    phone.register_device()
    good = signature(signed.shared_secret, f"PATCH\n{signed.app.pk}\n/devices/current")
    with CaptureQueriesContext(connection) as queries:
        phone.send("PATCH", "/devices/current", headers={"Authorization": f"Buddy {phone.app_token} {good}"})
    assert not [query for query in queries if "previous_sealed_secret" in query["sql"]]


def test_an_act_on_an_app_asks_for_the_password_after_a_while(shop, settings):
    with time_machine.travel("2026-03-01T12:00:00Z", tick=False) as clock:
        boss = browser_of(new_staff(name="boss"))
        clock.shift(settings.REAUTHENTICATION_WINDOW + timedelta(seconds=1))
        for what in ("switch_off", "cut_off", "rotate_key", "end_previous_key"):
            assert 'name="proof"' in boss.get(app_url(shop.app, what)).content.decode()
            order_app(boss, shop.app, what, overlap="0")
        assert 'name="proof"' in boss.get("/admin/users/app/add/").content.decode()
        assert not App.objects.filter(is_active=False).exists()
        assert accepts(shop, shop.key)


# --- Access of services -------------------------------------------------------------------------

ACCESS = ("token_access", "push_access", "event_access")


def who_changes_apps(name="changer"):
    staff = new_staff("Support", name=name)
    staff.user_permissions.add(
        Permission.objects.get(codename="change_app"), Permission.objects.get(codename="view_app")
    )
    return browser_of(staff)


def test_the_form_says_which_apps_may_get_access(boss, shop):
    page = boss.get(app_url(shop.app)).content.decode()
    about = page.index("a key inside an app on phones is public")
    assert page.index("Access for services") < about < page.index('name="token_access"')


def test_a_superuser_gives_an_app_access_and_it_is_recorded(boss, shop):
    given = {"session_lifetime": "", "idle_timeout": "", "sessions_per_user": ""}
    page = boss.post(app_url(shop.app), given | {"token_access": "all", "push_access": "own", "event_access": "none"})
    assert page.status_code == 302
    shop.app.refresh_from_db()
    assert [getattr(shop.app, name) for name in ACCESS] == ["all", "own", "none"]
    assert only("app_changed").details["changed"]["token_access"] == {"from": "none", "to": "all"}


def test_who_is_no_superuser_switches_an_app_with_access_off_and_not_on_again(shop):
    browser = who_changes_apps()
    User.objects.get(username="changer").user_permissions.add(Permission.objects.get(codename="end_all_sessions"))
    order_app(browser, shop.app, "switch_off")
    assert browser.get(app_url(shop.app, "switch_on")).status_code == 200
    App.objects.filter(pk=shop.app.pk).update(token_access="all")
    assert browser.get(app_url(shop.app, "switch_on")).status_code == 403
    assert "switch-on" not in browser.get(app_url(shop.app)).content.decode()
    App.objects.filter(pk=shop.app.pk).update(is_active=True)
    assert browser.get(app_url(shop.app, "switch_off")).status_code == 200


def test_who_is_no_superuser_gives_no_access_and_rotates_no_key_of_an_app_that_has_some(shop):
    browser = who_changes_apps()
    assert 'name="token_access"' not in browser.get(app_url(shop.app)).content.decode()
    browser.post(app_url(shop.app), {"sessions_per_user": "3", **dict.fromkeys(ACCESS, "all")})
    shop.app.refresh_from_db()
    assert (shop.app.sessions_per_user, shop.app.is_service) == (3, False)
    assert browser.get(app_url(shop.app, "rotate_key")).status_code == 200
    App.objects.filter(pk=shop.app.pk).update(event_access="own")
    assert browser.get(app_url(shop.app, "rotate_key")).status_code == 403
    assert "rotate-key" not in browser.get(app_url(shop.app)).content.decode()
