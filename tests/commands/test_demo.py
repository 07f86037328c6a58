"""`manage.py demo`: it makes the same demo users and sessions each time."""

import re

import pytest
from django.utils import timezone

from sessions.liveness import live_sessions
from sessions.management import demo_data
from sessions.models import Session
from tests.commands.records import everything
from tests.commands.terminal import at_a_terminal, manage
from tests.phones import InProcess, ZapPhone
from users.models import User


def counts():
    live = live_sessions(Session.objects.all(), now=timezone.now()).count()
    return User.objects.count(), live, Session.objects.filter(ended_at__isnull=False).count()


def test_it_makes_the_given_numbers_and_the_live_sessions_are_live(db):
    done = manage("demo --users 300 --sessions 800")
    assert done.code == 0
    assert done.out == "There are 300 demo users with 800 live and 200 ended sessions.\n"
    assert counts() == (300, 800, 200)
    assert manage("sessions --live --count").out == "800\n"


def test_the_same_numbers_make_the_same_ones_and_larger_ones_add(db):
    assert manage("demo --users 20 --sessions 40 --ended 0").code == 0
    before = everything()
    again = manage("demo --users 20 --sessions 40 --ended 0")
    assert again.out == "There are 20 demo users with 40 live and 0 ended sessions.\n"
    assert everything() == before
    names = set(User.objects.values_list("username", flat=True))
    assert manage("demo --users 30 --sessions 50 --ended 10").out == (
        "There are 30 demo users with 50 live and 10 ended sessions.\n"
    )
    assert names < set(User.objects.values_list("username", flat=True))


def test_sessions_that_were_ended_since_are_not_made_anew_nor_counted_as_live(db):
    assert manage("demo --users 20 --sessions 40 --ended 0").code == 0
    assert manage("logout --everyone --reason Drill").code == 0
    assert manage("demo --users 20 --sessions 40 --ended 0").out == (
        "There are 20 demo users with 0 live and 40 ended sessions.\n"
    )


def test_other_users_and_sessions_stay_as_they_are(db):
    phone = ZapPhone(InProcess()).sign_up("ann")
    done = manage("demo --users 20 --sessions 40")
    assert done.out == "There are 20 demo users with 40 live and 10 ended sessions.\n"
    assert phone.me().status == 200


def test_nobody_can_log_in_as_a_demo_user(db):
    assert manage("demo --users 5 --sessions 0").code == 0
    assert not any(user.has_usable_password() for user in User.objects.all())
    assert ZapPhone(InProcess()).log_in(User.objects.first().username).status == 401


@pytest.mark.parametrize(
    "arguments",
    [
        "--users 0",
        "--users -1",
        "--sessions -1",
        "--ended -1",
        "--users many",
        "--users 1.5",
        "--sessions 10000001",
        "5",
    ],
)
def test_nonsense_is_refused_with_code_2_and_makes_nothing(db, arguments):
    done = manage(f"demo {arguments}")
    assert (done.code, done.out) == (2, "")
    assert counts() == (0, 0, 0)


def test_it_shows_its_progress(db, monkeypatch):
    monkeypatch.setattr(demo_data, "BATCH", 10)
    err = manage("demo --users 20 --sessions 40").err.splitlines()
    assert err[:2] == ["users: 10 of 20", "users: 20 of 20"]
    assert err[-1] == "ended sessions: 10 of 10"


@pytest.mark.django_db(transaction=True)
def test_at_a_terminal_a_bar_shows_the_progress():
    with at_a_terminal("demo --users 20 --sessions 40") as terminal:
        assert terminal.finish() == 0
    screen = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", terminal.screen)
    assert re.search("live sessions ━+ 40/40", screen)
    assert counts() == (20, 40, 10)
