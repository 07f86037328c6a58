"""Every recorded change, through each door: an entry tells who ordered what, from where, and no secret."""

import json
from datetime import UTC, datetime
from io import StringIO

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.management.commands import changepassword
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.test import Client
from time_machine import travel

from sessions.models import EndReason, Session
from sessions.verification import verify_email
from tests.commands.terminal import manage
from tests.phones import PASSWORD, InProcess, ZapPhone, promote, reset_code_in
from tests.sessions.staff import browser_of, confirm, new_staff, open_form, order_app, tick, user_url
from users.clients import get_admin_app, get_zap_app
from users.directory import change_user
from users.errors import IdentityTaken
from users.models import App, SecurityEvent, User
from users.origin import Origin
from users.record.changes import RECORDED
from users.record.events import Event
from users.reset_codes import Purpose, issue_code

NEW = "battery-staple-2"
HERE = Origin(ip="192.0.2.7")


@pytest.fixture
def boss(db):
    return browser_of(new_staff(name="boss"))


@pytest.fixture
def after_commit(django_capture_on_commit_callbacks):
    return lambda: django_capture_on_commit_callbacks(execute=True)


def events_of(user_id):
    """Return the events of that user since the account was created, oldest first."""
    found = SecurityEvent.objects.filter(user=user_id).exclude(event=Event.LOGIN).order_by("pk")
    return [entry.event for entry in found if entry.event != Event.USER_CREATED]


def only(event):
    return SecurityEvent.objects.get(event=event)


def change(phone, user_id, **fields):
    path, method = (f"/v1/users/{user_id}", "PUT") if phone.dialect == "zap" else (f"/users/{user_id}", "PATCH")
    return phone.ask(method, path, fields)


def path_of(phone, user_id):
    return f"/v1/users/{user_id}" if phone.dialect == "zap" else f"/users/{user_id}"


# --- The story of the issue: staff by the API -----------------------------------------------------


def test_an_operator_who_changes_resets_and_deletes_leaves_three_entries_that_name_them(new_phone, boss):
    operator = promote(new_phone().sign_up(), "users.change_user", "users.delete_user", "user_sessions.end_session")
    ann = User.objects.create_user("ann", PASSWORD, email="ann@example.org")
    assert change(operator, ann.pk, email="new@example.com").status == 200
    otto = browser_of(new_staff("Operators", name="otto"))
    assert otto.post(user_url(ann.pk, "send_reset"), {"note": "ticket 12"}).status_code == 302
    assert operator.ask("DELETE", path_of(operator, ann.pk)).status == 200
    told = [(entry.event, entry.actor_id) for entry in SecurityEvent.objects.filter(user=ann).order_by("pk")]
    otto_id = User.objects.get(username="otto").pk
    assert told == [
        (Event.EMAIL_CHANGED, operator.user_id),
        (Event.RESET_ASKED, otto_id),
        (Event.USER_DELETED, operator.user_id),
    ]
    entry = only(Event.USER_DELETED)
    assert (entry.ip, entry.session_id) == ("127.0.0.1", Session.objects.get(user=operator.user_id).pk)
    assert entry.request_id


# --- Users --------------------------------------------------------------------------------------


def test_a_registration_is_recorded_as_the_users_own(new_phone):
    phone = new_phone().sign_up()
    entry = only(Event.USER_CREATED)
    assert (entry.user_id, entry.actor_id, entry.ip) == (phone.user_id, phone.user_id, "127.0.0.1")


@pytest.mark.only("zap")
def test_a_registration_by_staff_names_them(new_phone):
    staff = promote(new_phone().sign_up(), "users.add_user")
    body = {"username": "ben", "email": "ben@example.org", "password": PASSWORD}
    assert staff.ask("POST", "/v1/users", body).status == 201
    assert SecurityEvent.objects.get(user__username="ben").actor_id == staff.user_id


