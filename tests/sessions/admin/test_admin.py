"""The admin in a browser: changes by staff end sessions through the same function as a logout."""

from io import StringIO

import pytest
from django.contrib import admin
from django.contrib.auth.management.commands import changepassword
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from sessions.models import EndReason, Session
from tests.phones import PASSWORD, BuddyPhone, InProcess, ZapPhone
from tests.sessions.staff import browser_of, is_in, open_form
from users.models import App, User


@pytest.fixture
def boss(db):
    return User.objects.create_superuser("boss", PASSWORD)


@pytest.fixture
def browser(boss):
    """A browser that logged in by the admin's own form, through all middleware."""
    client = Client(enforce_csrf_checks=False)
    page = client.post(reverse("admin:login"), {"username": "BOSS", "password": PASSWORD, "next": "/admin/"})
    assert page.status_code == 302
    return client


def test_every_model_has_a_list_that_opens_with_rows_in_it(browser):
    ZapPhone(InProcess(), device_token="phone").sign_up().log_out()
    BuddyPhone(InProcess(), device_token="push").sign_up()
    for model, model_admin in admin.site._registry.items():
        listed = browser.get(reverse(f"admin:{model_admin.opts.app_label}_{model_admin.opts.model_name}_changelist"))
        assert listed.status_code == 200, model
        row = model.objects.first()
        if row is not None:
            url = reverse(f"admin:{model_admin.opts.app_label}_{model_admin.opts.model_name}_change", args=[row.pk])
            assert browser.get(url).status_code == 200, model


def test_no_page_shows_a_push_address_or_a_key(browser):
    phone = BuddyPhone(InProcess(), device_token="of a push").sign_up()
    secrets = ["of a push", phone.app_key, phone.access_token, App.objects.get(pk=phone.app_id).key_hash]
    for model, model_admin in admin.site._registry.items():
        names = f"admin:{model_admin.opts.app_label}_{model_admin.opts.model_name}"
        pages = [reverse(f"{names}_changelist")]
        pages += [reverse(f"{names}_change", args=[row.pk]) for row in model.objects.all()[:5]]
        for page in pages:
            shown = browser.get(page).content.decode()
            assert not [secret for secret in secrets if f">{secret}<" in shown or f'"{secret}' in shown], page


def test_disabling_a_user_ends_their_sessions(browser):
    phone = ZapPhone(InProcess()).sign_up()
    url = reverse("admin:users_user_change", args=[phone.user_id])
    saved = browser.post(url, {name: value for name, value in open_form(browser, url).items() if name != "is_active"})
    assert saved.status_code == 302
    assert phone.me().status == 401
    assert Session.objects.get(user_id=phone.user_id).end_reason == EndReason.USER_DISABLED


def test_changing_a_user_otherwise_leaves_them_logged_in(browser):
    phone = ZapPhone(InProcess()).sign_up()
    url = reverse("admin:users_user_change", args=[phone.user_id])
    assert browser.post(url, open_form(browser, url) | {"name": "Ann"}).status_code == 302
    assert phone.me().json["data"]["name"] == "Ann"


@pytest.mark.parametrize("whose", ["another's", "one's own"])
def test_there_is_no_page_to_set_a_password_by_id_for_superusers_neither(browser, boss, whose):
    phone = ZapPhone(InProcess()).sign_up()
    user_id = {"another's": phone.user_id, "one's own": boss.pk}[whose]
    url, before = f"/admin/users/user/{user_id}/password/", User.objects.get(pk=user_id).password
    passwords = {"password1": "another-pass-2", "password2": "another-pass-2", "usable_password": "true"}
    assert browser.get(url).status_code == browser.post(url, passwords).status_code == 404
    assert User.objects.get(pk=user_id).password == before
    assert phone.me().status == 200


def test_staff_who_change_their_own_password_are_logged_out_of_everything_else(browser, boss):
    phone, laptop = ZapPhone(InProcess()), browser_of(boss)
    assert phone.log_in("boss").status == 200
    before = {session.pk for session in Session.objects.filter(user=boss, ended_at=None)}
    assert len(before) == 3
    passwords = {"old_password": PASSWORD, "new_password1": "another-pass-2", "new_password2": "another-pass-2"}
    assert browser.post(reverse("admin:password_change"), passwords).status_code == 302
    assert (phone.me().status, is_in(laptop), is_in(browser)) == (401, False, True)
    ended = Session.objects.filter(end_reason=EndReason.PASSWORD_CHANGED)
    assert {session.pk for session in ended} == before


def test_a_password_changed_by_command_ends_the_users_sessions_and_nobody_elses(db, monkeypatch):
    phone, other = ZapPhone(InProcess()).sign_up(), ZapPhone(InProcess()).sign_up()
    monkeypatch.setattr(changepassword.getpass, "getpass", lambda **_: "another-pass-2")
    call_command("changepassword", phone.username, stdout=StringIO())
    assert phone.me().status == 401
    assert phone.log_in(phone.username).status == 401
    assert other.me().status == 200
    ended = Session.objects.exclude(ended_at=None).get()
    assert (ended.end_reason, ended.ended_by) == (EndReason.PASSWORD_CHANGED, None)


def test_nothing_that_sessions_hang_on_can_be_deleted_in_the_admin(browser):
    phone = BuddyPhone(InProcess(), device_token="push").sign_up()
    rows = [User.objects.get(pk=phone.user_id), *Session.objects.all()]
    for row in rows:
        url = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_delete", args=[row.pk])
        assert browser.post(url, {"post": "yes"}).status_code == 403


def test_pages_of_the_admin_that_do_not_exist_are_pages_not_a_dialects_json(browser):
    missing = browser.get("/admin/nothing/")
    assert missing.status_code == 404
    assert missing.headers["content-type"].startswith("text/html")
