"""Changes by staff to other accounts: who is told, what is recorded, what stays."""

from datetime import UTC, datetime
from io import StringIO

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.management.commands import changepassword
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command

from sessions.admin.apps import AppAdmin
from sessions.admin.users import UserAdmin
from tests.phones import PASSWORD, InProcess, ZapPhone, new_name, promote, reset_code_in
from tests.sessions.staff import LIST, browser_of, new_staff, open_form, told, user_url
from users.models import App, OneTimeCode, SecurityEvent, User
from users.record.events import Event

NEW = "battery-staple-2"


@pytest.fixture
def boss(db):
    return browser_of(new_staff(name="boss"))


@pytest.fixture
def after_commit(django_capture_on_commit_callbacks):
    """Run the block, then the functions that wait for the commit."""
    return lambda: django_capture_on_commit_callbacks(execute=True)


def send_reset(browser, user, note=""):
    return browser.post(user_url(user.pk, "send_reset"), {"note": note}, follow=True)


def change(phone, user_id, **fields):
    path, method = (f"/v1/users/{user_id}", "PUT") if phone.dialect == "zap" else (f"/users/{user_id}", "PATCH")
    return phone.ask(method, path, fields)


# --- Whoever is changed is told ------------------------------------------------------------------


def test_a_user_whose_email_staff_change_is_told_at_the_old_address(new_phone, mailoutbox, after_commit):
    staff = promote(new_phone().sign_up(), "users.change_user")
    link = "https://example.com/x"
    ann = User.objects.create_user(new_name(), email="ann@example.org", first_name=link, name=link)
    with after_commit():
        assert change(staff, ann.pk, email="thief@example.org", username="ann2").status == 200
    (mail,) = [mail for mail in mailoutbox if mail.to == ["ann@example.org"]]
    assert "our staff changed your ZapAuth account" in mail.body
    assert "Another email address was set. It takes the place of this one when it is verified." in mail.body
    assert "The user name was changed." in mail.body
    assert "If it was not you" in mail.body
    for supplied in (link, "thief", "ann2"):
        assert supplied not in mail.subject + mail.body
    # The new address gets a code. It counts once it is verified.
    assert {address for mail in mailoutbox for address in mail.to} == {"ann@example.org", "thief@example.org"}
    ann.refresh_from_db()
    assert ann.email == "ann@example.org"


def test_a_change_by_staff_is_on_record_with_masked_addresses(new_phone):
    staff = promote(new_phone().sign_up(), "users.change_user")
    ann = User.objects.create_user(new_name(), email="ann@example.org")
    assert change(staff, ann.pk, email="ann@example.com", username=ann.username).status == 200
    entry = SecurityEvent.objects.get(user=ann)
    assert (entry.event, entry.actor_id) == (Event.EMAIL_CHANGED, staff.user_id)
    assert entry.details["changed"] == {"email": {"from": "a***@example.org", "to": "a***@example.com"}}


def test_a_change_of_ones_own_names_nobody_else(new_phone):
    phone = new_phone().sign_up()
    assert change(phone, phone.user_id, email="ann@example.com").status == 200
    assert SecurityEvent.objects.get(event=Event.EMAIL_CHANGED).actor_id == phone.user_id


def test_what_identifies_nobody_is_changed_without_a_mail(new_phone, mailoutbox, after_commit):
    staff = promote(new_phone().sign_up(), "users.change_user")
    ann = User.objects.create_user(new_name(), email="ann@example.org")
    with after_commit():
        fields = {"name": "Ann"} if staff.dialect == "zap" else {"firstName": "Ann"}
        assert change(staff, ann.pk, **fields).status == 200
    assert mailoutbox == []
    assert SecurityEvent.objects.get(user=ann).event == Event.NAME_CHANGED


