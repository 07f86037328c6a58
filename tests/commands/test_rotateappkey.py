"""`manage.py rotateappkey`: a new key, with the previous one for a while."""

import json
from datetime import timedelta
from io import StringIO

import pytest
import time_machine
from django.core.management import call_command
from django.core.management.base import CommandError

from users.clients import create_app, get_admin_app, get_app_by_key, get_zap_app
from users.errors import BadAppCredentials
from users.models import SecurityEvent


@pytest.fixture
def shop(db):
    return create_app("Shop", signed=True)


def run(*arguments):
    out = StringIO()
    call_command("rotateappkey", *arguments, stdout=out)
    return out.getvalue()


def accepts(shop, key):
    try:
        return bool(get_app_by_key(shop.app.pk, key, ip=None))
    except BadAppCredentials:
        return False


def test_the_new_key_is_printed_once_and_the_previous_one_works_for_the_given_time(shop):
    with time_machine.travel("2026-03-01T12:00:00Z", tick=False) as clock:
        new = json.loads(run("Shop", "--overlap", "90m", "--reason", "Leak", "--json"))
        assert new["previousWorksUntil"] == "2026-03-01T13:30:00+00:00"
        assert new["sharedSecret"] not in (None, shop.shared_secret)
        assert (accepts(shop, shop.key), accepts(shop, new["appKey"])) == (True, True)
        clock.shift(timedelta(minutes=90))
        assert (accepts(shop, shop.key), accepts(shop, new["appKey"])) == (False, True)
    entry = SecurityEvent.objects.get(event="app_key_rotated")
    assert "@" in entry.operator
    assert entry.details["note"] == "Leak"


def test_the_text_says_until_when_the_previous_key_works_and_the_key_can_be_ended_before(shop):
    text = run(shop.app.pk)
    assert "The previous key works until" in text
    assert accepts(shop, shop.key)
    assert "refused from now on" in run("Shop", "--end-previous")
    assert not accepts(shop, shop.key)
    with pytest.raises(CommandError, match="no previous key"):
        run("Shop", "--end-previous")


def test_without_an_overlap_the_previous_key_is_refused_at_once(shop):
    assert "is refused from now on" in run("Shop", "--overlap", "0")
    assert not accepts(shop, shop.key)


@pytest.mark.parametrize("overlap", ["", "1", "x", "-1h", "h", "400d", "1w", "9999999m", "²d"])
def test_a_time_that_is_none_changes_nothing(shop, overlap):
    with pytest.raises(CommandError) as error:
        run("Shop", f"--overlap={overlap}")
    assert error.value.returncode == 2
    assert accepts(shop, shop.key)


def test_only_apps_with_a_key_are_rotated(db):
    for app in (get_zap_app(), get_admin_app()):
        with pytest.raises(CommandError, match="has no key"):
            run(app.name)
    with pytest.raises(CommandError, match="no app"):
        run("nobody")
