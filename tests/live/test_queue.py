"""The queue of a real server whose processes are killed."""

import psutil
import pytest
from django.db import connection

from tests.phones import Live
from tests.servers import running_server
from tests.smtp import mail_server
from tests.waiting import wait_until

pytestmark = pytest.mark.only("zap")


def kill(server):
    """Kill the main process, as the kernel does when memory runs out. Its workers leave with it."""
    workers = server.workers()
    server.process.kill()
    server.process.wait(60)
    psutil.wait_procs(workers, timeout=60)


def waiting():
    with connection.cursor() as cursor:
        cursor.execute("SELECT status::text, count(*) FROM procrastinate_jobs GROUP BY status")
        return dict(cursor.fetchall())


def test_a_mail_whose_server_is_killed_while_it_sends_is_sent_after_the_restart(phone_kind, transactional_db):
    with mail_server() as smtp:
        own = {"EMAIL_URL": smtp.url, "DJANGO_SETTINGS_MODULE": "tests.hasty_settings"}
        smtp.goes_on.clear()
        with running_server(**own) as server:
            phone = phone_kind(Live(server.base_url)).sign_up()
            phone.call("POST", "/v1/otp/forgotPassword", {"identity": phone.username})
            wait_until(lambda: smtp.begun == 2)
            kill(server)
        assert waiting() == {"doing": 2}
        assert smtp.mails == []
        smtp.goes_on.set()
        wait_until(lambda: len(smtp.mails) == 2)
        smtp.mails.clear()  # of the connections that were cut: the server has lost them
        with running_server(**own):
            wait_until(lambda: not waiting())
        assert {mail["Subject"] for mail in smtp.mails} == {"Verify your email for ZapAuth", "Your ZapAuth reset code"}
        assert len(smtp.mails) == 2