def test_a_deletion_is_on_record_with_the_person_who_ordered_it(new_phone):
    staff = promote(new_phone().sign_up(), "users.delete_user")
    ann, ben = User.objects.create_user(new_name()), new_phone().sign_up()
    for phone, user_id in ((staff, ann.pk), (ben, ben.user_id)):
        path = f"/v1/users/{user_id}" if phone.dialect == "zap" else f"/users/{user_id}"
        assert phone.ask("DELETE", path).status == 200
    deleted = SecurityEvent.objects.filter(event=Event.USER_DELETED).values_list("user", "actor")
    assert set(deleted) == {(ann.pk, staff.user_id), (ben.user_id, ben.user_id)}


def test_the_admin_tells_the_old_address_too_and_the_new_one_is_not_verified(operator, mailoutbox, after_commit):
    ann = User.objects.create_user("ann", PASSWORD, email="ann@example.org", email_verified=True)
    form = open_form(operator, user_url(ann.pk)) | {"email": "new@example.org", "email_verified": "on"}
    with after_commit():
        assert operator.post(user_url(ann.pk), form).status_code == 302
    (mail,) = [mail for mail in mailoutbox if mail.to == ["ann@example.org"]]
    assert "Another email address was set." in mail.body
    ann.refresh_from_db()
    assert (ann.email, ann.new_email) == ("ann@example.org", "new@example.org")
    assert SecurityEvent.objects.get(user=ann).event == Event.EMAIL_CHANGED
    assert not LogEntry.objects.exists()


def test_a_user_whose_password_an_operator_sets_by_command_is_told(db, monkeypatch, mailoutbox, after_commit):
    User.objects.create_user("ann", PASSWORD, email="ann@example.org")
    monkeypatch.setattr(changepassword.getpass, "getpass", lambda **_: NEW)
    with after_commit():
        call_command("changepassword", "ann", stdout=StringIO())
    (mail,) = mailoutbox
    assert "our staff changed your ZapAuth account" in mail.body
    assert "The password was changed." in mail.body


# --- A reset code instead of a password ----------------------------------------------------------


def test_staff_send_a_reset_code_which_the_user_alone_sees(operator, mailoutbox, after_commit):
    phone = ZapPhone(InProcess()).sign_up("ann")
    ann = User.objects.get(username="ann")
    page = operator.get(user_url(ann.pk))
    assert "Send reset code" in page.content.decode()
    assert "password" not in page.context["adminform"].form.fields
    question = operator.get(user_url(ann.pk, "send_reset"))
    assert "Send ann a reset code?" in question.content.decode()
    assert mailoutbox == []
    with after_commit():
        page = send_reset(operator, ann, note="On the phone, ticket 12")
    (mail,) = mailoutbox
    assert mail.to == ["ann@example.org"]
    code = reset_code_in(mail)
    assert code not in page.content.decode()
    assert "on its way to ann@example.org" in told(page)
    entry = SecurityEvent.objects.get(event=Event.RESET_ASKED)
    assert (entry.actor.username, entry.details["note"]) == ("olga", "On the phone, ticket 12")
    assert phone.me().status == 200
    body = {"identity": "ann", "otp": code, "newPassword": NEW}
    assert phone.call("POST", "/v1/forgotPassword", body).status == 200
    assert phone.me().status == 401


def test_a_user_without_an_email_gets_no_code_and_staff_are_told_so(operator, mailoutbox, after_commit):
    ann = User.objects.create_user("ann", PASSWORD)
    for ask in (lambda: operator.get(user_url(ann.pk, "send_reset"), follow=True), lambda: send_reset(operator, ann)):
        with after_commit():
            assert "ann has no email. No reset code was sent." in told(ask())
    assert mailoutbox == []
    assert not SecurityEvent.objects.filter(user=ann).exists()


def test_a_disabled_user_gets_no_code(operator):
    ann = User.objects.create_user("ann", PASSWORD, email="ann@example.org", is_active=False)
    assert "disabled" in told(send_reset(operator, ann))
    assert not OneTimeCode.objects.exists()


