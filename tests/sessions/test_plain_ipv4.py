"""Rows that a server on `HOST=::` has written before addresses had one spelling."""

import json
from importlib import import_module
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection

from sessions.bulk.search import matching
from sessions.models import Session
from tests.sessions.population import new_session
from users.models import User


def test_addresses_of_earlier_sessions_are_rewritten_and_others_stay(db):
    migration = import_module("sessions.migrations.0020_plain_ipv4")
    given = {"::ffff:203.0.113.9": "203.0.113.9", "198.51.100.7": "198.51.100.7", "2001:db8::1": "2001:db8::1"}
    sessions = {address: new_session(ip=address, ended_ip=address) for address in given}
    user = User.objects.create_user("ann", ip_addresses=["::ffff:cb00:7109", "2001:db8::1", "198.51.100.7"])
    with connection.cursor() as cursor:
        for operation in migration.Migration.operations:
            cursor.execute(operation.sql)
    for address, session in sessions.items():
        session.refresh_from_db()
        assert (session.ip, session.ended_ip) == (given[address],) * 2
    user.refresh_from_db()
    assert user.ip_addresses == ["203.0.113.9", "2001:db8::1", "198.51.100.7"]


@pytest.mark.parametrize("network", ["203.0.113.0/24", "::ffff:203.0.113.0/120", "::ffff:203.0.113.9"])
def test_a_filter_and_a_search_take_either_spelling(db, network):
    session = new_session(ip="203.0.113.9")
    new_session(ip="198.51.100.7")
    out = StringIO()
    call_command("sessions", "--live", "--ip", network, "--json", stdout=out)
    assert [json.loads(line)["session"] for line in out.getvalue().splitlines()] == [str(session.pk)]
    assert Session.objects.filter(matching(network)).get() == session
