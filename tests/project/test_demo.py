"""The demo app and the demo superuser are made once, even if they are changed or deleted later."""

import json
import shutil
import subprocess

import pytest

from users.models import App, User
from zapauth.local.demo import banner, prepare


@pytest.fixture(autouse=True)
def _local(settings):
    """Make the settings those of an installation without DATABASE_URL."""
    settings.IS_LOCAL = True


def test_with_a_database_of_ones_own_nothing_is_made_and_the_start_says_how_to_make_it(db, settings):
    settings.IS_LOCAL = False
    demo = prepare()
    assert demo is None
    assert not User.objects.exists()
    assert not App.objects.filter(name="Demo").exists()
    said = banner(demo, url="http://127.0.0.1:8000", asked=True)
    assert "no demo app and no demo superuser are made" in said
    assert 'manage.py createapp "My app"' in said
    assert "manage.py createsuperuser" in said
    assert "demo" not in banner(None, url="http://127.0.0.1:8000").lower()


def test_the_staff_user_is_made_once_even_if_it_was_renamed(db):
    first = prepare()
    assert first.password
    User.objects.update(username="boss")
    User.objects.create_user("DEMO", "somebody-else-1")
    again = prepare()
    assert (again.app, again.app_key, again.password) == (first.app, None, None)
    assert User.objects.filter(is_superuser=True).count() == 1
    assert first.password not in banner(again, url="http://127.0.0.1:8000")


def test_a_taken_name_is_left_to_its_owner(db):
    owner = User.objects.create_user("Demo", "somebody-else-1")
    assert prepare().password is None
    owner.refresh_from_db()
    assert not owner.is_superuser
    assert App.objects.filter(name="Demo").exists()


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_pasted_examples_log_out_in_each_dialect(server):
    demo = prepare()
    examples = banner(demo, url=server.base_url).partition("Try a logout")[2]
    lines = [line for line in examples.splitlines() if line.startswith("  ")]
    done = subprocess.run(["bash", "-c", "\n".join(lines)], capture_output=True, text=True, timeout=60, check=True)
    *_, logged_out, refused, buddy_token, buddy_refused = [json.loads(line) for line in done.stdout.splitlines()]
    assert logged_out == {"success": True, "data": "Logout Successfull"}
    assert refused["code"] == "session_ended"
    assert "accessToken" in buddy_token["result"]
    assert buddy_refused["error"] == "AuthAccessTokenInvalid"
