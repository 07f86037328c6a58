"""A bulk run of staff whose server is killed: it goes on by itself, unless somebody has stopped it."""

import re
from contextlib import closing, suppress
from threading import Thread

import httpx
import psutil
import pytest
from django.db import transaction

from sessions.bulk.control import continue_run, stop_run
from sessions.bulk.resume import state_of
from sessions.bulk.runs import start_run
from sessions.models import BulkRun, Session
from sessions.selection.selection import Selection
from tests.live.test_doors import Browser
from tests.locks import count_waiting, is_waited_for
from tests.phones import BuddyPhone, Live, ZapPhone
from tests.servers import ping, running_server
from tests.sessions.population import new_session
from tests.sessions.staff import LIST, new_staff
from tests.threads import other_threads
from tests.waiting import wait_until
from users.clients import create_app
from users.models import SecurityEvent
from users.origin import NOWHERE
from users.record.events import Event

LOG_OUT = f"{LIST}log-out/"


@pytest.fixture
def own_server(transactional_db):
    """A separate server, so that the test can kill its workers."""
    with running_server() as server:
        yield server


def order_of(browser, ids):
    """Return the confirmation of a run that ends these sessions, for `Browser.send`."""
    chosen = {"action": "log_out", "_selected_action": ids, "select_across": "0"}
    question = browser.send(LIST, chosen, status=200)
    return {"token": re.search(r'name="token" value="([^"]+)"', question)[1], "note": "Leak"}


def send_and_be_cut_off(browser, form):
    with suppress(httpx.TransportError):
        browser.send(LOG_OUT, form, status=302)


def test_an_order_whose_workers_are_killed_in_the_middle_is_carried_out_by_the_server(own_server):
    send = Live(own_server.base_url)
    phones = [ZapPhone(send, device_token=f"phone {number}").sign_up() for number in range(3)]
    new = create_app("Left")
    phones.append(BuddyPhone(send, app_id=new.app.pk, app_key=new.key).sign_up())
    new_staff(name="boss")
    browser = Browser(own_server.base_url, "boss")
    meant = Session.objects.filter(user__in=[phone.user_id for phone in phones])
    with closing(browser.client):
        form = order_of(browser, [str(pk) for pk in meant.values_list("pk", flat=True)])
        ordering = Thread(target=send_and_be_cut_off, args=(browser, form))
        with transaction.atomic():
            list(meant.order_by("-pk").select_for_update()[:1])
            ordering.start()
            wait_until(is_waited_for)
            for worker in own_server.workers():
                worker.kill()
            ordering.join(60)
            assert not ordering.is_alive()
            run = BulkRun.objects.get()
            assert (run.ended, run.finished_at) == (0, None)
            assert meant.filter(ended_at=None).count() == len(phones)
    wait_until(lambda: BulkRun.objects.exclude(finished_at=None).exists(), seconds=60)
    run.refresh_from_db()
    assert run.ended == run.expected == meant.filter(bulk_run=run).count() == len(phones)
    wait_until(lambda: ping(own_server) == 200)  # the new workers may start after the end of the run
    assert [phone.me().status for phone in phones] == [401] * len(phones)


def kill(server):
    """Kill every process of the server at once, as a power failure does."""
    processes = [psutil.Process(server.process.pid), *psutil.Process(server.process.pid).children(recursive=True)]
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=60)


def order(platform):
    sessions = [new_session(platform=platform) for _ in range(3)]
    return start_run(Selection(platforms=(platform,)), source=BulkRun.Source.ADMIN, note="Leak", expected=3), sessions


def test_a_run_that_is_stopped_while_its_server_is_killed_stays_stopped_and_goes_on_once(transactional_db):
    boss = new_staff(name="boss")
    by = {"actor": boss, "origin": NOWHERE, "note": "Wrong filter"}
    with running_server(WORKERS="1") as server, other_threads(1) as start:
        with transaction.atomic():
            run, sessions = order("iOS")
        with transaction.atomic():
            Session.objects.select_for_update().get(pk=sessions[0].pk)
            wait_until(is_waited_for)  # the server has begun a batch, which holds the run
            stopping = start(stop_run, run.pk, **by)
            wait_until(lambda: count_waiting() == 2)
            kill(server)
            assert stopping.result(timeout=30)
            assert Session.objects.filter(ended_at=None).count() == 3
    with running_server(WORKERS="1"):
        other, _ = order("Android")
        wait_until(lambda: BulkRun.objects.filter(pk=other.pk).exclude(finished_at=None).exists())
        # The new server has looked for left runs meanwhile, and has let this one alone.
        run.refresh_from_db()
        assert (run.ended, run.stopped_by, run.finished_at, state_of(run)) == (0, boss, None, "stopped")
        assert continue_run(run.pk, **by)
        assert not continue_run(run.pk, **by)
        wait_until(lambda: BulkRun.objects.filter(pk=run.pk).exclude(finished_at=None).exists())
    run.refresh_from_db()
    assert (run.ended, run.stopped_at, run.sessions.count(), state_of(run)) == (3, None, 3, "done")
    told = SecurityEvent.objects.filter(event__in=[Event.RUN_STOPPED, Event.RUN_CONTINUED]).order_by("pk")
    assert [(entry.event, entry.details["ended"]) for entry in told] == [
        (Event.RUN_STOPPED, 0),
        (Event.RUN_CONTINUED, 0),
    ]