@pytest.mark.only("zap")
def test_each_field_of_an_account_has_its_event_with_old_and_new_values(new_phone):
    staff = promote(new_phone().sign_up(), "users.change_user")
    ann = User.objects.create_user("ann", PASSWORD, email="ann@example.org", phone_number="+15550100", name="Ann")
    fields = {"email": "new@example.org", "phoneNumber": "+15550199", "username": "anna", "name": "Anna", "roleId": 7}
    assert change(staff, ann.pk, **fields).status == 200
    changed = {entry.event: entry.details["changed"] for entry in SecurityEvent.objects.filter(user=ann)}
    assert changed == {
        Event.EMAIL_CHANGED: {"email": {"from": "a***@example.org", "to": "n***@example.org"}},
        Event.PHONE_CHANGED: {"phone_number": {"from": "***00", "to": "***99"}},
        Event.USERNAME_CHANGED: {"username": {"from": "ann", "to": "anna"}},
        Event.NAME_CHANGED: {"name": {"from": "Ann", "to": "Anna"}},
        Event.ROLE_CHANGED: {"role_id": {"from": None, "to": "7"}},
    }


@pytest.mark.only("zap")
def test_values_that_stay_and_refused_changes_leave_no_entry(new_phone):
    User.objects.create_user("taken")
    phone = new_phone().sign_up("ann")
    assert change(phone, phone.user_id, username="ann", email="ann@example.org", name="").status == 200
    assert change(phone, phone.user_id, username="taken", name="Other").status == 422
    assert events_of(phone.user_id) == []


@pytest.mark.only("buddy")
def test_a_location_that_staff_change_is_recorded_without_its_value_and_ones_own_is_not(new_phone):
    phone, staff = new_phone().sign_up(), promote(new_phone().sign_up(), "users.change_user")
    for who, location in ((phone, "48.2,16.3"), (staff, "47.1,15.4")):
        assert change(who, phone.user_id, location=location, tag="t").status == 200
    entry = only(Event.PROFILE_CHANGED)
    assert (entry.actor_id, entry.details) == (staff.user_id, {"fields": ["latitude", "longitude"]})


# A value that each recorded column can change to. A new column of `RECORDED` needs one.
OTHER = dict.fromkeys(RECORDED, "x") | {
    "email": "x@example.org",
    "new_email": "y@example.org",
    "email_verified": True,
    "phone_number": "+49",
    "is_staff": True,
    "is_superuser": True,
    "is_active": False,
    "date_of_birth": datetime(2001, 1, 1, tzinfo=UTC),
    "latitude": 1.0,
    "longitude": 1.0,
    "gender": "female",
}
# Columns of a user whose changes need no entry: they are set by log-ins, orders and triggers, which have their own.
UNRECORDED = {
    *("id", "password", "last_login", "ip_addresses", "user_agents", "session_epoch", "sessions_valid_after"),
    *("password_changed_at", "created_at", "updated_at", "deleted_at", "second_factor_since"),
}


def test_every_column_of_a_user_is_recorded_or_known_not_to_be():
    columns = {field.name for field in User._meta.concrete_fields}
    assert columns - UNRECORDED == set(RECORDED)


@pytest.mark.parametrize("column", [name for name in RECORDED if name != "email_verified"])
def test_a_change_of_each_recorded_column_leaves_an_entry(db, column):
    user = User.objects.create_user("ann")
    change_user(user, by={"origin": HERE}, **{column: OTHER[column]})
    entry = SecurityEvent.objects.get()
    assert (entry.user, entry.ip) == (user, HERE.ip)
    change_user(user, by={"origin": HERE}, **{column: OTHER[column]})
    assert SecurityEvent.objects.count() == 1


def test_a_rolled_back_change_leaves_no_entry(db):
    User.objects.create_user("taken")
    ann = User.objects.create_user("ann")
    with pytest.raises(IdentityTaken):
        change_user(ann, by={}, name="Ann", username="TAKEN")
    assert not SecurityEvent.objects.exists()


