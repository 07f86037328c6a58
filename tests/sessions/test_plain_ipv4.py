"""Filters and searches accept an IPv4 address in either spelling."""

import json
from io import StringIO

import pytest
from django.core.management import call_command

from sessions.models import Session
from sessions.selection.search import matching
from tests.sessions.population import new_session


@pytest.mark.parametrize("network", ["203.0.113.0/24", "::ffff:203.0.113.0/120", "::ffff:203.0.113.9"])
def test_a_filter_and_a_search_take_either_spelling(db, network):
    session = new_session(ip="203.0.113.9")
    new_session(ip="198.51.100.7")
    out = StringIO()
    call_command("sessions", "--live", "--ip", network, "--json", stdout=out)
    assert [json.loads(line)["session"] for line in out.getvalue().splitlines()] == [str(session.pk)]
    assert Session.objects.filter(matching(network)).get() == session