def test_codes_that_staff_send_count_for_the_staff_and_not_for_the_user(operator, settings, mailoutbox, after_commit):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {
        "reset_staff": (2, 600),
        "reset": (1, 600),
        "reset_known": (1, 600),
    }
    users = [User.objects.create_user(f"u{n}", PASSWORD, email=f"u{n}@example.org") for n in range(3)]
    with after_commit():
        pages = [send_reset(operator, user) for user in users]
    assert [mail.to for mail in mailoutbox] == [["u0@example.org"], ["u1@example.org"]]
    assert "Try again in 10 min" in told(pages[2])
    with after_commit():  # a colleague may do it, and so may the user
        send_reset(browser_of(new_staff("Operators", name="otto")), users[2])
        body = {"identity": "u0"}
        assert ZapPhone(InProcess()).call("POST", "/v1/otp/forgotPassword", body).status == 200
    assert sorted(mail.to for mail in mailoutbox[2:]) == [["u0@example.org"], ["u2@example.org"]]


def test_a_user_added_in_the_admin_has_no_password_and_is_mailed_a_code(boss, mailoutbox, after_commit):
    form = boss.get("/admin/users/user/add/").context["adminform"].form
    assert set(form.fields) == {"username", "email", "name"}
    passwords = {"password1": NEW, "password2": NEW, "password": NEW}
    with after_commit():
        page = boss.post("/admin/users/user/add/", {"username": "ann", "email": "ann@example.org"} | passwords)
    assert page.status_code == 302
    ann = User.objects.get(username="ann")
    assert not ann.has_usable_password()
    (mail,) = mailoutbox
    phone = ZapPhone(InProcess())
    body = {"identity": "ann@example.org", "otp": reset_code_in(mail), "newPassword": PASSWORD}
    assert phone.call("POST", "/v1/forgotPassword", body).status == 200
    assert phone.log_in("ann").status == 200


def test_a_user_added_without_an_email_is_added_and_staff_are_told(boss, mailoutbox):
    page = boss.post("/admin/users/user/add/", {"username": "ann", "email": ""}, follow=True)
    assert "ann has no email" in told(page)
    assert not User.objects.get(username="ann").has_usable_password()
    assert mailoutbox == []


@pytest.mark.parametrize(("field", "value"), [("username", "ANN"), ("email", "Ann@Example.org")])
def test_a_taken_name_or_email_is_said_on_the_form(boss, field, value):
    User.objects.create_user("ann", PASSWORD, email="ann@example.org")
    page = boss.post("/admin/users/user/add/", {"username": "ben", "email": "ben@example.org"} | {field: value})
    assert page.status_code == 200
    assert User.objects.filter(username="ben").count() == 0
    assert page.context["adminform"].form.errors


# --- Forms save what somebody changed ------------------------------------------------------------


def test_a_password_changed_while_a_user_form_is_saved_stays(boss, monkeypatch):
    ann = User.objects.create_user("ann", PASSWORD)
    form = open_form(boss, user_url(ann.pk)) | {"name": "Ann"}
    load = UserAdmin.save_form

    def meanwhile(self, *args, **kwargs):
        changed = User.objects.get(pk=ann.pk)
        changed.set_password(NEW)
        changed.sessions_valid_after = datetime(2026, 1, 1, tzinfo=UTC)
        changed.save()
        return load(self, *args, **kwargs)

    monkeypatch.setattr(UserAdmin, "save_form", meanwhile)
    assert boss.post(user_url(ann.pk), form).status_code == 302
    ann.refresh_from_db()
    assert ann.name == "Ann"
    assert ann.check_password(NEW)
    assert ann.sessions_valid_after == datetime(2026, 1, 1, tzinfo=UTC)


