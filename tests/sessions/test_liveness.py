"""`live_sessions` is `Session.refusal` in SQL. Both agree on every session at every moment."""

from datetime import timedelta
from itertools import product

import pytest

from sessions.liveness import live_sessions
from sessions.models import EndReason, Refusal, Session
from tests.sessions.population import NOW, TICK
from users.models import App, User

DAY = timedelta(days=1)
# One tick before, at and after the log-in, the last use, and each time-out of a session.
AROUND = (-TICK, timedelta(0), TICK)
APPS = {
    "plain": {},
    "switched off": {"is_active": False},
    "cut off before": {"sessions_valid_after": NOW - TICK},
    "cut off at": {"sessions_valid_after": NOW},
    "cut off after": {"sessions_valid_after": NOW + TICK},
    "refused by an order": {"session_epoch": 1},
    "idle soon": {"idle_timeout": 2 * DAY},
    "idle never": {"idle_timeout": timedelta(0)},
    "idle in ages": {"idle_timeout": timedelta(days=900_000)},
    "the admin": {"kind": App.Kind.ADMIN},
    "the account page": {"kind": App.Kind.ACCOUNT},
}
USERS = {
    "plain": {},
    "disabled": {"is_active": False},
    "deleted": {"deleted_at": NOW},
    "cut off before": {"sessions_valid_after": NOW - TICK},
    "cut off at": {"sessions_valid_after": NOW},
    "cut off after": {"sessions_valid_after": NOW + TICK},
    "refused by an order": {"session_epoch": 1},
    "staff": {"is_staff": True},
    "disabled staff": {"is_staff": True, "is_active": False},
}
STATES = {
    "live": {},
    "ended": {"ended_at": NOW + DAY, "end_reason": EndReason.LOGOUT},
    # This time comes from a clock that is ahead.
    "ended later": {"ended_at": NOW + 100 * DAY, "end_reason": EndReason.LOGOUT},
    "short": {"expires_at": NOW + 2 * DAY},
}


@pytest.fixture
def sessions(db):
    """Each kind of app with each kind of user and without one, in each state, used at once or a day later."""
    apps = [App.objects.create(name=name, **fields) for name, fields in APPS.items()]
    users = [User.objects.create_user(name, **fields) for name, fields in USERS.items()]
    Session.objects.bulk_create(
        Session(
            app=app,
            user=user,
            **{"created_at": NOW, "last_seen_at": NOW + later, "expires_at": NOW + 30 * DAY} | fields,
        )
        for app, user, fields, later in product(apps, [None, *users], STATES.values(), (timedelta(0), DAY))
    )
    return list(Session.objects.select_related("app", "user"))


@pytest.mark.parametrize(
    ("idle_timeout", "staff_idle_timeout"),
    [(timedelta(0), 2 * DAY), (5 * DAY, 3 * DAY), (5 * DAY, timedelta(0))],
    ids=["idle never", "idle after five days", "staff idle never"],
)
def test_the_database_and_the_server_agree_on_which_sessions_are_live(
    sessions, settings, idle_timeout, staff_idle_timeout
):
    settings.SESSION_IDLE_TIMEOUT, settings.STAFF_IDLE_TIMEOUT = idle_timeout, staff_idle_timeout
    settings.ACCOUNT_IDLE_TIMEOUT = staff_idle_timeout and 2 * staff_idle_timeout
    refusals = set()
    for days, tick in product((0, 1, 2, 3, 5, 6, 30), AROUND):
        now = NOW + days * DAY + tick
        accepted = {session.pk for session in sessions if session.refusal(now) is None}
        refusals |= {session.refusal(now) for session in sessions}
        assert set(live_sessions(Session.objects.all(), now=now).values_list("pk", flat=True)) == accepted, now
        assert accepted or days == 30
    assert refusals == {None, *Refusal}


def test_of_some_sessions_only_these_are_asked_about(sessions):
    some = Session.objects.filter(user=None, app__name="plain")
    live = live_sessions(some, now=NOW)
    assert {session.pk for session in live} == {
        session.pk for session in sessions if not session.user and session.app.name == "plain" and not session.ended_at
    }
