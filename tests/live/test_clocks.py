"""Servers with wrong clocks: neither orders nor token lifetimes depend on a server's clock."""

from io import StringIO

import pytest
from django.core.management import call_command

from sessions.models import Session
from tests.phones import Live
from tests.servers import running_server
from users.clock import database_now


@pytest.fixture(scope="module", params=[2, 3600, -3600], ids=["2 s ahead", "1 h ahead", "1 h behind"])
def skewed_server(request, django_db_setup, django_db_blocker):
    skew = {"DJANGO_SETTINGS_MODULE": "tests.skewed_settings", "CLOCK_AHEAD": str(request.param), "WORKERS": "1"}
    with django_db_blocker.unblock(), running_server(**skew) as started:
        yield started


@pytest.fixture
def phone(phone_kind, skewed_server, server):
    """A phone that logged in at the server with the wrong clock."""
    return phone_kind(Live(skewed_server.base_url)).sign_up()


ORDERS = {"everyone": ("--everyone",), "the user": ("--user", "{user}"), "the app": ("--app", "{app}")}


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_a_login_answered_before_the_order_is_refused_after_it_by_every_server(phone, skewed_server, server, order):
    app = Session.objects.get(user=phone.user_id).app_id
    filters = [word.format(user=phone.username, app=app) for word in order]
    call_command("logout", *filters, reason="leak", stdout=StringIO(), stderr=StringIO())
    assert phone.me().status == 401
    phone.send = Live(server.base_url)
    assert phone.me().status == 401


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_a_login_after_the_order_stays(phone, server, order):
    app = Session.objects.get(user=phone.user_id).app_id
    filters = [word.format(user=phone.username, app=app) for word in order]
    call_command("logout", *filters, reason="leak", stdout=StringIO(), stderr=StringIO())
    phone.app_token = ""  # a Buddy phone registers its device again
    assert phone.log_in(phone.username).status == 200
    assert phone.me().status == 200
    phone.send = Live(server.base_url)
    assert phone.me().status == 200


def test_a_session_and_its_tokens_have_the_databases_times(phone, server):
    session = Session.objects.get(user=phone.user_id)
    assert abs((database_now() - session.created_at).total_seconds()) < 60
    assert session.last_seen_at == session.authenticated_at == session.created_at
    # The server with the right clock accepts the access token: it is not expired, and not valid for too long.
    phone.send = Live(server.base_url)
    assert phone.me().status == 200
    assert phone.log_out().status == 200
    ended = Session.objects.get(pk=session.pk)
    assert abs((database_now() - ended.ended_at).total_seconds()) < 60