def test_what_others_changed_while_a_user_form_was_open_stays(boss):
    ann, group = User.objects.create_user("ann", PASSWORD, email="ann@example.org"), Group.objects.first()
    form = open_form(boss, user_url(ann.pk)) | {"name": "Ann"}
    User.objects.filter(pk=ann.pk).update(email="new@example.org", is_active=False)
    ann.groups.add(group)
    assert boss.post(user_url(ann.pk), form).status_code == 302
    ann.refresh_from_db()
    assert (ann.name, ann.email, ann.is_active) == ("Ann", "new@example.org", False)
    assert list(ann.groups.all()) == [group]
    assert SecurityEvent.objects.get(user=ann).event == Event.NAME_CHANGED


def test_groups_and_fields_are_changed_by_a_form_that_changes_them(boss):
    ann, group = User.objects.create_user("ann", PASSWORD), Group.objects.get(name="Support")
    form = open_form(boss, user_url(ann.pk)) | {"groups": [str(group.pk)], "is_staff": "on"}
    assert boss.post(user_url(ann.pk), form).status_code == 302
    ann.refresh_from_db()
    assert (ann.is_staff, [*ann.groups.all()]) == (True, [group])


def test_an_apps_cut_off_is_shown_and_not_saved(boss, monkeypatch):
    app = App.objects.create(name="Shop", sessions_valid_after=datetime(2026, 1, 1, 12, 0, 0, 5, tzinfo=UTC))
    url = f"/admin/users/app/{app.pk}/change/"
    form = open_form(boss, url)
    assert not [name for name in form if "sessions_valid_after" in name]
    later, load = datetime(2026, 2, 2, tzinfo=UTC), AppAdmin.save_form

    def meanwhile(self, *args, **kwargs):
        App.objects.filter(pk=app.pk).update(sessions_valid_after=later, is_active=False)
        return load(self, *args, **kwargs)

    monkeypatch.setattr(AppAdmin, "save_form", meanwhile)
    assert boss.post(url, form | {"sessions_per_user": "3"}).status_code == 302
    app.refresh_from_db()
    assert (app.sessions_per_user, app.sessions_valid_after, app.is_active) == (3, later, False)


# --- Nobody changes their own powers, and who is no staff any more has none ----------------------


def test_superusers_cannot_change_their_own_powers_role_or_activity(boss):
    me = User.objects.get(username="boss")
    fields = {"is_staff", "is_superuser", "groups", "user_permissions", "role_id", "is_active"}
    assert not fields & set(boss.get(user_url(me.pk)).context["adminform"].form.fields)
    sent = {"username": "boss", "name": "Boss", "role_id": "7", "groups": [str(Group.objects.first().pk)]}
    assert boss.post(user_url(me.pk), sent).status_code == 302
    me.refresh_from_db()
    assert (me.name, me.is_staff, me.is_superuser, me.is_active) == ("Boss", True, True, True)
    assert (me.role_id, me.groups.count()) == (None, 0)


@pytest.mark.parametrize("flag", ["is_staff", "is_superuser"])
def test_staff_and_superusers_cannot_set_their_own_role_id_by_the_api(db, flag):
    phone = promote(ZapPhone(InProcess()).sign_up(), "users.change_user")
    User.objects.filter(pk=phone.user_id).update(**{flag: True})
    other = User.objects.create_user(new_name())
    assert phone.ask("PUT", f"/v1/users/{phone.user_id}", {"roleId": 7, "name": "Me"}).status == 200
    assert phone.ask("PUT", f"/v1/users/{other.pk}", {"roleId": 7}).status == 200
    assert User.objects.get(pk=phone.user_id).role_id is None
    assert User.objects.get(pk=other.pk).role_id is not None


def test_operators_see_their_own_page_and_change_nothing_there(operator):
    me = User.objects.get(username="olga")
    page = operator.get(user_url(me.pk))
    assert page.status_code == 200
    assert not page.context["has_change_permission"]
    assert operator.post(user_url(me.pk), {"username": "olga", "email": "o@example.org"}).status_code == 403
    assert operator.post(user_url(me.pk, "disable"), {"note": "x"}).status_code == 403
    assert operator.post(user_url(me.pk, "send_reset"), {"note": "x"}).status_code == 403