def test_verifying_an_email_is_recorded(db):
    ann = User.objects.create_user("ann", email="ann@example.org", new_email="new@example.com")
    verify_email("new@example.com", code=issue_code(ann, purpose=Purpose.EMAIL), origin=HERE)
    entry = only(Event.EMAIL_VERIFIED)
    assert (entry.actor, entry.ip) == (ann, HERE.ip)
    assert entry.details == {"email": "n***@example.com", "replaced": "a***@example.org"}


# --- Passwords ----------------------------------------------------------------------------------


def test_a_reset_is_recorded_when_it_is_asked_and_when_it_is_used(new_phone, mailoutbox):
    phone = new_phone().sign_up("ann")
    User.objects.update(email="ann@example.org", email_verified=False)
    mailoutbox.clear()
    ask = {"zap": ("/v1/otp/forgotPassword", "identity"), "buddy": ("/users/password", "username")}
    path, name = ask[phone.dialect]
    for whose in ("ann", "nobody"):
        assert phone.call("POST", path, {name: whose}, token=getattr(phone, "app_token", None)).status == 200
    User.objects.filter(username="ann").update(new_email="new@example.com")
    code = reset_code_in(mailoutbox[-1])
    if phone.dialect == "zap":
        body = {"identity": "ann", "otp": code, "newPassword": NEW}
        assert phone.call("POST", "/v1/forgotPassword", body).status == 200
    else:
        body = {"username": "ann", "resetCode": code, "newPassword": NEW}
        assert phone.call("PATCH", "/users/password", body, token=phone.app_token).status == 200
    assert events_of(phone.user_id) == [Event.RESET_ASKED, Event.EMAIL_VERIFIED, Event.RESET_USED]
    assert SecurityEvent.objects.filter(event=Event.RESET_ASKED).count() == 1
    assert only(Event.RESET_USED).details == {"dropped_email": "n***@example.com"}


@pytest.mark.only("zap")
def test_a_wrong_reset_code_is_recorded(new_phone):
    phone = new_phone().sign_up("ann")
    body = {"identity": "ann", "otp": "3f9a 1c07 b2e4", "newPassword": NEW}
    assert phone.call("POST", "/v1/forgotPassword", body).status == 422
    assert events_of(phone.user_id) == [Event.RESET_REFUSED]


@pytest.mark.only("zap")
def test_a_password_change_and_a_wrong_old_password_are_recorded(new_phone):
    phone = new_phone().sign_up("ann")
    body = {"userId": phone.user_id, "email": "ann@example.org", "newPassword": NEW}
    assert phone.ask("POST", "/v1/changePassword", body | {"oldPassword": "wrong-1-word"}).status == 422
    assert phone.ask("POST", "/v1/changePassword", body | {"oldPassword": PASSWORD}).status == 200
    assert events_of(phone.user_id) == [Event.PASSWORD_REFUSED, Event.PASSWORD_CHANGED]
    assert only(Event.PASSWORD_CHANGED).actor_id == phone.user_id


def test_a_password_set_by_command_names_the_operator(db, monkeypatch):
    ann = User.objects.create_user("ann", PASSWORD)
    monkeypatch.setattr(changepassword.getpass, "getpass", lambda **_: NEW)
    call_command("changepassword", "ann", stdout=StringIO())
    entry = only(Event.PASSWORD_CHANGED)
    assert (entry.user, entry.actor) == (ann, None)
    assert "@" in entry.operator


