"""`manage.py logout` as operators run it: a process that may be killed at any moment, beside a running server."""

import json
import random
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from io import StringIO
from uuid import UUID

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models import Sum
from django.db.models.functions import Coalesce

from sessions.management.demo_data import analyze, make_sessions, make_users
from sessions.models import BulkRun, Session
from tests.environment import ROOT
from tests.live.refusals import accepted_of
from tests.locks import is_waited_for
from tests.phones import BuddyPhone, Live, ZapPhone
from tests.servers import test_environment
from tests.sessions.population import new_session

SESSIONS, BATCH, KILLS = 3000, 20, 10
FILTERS = ["--platform", "ios", "--platform", "android", "--reason", "keys leaked"]
# Like manage.py, but with small batches, so that there are many moments between batches.
MANAGE = f"""
import runpy, sys
import django
django.setup()
from sessions.bulk import runs
runs.BATCH = {BATCH}
sys.argv[0] = "manage.py"
runpy.run_path("manage.py", run_name="__main__")
"""


@contextmanager
def logout(*arguments):
    """Run the command in the background. Kill it at the end of the block."""
    process = subprocess.Popen(
        [sys.executable, "-c", MANAGE, "logout", *arguments],
        cwd=ROOT,
        env=test_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def result_of(process):
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return json.loads(out.splitlines()[-1])


def wait_until(happened, process, *, seconds=60):
    deadline = time.monotonic() + seconds
    while not happened():
        if process.poll() is not None:
            raise AssertionError(f"it ended by itself: {process.communicate()}")
        assert time.monotonic() < deadline
        time.sleep(0.005)


def ended():
    """Return how many sessions the run has ended, by its row; -1 before the row exists."""
    return BulkRun.objects.aggregate(ended=Coalesce(Sum("ended"), -1))["ended"]


@pytest.fixture
def confirmed(transactional_db):
    """Make thousands of sessions, and a confirmed command that ends most of them."""
    for made in (make_users(500), make_sessions(SESSIONS, users=500)):
        list(made)
    analyze()
    out = StringIO()
    call_command("logout", *FILTERS, "--dry-run", "--json", stdout=out)
    preview = json.loads(out.getvalue())
    assert preview["count"] == meant().count() > 20 * KILLS
    return [*FILTERS, "--confirm", preview["digest"]]


def meant():
    return Session.objects.filter(platform__in=("iOS", "Android"))


def facts():
    """Return the present state of the run, the sessions and the blacklisted refresh tokens."""
    with connection.cursor() as cursor:
        cursor.execute("""
            SELECT (SELECT sum(ended) FROM user_sessions_bulkrun),
                   (SELECT count(*) FROM user_sessions_session WHERE ended_at IS NOT NULL),
                   (SELECT count(*) FROM user_sessions_session WHERE ended_at IS NOT NULL AND refresh_jti IS NOT NULL),
                   (SELECT count(*) FROM token_blacklist_blacklistedtoken),
                   (SELECT count(*) FROM user_sessions_session s JOIN users_devicetoken t ON t.id = s.device_token_id
                     WHERE s.ended_at IS NOT NULL AND t.user_id IS NOT NULL)
        """)
        return cursor.fetchone()


def ends():
    """Return when each session ended, and the blacklist row of its refresh token."""
    with connection.cursor() as cursor:
        cursor.execute("""
            SELECT s.id, s.ended_at, s.bulk_run_id, b.id
              FROM user_sessions_session s
              LEFT JOIN token_blacklist_outstandingtoken o ON o.jti = s.refresh_jti
              LEFT JOIN token_blacklist_blacklistedtoken b ON b.token_id = o.id
             WHERE s.ended_at IS NOT NULL
        """)
        return {row[0]: row[1:] for row in cursor.fetchall()}


def test_a_run_that_is_killed_ten_times_ends_each_session_once_and_none_outside_its_filters(confirmed):
    total, chosen, killed_at = meant().count(), random.Random(9), []
    kept = {}
    for kill in range(KILLS):
        # The first kill comes as soon as the order is recorded, the later ones in the middle.
        done = max(ended(), 0)
        wanted = done + (chosen.randrange(1, (total - done) // (KILLS + 1 - kill)) if kill else 0)
        with logout(*confirmed) as process:
            wait_until(lambda at=wanted: ended() >= at, process)
            # Let the run begin a batch.
            until = time.monotonic() + chosen.random() * 0.02
            while time.monotonic() < until:
                pass
            process.kill()
            process.wait(60)
        assert process.returncode == -signal.SIGKILL
        # A batch is complete or has not happened, and no session ends twice.
        run_ended, sessions, with_refresh, blacklisted, pushed = facts()
        assert (run_ended, blacklisted, pushed) == (sessions, with_refresh, 0)
        now = ends()
        assert {pk: now[pk] for pk in kept} == kept
        kept = now
        killed_at.append(sessions)
    with logout(*confirmed, "--json") as process:
        result = result_of(process)
    run = BulkRun.objects.get()
    assert (run.ended, run.expected, result["ended"], result["run"]) == (total, total, total, str(run.pk))
    assert run.finished_at
    now = ends()
    assert {pk: now[pk] for pk in kept} == kept
    assert set(now) == set(meant().values_list("pk", flat=True))
    assert {run_id for _, run_id, _ in now.values()} == {run.pk}
    assert facts()[2:] == (facts()[3], facts()[3], 0)
    # The command was killed at different moments. Each time some work was left.
    assert len(set(killed_at)) > KILLS / 2
    assert killed_at[-1] < total


def test_ctrl_c_ends_with_a_whole_batch_and_the_same_command_goes_on(confirmed):
    total = meant().count()
    with logout(*confirmed) as process:
        wait_until(lambda: ended() >= 3 * BATCH, process)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    run = BulkRun.objects.get()
    assert f"interrupted after {run.ended} of {total}; the same command resumes it" in err
    assert 3 * BATCH <= run.ended < total
    assert run.ended % BATCH == 0
    assert run.ended == run.sessions.count() == Session.objects.exclude(ended_at=None).count()
    kept = ends()
    with logout(*confirmed) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert f"which had ended {run.ended}" in err
    run.refresh_from_db()
    assert run.ended == total == len(ends())
    assert {pk: ends()[pk] for pk in kept} == kept


@pytest.mark.parametrize("option", ["--everyone", "--app", "--user"])
def test_all_workers_refuse_what_is_cut_off_before_a_single_row_is_swept(phone_kind, server, option):
    phone = phone_kind(Live(server.base_url)).sign_up()
    same_app = {"app_id": phone.app_id, "app_key": phone.app_key} if phone_kind is BuddyPhone else {}
    other_dialect = BuddyPhone if phone_kind is ZapPhone else ZapPhone
    bystander = other_dialect(Live(server.base_url)) if option == "--app" else phone_kind(phone.send, **same_app)
    if option != "--everyone":
        bystander.sign_up()
    session = Session.objects.select_related("app", "user").get(user_id=phone.user_id)
    filters = {"--everyone": [], "--app": [session.app.name], "--user": [session.user.username]}[option]
    # The first session of its batch, locked.
    first = new_session(pk=UUID(int=1), app=session.app, user=session.user)
    assert phone.me().status == 200
    with ExitStack() as stack:
        with transaction.atomic():
            Session.objects.select_for_update().get(pk=first.pk)
            process = stack.enter_context(logout(option, *filters, "--reason", "keys leaked", "--json"))
            wait_until(is_waited_for, process)
            assert accepted_of(phone) == 0
            assert Session.objects.exclude(ended_at=None).count() == 0
            if option == "--everyone":
                bystander.sign_up()  # this log-in comes after the order, so it stays
            assert bystander.me().status == 200
        result = result_of(process)
    run = BulkRun.objects.get()
    assert (result["ended"], result["cutOff"]) == (run.ended, True)
    assert set(run.sessions.values_list("pk", flat=True)) >= {first.pk, session.pk}
    assert bystander.me().status == 200
    assert accepted_of(phone) == 0
