"""A bulk run of staff whose workers are killed: the server resumes it by itself."""

import re
from contextlib import closing, suppress
from threading import Thread

import httpx
import pytest
from django.db import transaction

from sessions.models import BulkRun, Session
from tests.live.test_doors import Browser
from tests.locks import is_waited_for
from tests.phones import BuddyPhone, Live, ZapPhone
from tests.servers import ping, running_server
from tests.sessions.staff import LIST, new_staff
from tests.waiting import wait_until
from users.clients import create_app

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