def test_a_superuser_made_by_command_names_the_operator(db, monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", NEW)
    call_command("createsuperuser", "--noinput", "--username", "Boss", stdout=StringIO())
    entry = only(Event.USER_CREATED)
    assert (entry.user.username, entry.details) == ("Boss", {"superuser": True})
    assert "@" in entry.operator


# --- Log-ins ------------------------------------------------------------------------------------


def test_a_refused_log_in_is_recorded_with_its_reason(new_phone):
    phone = new_phone().sign_up("ann")
    log_in(phone, "ann", "wrong-1-word")
    User.objects.update(is_active=False)
    log_in(phone, "ann", PASSWORD)
    entries = SecurityEvent.objects.filter(event=Event.LOGIN_REFUSED, user=phone.user_id).order_by("pk")
    assert [entry.details["reason"] for entry in entries] == ["known_place", "disabled"]
    assert {(entry.outcome, entry.ip, entry.actor) for entry in entries} == {("refused", "127.0.0.1", None)}
    assert all(entry.request_id for entry in entries)


def test_what_was_typed_for_an_unknown_user_is_not_stored(new_phone):
    phone = new_phone()
    phone.sign_up()
    log_in(phone, "My-secret-1", PASSWORD)
    entry = only(Event.LOGIN_REFUSED)
    assert (entry.user, entry.details) == (None, {"reason": "unknown_user"})
    assert "secret" not in json.dumps(list(SecurityEvent.objects.values("details", "user_agent", "operator")))


def test_a_lock_out_is_one_entry_however_many_attempts_follow(new_phone, settings):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"login_known": (2, 600), "login": (2, 600)}
    phone = new_phone().sign_up("ann")
    assert [log_in(phone, "ann", "wrong-1-word").status for _ in range(6)] == [401, 401, 429, 429, 429, 429]
    assert events_of(phone.user_id) == [Event.LOGIN_REFUSED, Event.LOGIN_REFUSED, Event.LOCKED_OUT]
    assert only(Event.LOCKED_OUT).details == {"allowance": "login_known"}


def test_a_budget_that_is_used_up_is_one_entry_about_nobody(db, settings):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"login_everybody": (2, 3600)}
    for number in range(6):
        log_in(ZapPhone(InProcess()), f"user_{number}", PASSWORD)
    entry = only(Event.LOCKED_OUT)
    assert (entry.user, entry.details) == (None, {"allowance": "login_everybody"})


def test_a_log_in_on_a_new_device_is_recorded_and_a_second_one_there_is_not(new_phone):
    phone = new_phone().sign_up("ann")
    phone.log_in("ann")
    phone.log_in("ann")
    assert events_of(phone.user_id) == []
    Session.objects.filter(user=phone.user_id).update(ip="192.0.2.1", user_agent="another", device=None)
    phone.log_in("ann")
    phone.log_in("ann")
    assert events_of(phone.user_id) == [Event.NEW_DEVICE]
    assert Session.objects.get(pk=only(Event.NEW_DEVICE).session_id).user_id == phone.user_id


@pytest.mark.only("zap")
def test_a_refresh_token_that_is_used_twice_is_recorded_once(new_phone, settings):
    settings.ROTATE_REFRESH_TOKENS = True
    phone = new_phone().sign_up("ann")
    used = phone.refresh_token
    assert phone.refresh().status == 200
    with travel(Session.objects.get().last_seen_at + 2 * settings.REFRESH_GRACE):
        for _ in range(2):
            assert phone.call("POST", "/v1/refresh", {"refreshToken": used}).status == 401
    entry = only(Event.REFRESH_REUSED)
    assert (entry.user_id, entry.session_id, entry.outcome) == (phone.user_id, Session.objects.get().pk, "refused")
    assert Session.objects.get().end_reason == EndReason.REFRESH_REUSED


def test_a_wrong_password_in_the_admin_is_recorded_with_its_address(boss):
    form = {"username": "boss", "password": "wrong-1-word"}
    assert Client().post("/admin/login/", form, headers={"user-agent": "Odd/1"}).status_code == 200
    entry = only(Event.LOGIN_REFUSED)
    assert (entry.user.username, entry.ip, entry.user_agent) == ("boss", "127.0.0.1", "Odd/1")


# --- Staff in the admin --------------------------------------------------------------------------


