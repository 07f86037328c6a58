"""The demo app and staff user: made once, whatever becomes of them."""

import json
import shutil
import subprocess

import pytest

from users.models import App, User
from zapauth.demo import banner, prepare


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
