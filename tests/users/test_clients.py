"""The admin app: there is exactly one, and clients can't use it."""

from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from threading import Barrier

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import IntegrityError, connection, transaction

from tests.phones import InProcess, ZapPhone
from tests.sessions.staff import browser_of, new_staff
from users.clients import ADMIN_APP_NAMES, create_app, get_admin_app, get_zap_app
from users.errors import AppInactive
from users.models import App


def test_the_admin_app_is_made_at_its_first_use_and_has_no_key(db):
    app = get_admin_app()
    assert (app, app.name, app.key_hash, app.sealed_secret) == (get_admin_app(), "Admin", "", "")
    assert App.objects.get(is_active=True, kind=App.Kind.ADMIN) == app


def test_a_client_that_is_called_admin_stays_a_client(db):
    client = create_app("Admin").app
    assert get_admin_app().name == "Admin (ZapAuth)"
    assert App.objects.get(pk=client.pk).kind == App.Kind.CLIENT


def test_the_database_holds_one_admin_app(db):
    get_admin_app()
    with pytest.raises(IntegrityError), transaction.atomic():
        App.objects.create(name="Another", kind=App.Kind.ADMIN)


@pytest.mark.django_db(transaction=True)
def test_ten_first_log_ins_at_once_all_get_the_same_admin_app():
    barrier = Barrier(10)

    def get(_):
        barrier.wait()
        try:
            return get_admin_app().pk
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as pool:
        assert len(set(pool.map(get, range(10)))) == 1


@pytest.mark.parametrize("name", ADMIN_APP_NAMES)
def test_zaps_clients_never_belong_to_the_admin_app(db, settings, name):
    App.objects.create(name=name, kind=App.Kind.ADMIN)
    settings.ZAP_APP = name
    with pytest.raises(AppInactive):
        get_zap_app()
    with pytest.raises(SystemCheckError, match=r"user_sessions\.E002"):
        call_command("check", stderr=StringIO())


def test_no_device_registers_with_the_admin_app(db):
    app = get_admin_app()
    send = ZapPhone(InProcess())
    for key in ("", "x"):
        body = {"appId": app.pk, "appKey": key, "platform": "Android"}
        assert send.call("POST", "/devices", body).status in (400, 401)


def test_the_admin_offers_no_time_outs_for_itself_and_no_way_to_switch_itself_off(db):
    boss = browser_of(new_staff())
    url = f"/admin/users/app/{get_admin_app().pk}/change/"
    assert set(boss.get(url).context["adminform"].form.fields) == set()
    sent = {"idle_timeout": "90 00:00:00", "session_lifetime": "90 00:00:00", "sessions_per_user": "1"}
    assert boss.post(url, sent).status_code == 302
    app = get_admin_app()
    assert (app.idle_timeout, app.session_lifetime, app.sessions_per_user, app.is_active) == (None, None, None, True)
    other = boss.get(f"/admin/users/app/{create_app('Shop').app.pk}/change/").context["adminform"].form.fields
    access = {"token_access", "push_access", "event_access"}
    assert {"idle_timeout", "session_lifetime", "sessions_per_user", "your_password"} | access == set(other)