def test_the_form_of_a_user_leaves_an_entry_for_each_kind_of_change(boss):
    ann, group = User.objects.create_user("ann", PASSWORD), Group.objects.get(name="Support")
    permission = Permission.objects.get(codename="view_device")
    sent = {"name": "Ann", "is_staff": "on", "groups": [str(group.pk)], "user_permissions": [str(permission.pk)]}
    form = open_form(boss, user_url(ann.pk))
    form.pop("is_active")
    assert boss.post(user_url(ann.pk), form | sent).status_code == 302
    entries = SecurityEvent.objects.filter(user=ann).order_by("pk")
    assert {entry.actor.username for entry in entries} == {"boss"}
    assert {entry.ip for entry in entries} == {"127.0.0.1"}
    changed = [(entry.event, entry.details.get("changed")) for entry in entries]
    assert changed == [
        (Event.NAME_CHANGED, {"name": {"from": "", "to": "Ann"}}),
        (Event.RIGHTS_CHANGED, {"is_staff": {"from": False, "to": True}}),
        (Event.USER_DISABLED, None),
        (Event.GROUPS_CHANGED, {"groups": {"added": ["Support"]}}),
        (Event.RIGHTS_CHANGED, {"user_permissions": {"added": ["users.view_device"]}}),
    ]
    assert boss.post(user_url(ann.pk), open_form(boss, user_url(ann.pk)) | {"is_active": "on"}).status_code == 302
    assert events_of(ann.pk)[-1] == Event.USER_ENABLED
    assert not LogEntry.objects.exists()


def test_a_user_added_in_the_admin_names_the_staff(boss):
    assert boss.post("/admin/users/user/add/", {"username": "ann", "email": ""}).status_code == 302
    entry = only(Event.USER_CREATED)
    assert (entry.user.username, entry.actor.username) == ("ann", "boss")


def test_apps_are_recorded_when_they_are_made_changed_and_switched(boss):
    manage_app = "createapp Shop --json --signed"
    call_command(*manage_app.split(), stdout=StringIO())
    app = App.objects.get(name="Shop")
    made = SecurityEvent.objects.get(app=app)
    assert (made.app, made.details) == (app, {"name": "Shop", "signed": True})
    assert "@" in made.operator
    url = f"/admin/users/app/{app.pk}/change/"
    form = open_form(boss, url)
    order_app(boss, app, "switch_off", note="Broken release")
    assert boss.post(url, form | {"sessions_per_user": "3"}).status_code == 302
    order_app(boss, app, "switch_on")
    entries = SecurityEvent.objects.filter(app=app, actor__username="boss").order_by("pk")
    events = [Event.BULK_ORDER, Event.APP_SWITCHED_OFF, Event.APP_CHANGED, Event.APP_SWITCHED_ON]
    assert [entry.event for entry in entries] == events
    assert {entry.details["note"] for entry in entries[:2]} == {"Broken release"}
    assert entries[2].details["changed"] == {"sessions_per_user": {"from": None, "to": 3}}


def test_apps_that_are_made_on_first_use_are_recorded_once(db):
    for _ in range(2):
        assert {get_zap_app().pk, get_admin_app().pk} == set(App.objects.values_list("pk", flat=True))
    assert set(SecurityEvent.objects.values_list("event", "app__name")) == {
        (Event.APP_CREATED, "ZAP"),
        (Event.APP_CREATED, "Admin"),
    }
    assert SecurityEvent.objects.count() == 2


def test_groups_are_recorded_when_they_are_made_changed_and_deleted(boss):
    permission = Permission.objects.get(codename="view_device")
    assert boss.post("/admin/auth/group/add/", {"name": "Desk", "permissions": [permission.pk]}).status_code == 302
    group = Group.objects.get(name="Desk")
    url = f"/admin/auth/group/{group.pk}"
    assert boss.post(f"{url}/change/", {"name": "Desk 2", "permissions": []}).status_code == 302
    assert boss.post(f"{url}/delete/", {"note": "Ticket 4711"}).status_code == 302
    entries = SecurityEvent.objects.filter(event__startswith="group_").order_by("pk")
    assert [(entry.event, entry.details["group"], entry.actor.username) for entry in entries] == [
        (Event.GROUP_CREATED, group.pk, "boss"),
        (Event.GROUP_CHANGED, group.pk, "boss"),
        (Event.GROUP_DELETED, group.pk, "boss"),
    ]
    assert entries[1].details["changed"] == {
        "name": {"from": "Desk", "to": "Desk 2"},
        "permissions": {"removed": ["users.view_device"]},
    }
    assert not LogEntry.objects.exists()


