"""PostgreSQL stops and starts again under a real server. The test checks the answers of both dialects."""

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.restartable import RestartablePostgres
from tests.bad_input.genuine import Genuine
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
def installation(django_db_setup, django_db_blocker, prepared):
    # Not in pytest's folder: a second run of pytest would take PostgreSQL's access to it away.
    with tempfile.TemporaryDirectory(prefix="zapauth-outages-", ignore_cleanup_errors=True) as folder:
        prepared.copy_to(Path(folder))
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


# --- the gate ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def open_gate(installation, django_db_blocker):
    """A server whose gate is open while the database is away."""
    options = {"DATABASE_URL": installation.postgres.url("unix"), "GATE_WITHOUT_DATABASE": "accept", "WORKERS": "1"}
    with django_db_blocker.unblock(), running_server(DJANGO_SETTINGS_MODULE="zapauth.settings", **options) as server:
        yield server


def verify(server, phone, query=""):
    headers = {"Authorization": f"Bearer {phone.access_token}"}
    return Live(server.base_url)("GET", f"/verify{query}", headers=headers)


def is_checked(server, phone):
    reply = verify(server, phone)
    return reply.status == 200 and "x-session-checked" not in reply.headers


def test_without_the_database_the_gate_is_closed_or_open_as_the_setting_says_and_fast(installation, open_gate):
    phone, postgres, closed = installation.phone, installation.postgres, installation.server
    gone = ZapPhone(Live(closed.base_url)).sign_up("gone_ann")
    assert gone.log_out().status == 200
    servers, app_id = (closed, open_gate), Genuine(phone.access_token).claims["aud"]
    assert [verify(server, phone).status for server in servers] == [200, 200]
    assert [verify(server, gone).status for server in servers] == [401, 401]
    postgres.stop()
    try:
        for server in servers:
            verify(server, phone)  # the first requests wait for a second
        began = time.monotonic()
        for _ in range(20):
            reply = verify(closed, phone)
            assert (reply.status, reply.json["error"]) == (503, "temporarily_unavailable")
            assert int(reply.headers["retry-after"]) >= 1
            reply = verify(open_gate, phone, f"?level=user&app={app_id}")
            assert (reply.status, reply.headers["x-session-checked"]) == (200, "no")
            assert reply.headers["x-user-id"] == phone.user_id
        assert time.monotonic() - began < 40 / 4
        assert verify(open_gate, gone).status == 200  # the operator has chosen this
        assert [verify(open_gate, phone, query).status for query in ("?app=ZAP", "?role=nurse")] == [503, 503]
        assert [verify(server, ZapPhone(phone.send)).status for server in servers] == [401, 401]
    finally:
        postgres.start()
    postgres.wait_until_it_answers()
    for server in servers:
        wait_until(lambda server=server: all(is_checked(server, phone) for _ in range(10)))
        assert verify(server, gone).status == 401
    lines = open_gate.log.read_text().splitlines()
    assert len([line for line in lines if "zapauth.gate" in line]) == 1
    assert not any("Traceback" in server.log.read_text() for server in servers)
