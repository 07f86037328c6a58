"""PostgreSQL stops and starts again under a real server. The test checks the answers of both dialects."""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.restartable import RestartablePostgres
from tests.live.test_busy import is_told_to_come_back
from tests.phones import Live, Phone, ZapPhone
from tests.servers import RunningServer, free_port, running_server
from tests.waiting import wait_until


@dataclass
class Installation:
    postgres: RestartablePostgres
    server: RunningServer
    phone: Phone
    # Each log-in is for another user: log-ins of one user would wait for each other.
    others: list[Phone]


@pytest.fixture(scope="module")
def installation(django_db_setup, django_db_blocker):
    # Not in pytest's folder: a second run of pytest would take PostgreSQL's access to it away.
    with tempfile.TemporaryDirectory(prefix="zapauth-outages-", ignore_cleanup_errors=True) as folder:
        postgres = RestartablePostgres(Path(folder), port=free_port())
        guard = {"RESTORE_GUARD": str(Path(folder) / "guard"), "DJANGO_SETTINGS_MODULE": "zapauth.settings"}
        try:
            with (
                django_db_blocker.unblock(),
                running_server(DATABASE_URL=postgres.url("unix"), THROTTLING="off", **guard) as server,
            ):
                phone, *others = (ZapPhone(Live(server.base_url)).sign_up(f"user_{number}") for number in range(7))
                yield Installation(postgres, server, phone, others)
        finally:
            postgres.stop()


def log_in_at_once(phones):
    with ThreadPoolExecutor(len(phones)) as threads:
        return [answer.status for answer in threads.map(lambda phone: phone.log_in(phone.username), phones)]


def restart(postgres):
    postgres.stop()
    postgres.start()
    postgres.wait_until_it_answers()


def test_a_restart_that_meets_log_ins_first_costs_nothing(installation):
    log_in_at_once(installation.others * 2)  # make connections in both workers
    restart(installation.postgres)
    assert log_in_at_once(installation.others) == [200] * 6


def test_a_restart_that_meets_reads_and_refreshes_first_costs_nothing(installation):
    phone, calls = installation.phone, 6
    restart(installation.postgres)
    assert {phone.me().status for _ in range(calls)} == {200}
    restart(installation.postgres)
    assert {phone.refresh().status for _ in range(calls)} == {200}


def test_while_it_is_away_everybody_is_told_to_come_back_and_then_all_goes_on(installation):
    phone, postgres, server = installation.phone, installation.postgres, installation.server
    buddy = Live(server.base_url)
    device = {"headers": {"Content-Type": "application/json"}, "content": '{"appId":"x","appKey":"y","platform":"z"}'}
    postgres.stop()
    try:
        for _ in range(3):
            assert is_told_to_come_back(phone.me(), "zap")
            assert is_told_to_come_back(phone.log_in(phone.username), "zap")
            assert is_told_to_come_back(phone.refresh(), "zap")
            assert is_told_to_come_back(buddy("POST", "/devices", **device), "buddy")
        assert buddy("GET", "/service/ping").status == 200
        page = buddy("GET", "/admin/login/")
        assert page.status == 200  # this request does not need the database yet
        wait_until(lambda: "a restored backup is not noticed" in server.log.read_text())
    finally:
        postgres.start()
    postgres.wait_until_it_answers()
    # The kernel chooses a worker for each connection.
    wait_until(lambda: [phone.me().status for _ in range(10)] == [200] * 10)
    assert {phone.me().status for _ in range(20)} == {200}
    assert phone.log_in(phone.username).status == 200
    wait_until(lambda: "the mark is counted again" in server.log.read_text())
    assert "Traceback" not in server.log.read_text()