# --- Orders -------------------------------------------------------------------------------------


@pytest.mark.only("zap")
def test_staff_who_end_sessions_by_the_api_leave_one_entry(new_phone):
    staff = promote(new_phone().sign_up(), "user_sessions.end_session")
    for end in (
        lambda user_id, _: staff.ask("GET", f"/v1/users/logout/{user_id}"),
        lambda user_id, _: staff.ask("POST", f"/v1/users/{user_id}/sessions/logout", {"scope": "all"}),
        lambda user_id, session: staff.ask("DELETE", f"/v1/users/{user_id}/sessions/{session.pk}"),
    ):
        phone = new_phone().sign_up()
        assert end(phone.user_id, Session.objects.get(user=phone.user_id)).status == 200
        (entry,) = SecurityEvent.objects.filter(user=phone.user_id, event=Event.SESSIONS_ENDED)
        assert (entry.actor_id, entry.details) == (staff.user_id, {"count": 1})
        assert phone.me().status == 401


@pytest.mark.only("zap")
def test_a_users_own_logout_leaves_no_entry_because_the_session_says_it(new_phone):
    phone = new_phone().sign_up()
    phone.log_out()
    assert events_of(phone.user_id) == []


def test_a_bulk_order_is_one_entry_and_about_the_user_if_there_is_only_one(boss):
    phones = [ZapPhone(InProcess()).sign_up() for _ in range(3)]
    ids = [str(session.pk) for session in Session.objects.filter(user__in=[phone.user_id for phone in phones])]
    confirm(boss, tick(boss, "log_out", ids), note="lost laptops of ann@example.org", confirmed="yes")
    entry = only(Event.BULK_ORDER)
    assert (entry.user, entry.actor.username, entry.details["expected"]) == (None, "boss", 3)
    assert all(phone.me().status == 401 for phone in phones)
    phones[0].log_in(User.objects.get(pk=phones[0].user_id).username)
    assert boss.post(user_url(phones[0].user_id, "log_out"), {"note": ""}).status_code == 302
    assert events_of(phones[0].user_id) == [Event.BULK_ORDER]
    phones[1].log_in(User.objects.get(pk=phones[1].user_id).username)
    assert manage(f"logout --user {phones[1].user_id}").code == 0
    (entry,) = SecurityEvent.objects.filter(user=phones[1].user_id, event=Event.BULK_ORDER)
    assert "@" in entry.operator


# --- What no entry holds -------------------------------------------------------------------------


def test_no_address_and_no_secret_is_in_any_entry(boss, settings, mailoutbox, after_commit):
    note = "called from +15550100, ann@example.org"
    with after_commit():
        phone = ZapPhone(InProcess(), device_token="push of ann").sign_up("ann")
        change(phone, phone.user_id, email="other@example.com", phoneNumber="+15550123", name="x ann@example.net")
        log_in(phone, "ann@example.org", "wrong-1-word")
        boss.post(user_url(phone.user_id, "send_reset"), {"note": note})
    with after_commit():
        boss.post(user_url(phone.user_id, "disable"), {"note": note})
    entries = json.dumps([entry.details for entry in SecurityEvent.objects.all()])
    assert SecurityEvent.objects.count() >= 7
    code = reset_code_in(next(mail for mail in mailoutbox if "reset" in mail.subject))
    secrets = [PASSWORD, "wrong-1-word", "push of ann", phone.access_token, phone.refresh_token, code]
    addresses = ["ann@example", "other@example", "+1555", "5550100", "5550123"]
    for text in (*secrets, *addresses, code.replace(" ", "")):
        assert text not in entries, text


def log_in(phone, name, password):
    if phone.dialect == "zap":
        return phone.call("POST", "/v1/login", {"identity": name, "password": password})
    return phone.call("POST", "/users/login", {"username": name, "password": password}, token=phone.app_token)
