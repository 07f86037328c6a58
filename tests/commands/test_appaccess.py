"""`manage.py appaccess`: what an app may ask with its key."""

import json
from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from users.clients import create_app, get_zap_app
from users.models import Access, SecurityEvent


@pytest.fixture
def backend(db):
    return create_app("Backend").app


def run(*arguments):
    out = StringIO()
    call_command("appaccess", *arguments, stdout=out)
    return out.getvalue()


def test_a_new_app_has_no_access(backend):
    assert json.loads(run("Backend", "--json")) == {
        "appId": backend.pk,
        "tokens": "none",
        "pushes": "none",
        "events": "none",
    }
    assert not SecurityEvent.objects.filter(event="app_changed").exists()


def test_access_is_given_taken_and_recorded(backend):
    assert "its own sessions" in run(backend.pk, "--tokens", "own", "--events", "all", "--reason", "The shop")
    backend.refresh_from_db()
    assert (backend.token_access, backend.push_access, backend.event_access) == ("own", "none", "all")
    entry = SecurityEvent.objects.get(event="app_changed")
    assert entry.details["changed"]["token_access"] == {"from": "none", "to": "own"}
    assert (entry.details["note"], "@" in entry.operator) == ("The shop", True)
    run("Backend", "--tokens", "none", "--events", "none")
    backend.refresh_from_db()
    assert not backend.is_service
    assert backend.token_access == Access.NONE


@pytest.mark.parametrize("name", ["Nobody", "ZAP"])
def test_an_app_that_is_missing_or_has_no_key_gets_no_access(db, name):
    get_zap_app()
    with pytest.raises(CommandError):
        run(name, "--tokens", "all")