def test_groups_are_changed_by_superusers_only_whatever_permission_others_have(db, boss):
    colleague = new_staff("Operators", name="otto")
    colleague.user_permissions.set(Permission.objects.filter(content_type__app_label="auth"))
    browser, group = browser_of(colleague), Group.objects.get(name="Operators")
    every = [str(pk) for pk in Permission.objects.values_list("pk", flat=True)]
    sent = {"name": "Operators", "permissions": every}
    assert browser.get(f"/admin/auth/group/{group.pk}/change/").status_code == 200
    assert browser.post(f"/admin/auth/group/{group.pk}/change/", sent).status_code == 403
    assert browser.post("/admin/auth/group/add/", sent | {"name": "Mine"}).status_code == 403
    assert boss.post(f"/admin/auth/group/{group.pk}/change/", sent).status_code == 302


def test_a_former_operator_has_nothing_left_in_the_api(new_phone):
    every = ("view_user", "change_user", "delete_user", "add_user")
    former = promote(new_phone().sign_up(), *(f"users.{name}" for name in every), "user_sessions.end_session")
    other = new_phone().sign_up()
    User.objects.filter(pk=former.user_id).update(is_staff=False)
    base = "/v1/users" if former.dialect == "zap" else "/users"
    for method, body in (("GET", None), ("PUT" if former.dialect == "zap" else "PATCH", {}), ("DELETE", None)):
        assert former.ask(method, f"{base}/{other.user_id}", body).status == 403, method
    listed = former.ask("GET", base)
    if former.dialect == "zap":
        assert listed.status == 403
        assert former.ask("GET", f"/v1/users/{other.user_id}/sessions").status == 403
        assert former.ask("GET", f"/v1/users/logout/{other.user_id}").status == 403
        made = {"username": new_name(), "email": "new@example.org", "password": PASSWORD, "roleId": 7}
        assert former.ask("POST", "/v1/users", made).json["data"]["roleId"] is None
    else:
        assert [user["id"] for user in listed.json["result"]["pageResults"]] == [former.user_id]
    assert (other.me().status, former.me().status) == (200, 200)


def test_a_former_operator_has_nothing_left_in_the_admin(operator):
    phone = ZapPhone(InProcess()).sign_up()
    User.objects.filter(username="olga").update(is_staff=False)
    for url in ("/admin/", LIST, user_url(phone.user_id), user_url(phone.user_id, "send_reset")):
        assert operator.get(url).headers["location"].startswith("/admin/login/"), url
    assert operator.post(user_url(phone.user_id, "log_out"), {"note": ""}).status_code == 302
    assert phone.me().status == 200


def test_only_superusers_change_and_delete_a_user_who_has_a_permission(new_phone):
    staff = promote(new_phone().sign_up(), "users.change_user", "users.delete_user")
    holder = new_phone().sign_up()
    User.objects.get(pk=holder.user_id).groups.add(Group.objects.get(name="Support"))
    path = f"/v1/users/{holder.user_id}" if staff.dialect == "zap" else f"/users/{holder.user_id}"
    for protected in (True, False):
        refused = 403 if protected else 200
        assert change(staff, holder.user_id, email="mine@example.org").status == refused
        assert staff.ask("DELETE", path).status == refused
        User.objects.filter(pk=staff.user_id).update(is_superuser=True)


def test_disabling_a_holder_of_a_permission_is_for_superusers(operator, boss):
    holder = User.objects.create_user("holder", PASSWORD)
    holder.user_permissions.add(Permission.objects.get(codename="view_device"))
    for browser, status in ((operator, 403), (boss, 302)):
        assert browser.post(user_url(holder.pk, "disable"), {"note": "x"}).status_code == status
    entry = SecurityEvent.objects.get(event=Event.USER_DISABLED)
    assert (entry.actor.username, entry.user) == ("boss", holder)
    assert entry.details["run"]
