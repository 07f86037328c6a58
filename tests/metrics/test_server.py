"""The figures of a real server with two workers, as Prometheus reads them."""

import http.client
import os
import signal
import socket
import urllib.request
from contextlib import closing
from pathlib import Path
from urllib.error import HTTPError

import psycopg
import pytest
from django.db import connection
from django.urls import get_resolver

from sessions.inspect.statistics import count_figures
from sessions.models import EndReason, Refusal
from tests.metrics.scraping import Since, scrape
from tests.phones import Live, new_name, promote
from tests.waiting import wait_until
from users.models import RefusedLogin
from users.record.events import Event
from zapauth.metrics import doors

# What `tests.bad_input` sends is for the answers. This is for the labels.
ODD_PATHS = (
    *("/%00", "/%ff", "/v1/users/" + "x" * 2000, "/v1/users/updatePhone/a/../b", "/admin/%2e%2e/etc", "/static/../x"),
    *("/verify/../x", "/verify;a=b/c", "/oauth/nothing", "/events/x", "/account/not-me/" + "t" * 300, "/healthz/x"),
    *("/v1/users/token?route=x", "//v1//users", "/V1/users", "/users/" + "9" * 24, "/schema/x", "/%E2%82%AC"),
)
ODD_METHODS = ("BREW", "PROPFIND", "TRACE", "OPTIONS", "PATCH", "get", "X" * 500)


def test_a_life_is_counted_by_door_reason_and_rule(phone_kind, counted_server, port):
    since = Since(port)
    phone = phone_kind(Live(counted_server.base_url)).sign_up()
    assert phone.me().status == 200
    assert phone.log_out().status == 200
    assert phone.me().status == 401
    door = phone.dialect
    assert since("zapauth_logins_total", door=door) == 1
    # A Buddy device has an app-level session before the log-in, and another one after the logout.
    assert since("zapauth_sessions_opened_total", door=door) == {"zap": 1, "buddy": 3}[door]
    assert since("zapauth_sessions_ended_total", door=door, reason=EndReason.LOGOUT.value) == 1
    assert since("zapauth_tokens_refused_total", door=door, rule=Refusal.ENDED.value) == 1
    assert since("zapauth_record_entries_total", event=Event.LOGIN.value) == 1
    route = {"zap": "v1/users/token", "buddy": "users/{user_id}"}[door]
    assert since("zapauth_request_seconds_count", dialect=door, method="GET", route=route, status="2xx") == 1
    assert since("zapauth_request_seconds_count", dialect=door, method="GET", route=route, status="4xx") == 1


@pytest.mark.only("zap")
def test_refused_attempts_and_other_doors_are_counted(phone_kind, counted_server, port):
    phone = phone_kind(Live(counted_server.base_url)).sign_up()
    staff = phone_kind(Live(counted_server.base_url)).sign_up()
    promote(staff, "user_sessions.end_session")
    since = Since(port)
    wrong = {"identity": phone.username, "password": "wrong-horse-9"}
    assert phone.call("POST", "/v1/login", wrong).status == 401
    assert phone.call("POST", "/v1/login", wrong | {"identity": new_name()}).status == 401
    assert phone.call("GET", "/verify", token=phone.access_token).status == 200
    assert phone.call("GET", "/verify", token="x.y.z").status == 401
    assert staff.call("GET", f"/v1/users/logout/{phone.user_id}", token=staff.access_token).status == 200
    # The user has logged in from here before, so the place is known.
    assert since("zapauth_logins_refused_total", reason=RefusedLogin.Reason.KNOWN_PLACE.value) == 1
    assert since("zapauth_logins_refused_total", reason=RefusedLogin.Reason.UNKNOWN_USER.value) == 1
    assert since("zapauth_request_seconds_count", dialect="gate", route="verify", status="2xx") == 1
    assert since("zapauth_tokens_refused_total", door="gate", rule="token_invalid") == 1
    assert since("zapauth_sessions_ended_total", door="zap", reason=EndReason.STAFF.value) == 1


def test_whatever_a_client_sends_the_labels_stay_those_that_the_code_lists(counted_server, port):
    def send_all():
        for path in ODD_PATHS:
            send(counted_server, "GET", path)
        for method in ODD_METHODS:
            for path in ("/v1/users/token", "/verify", "/nothing", "/admin/login/"):
                send(counted_server, method, path)

    send_all()
    first = scrape(port).series.keys()
    # The same again, with other ids, names and hosts: no new figure.
    for number in range(60):
        send(counted_server, "GET", f"/v1/users/{number}", host=f"host{number}.example")
        send(counted_server, f"ODD{number}", f"/nothing/{number}")
        send(counted_server, "GET", f"/verify/{number}")
    send_all()
    figures = scrape(port)
    assert len(figures.series.keys() - first) <= 20  # one more route of ZAP: its histogram
    labels = figures.labels()
    assert labels["dialect"] <= set(doors.DIALECTS)
    assert labels["method"] <= {"GET", "POST", "PUT", "PATCH", "DELETE", "other"}
    assert labels["route"] <= set(routes()) | {doors.NO_ROUTE, doors.STATIC, "verify"}
    assert labels["status"] <= {"2xx", "3xx", "4xx", "5xx"}


def send(server, method, path, *, host="127.0.0.1"):
    address = server.base_url.removeprefix("http://").rpartition(":")
    with closing(socket.create_connection((address[0], int(address[2])), timeout=30)) as line:
        line.sendall(f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        while line.recv(65_536):
            pass


def routes():
    """Return the names of all routes."""
    left = [("", pattern) for pattern in get_resolver().url_patterns]
    while left:
        prefix, pattern = left.pop()
        whole = prefix + str(pattern.pattern)
        if hasattr(pattern, "url_patterns"):
            left += [(whole, each) for each in pattern.url_patterns]
        else:
            yield doors.route_name(whole)


def test_the_name_of_a_route_has_no_sign_of_a_regular_expression_and_is_its_own():
    names = list(routes())
    assert len(names) > 100
    assert [name for name in names if set(name) & set("^$?()[]\\<>*+|")] == []
    assert {"v1/users/{user_id}", "v1/users/{user_id}/sessions/{session_id}", ".well-known/jwks.json"} <= set(names)
    assert {"account/sessions/{session_id}/end/", "admin/users/user/{object_id}/change/", "/"} <= set(names)
    # Only the catch-all of the admin and `account` without its slash may look like another one.
    assert len(names) - len(set(names)) <= 2


@pytest.mark.only("zap")
def test_a_killed_worker_leaves_its_counts_and_no_gauge(phone_kind, counted_server, port):
    phone = phone_kind(Live(counted_server.base_url)).sign_up()
    since, before = Since(port), scrape(port)
    for _ in range(20):
        assert phone.me().status == 200
    assert since("zapauth_request_seconds_count", route="v1/users/token") == 20
    victim = counted_server.workers()[0]
    os.kill(victim.pid, signal.SIGKILL)
    wait_until(lambda: since("zapauth_worker_deaths_total") == 1)
    wait_until(lambda: victim.pid not in {each.pid for each in counted_server.workers()})
    wait_until(lambda: scrape(port)("zapauth_workers") == 2)
    assert since("zapauth_request_seconds_count", route="v1/users/token") == 20
    assert phone.me().status == 200
    assert since("zapauth_request_seconds_count", route="v1/users/token") == 21
    # The new worker uses the files of the dead one.
    connections = sum(before("zapauth_pool_connections", state=state) for state in ("free", "used", "unopened"))
    assert scrape(port)("zapauth_pool_connections") == connections
    assert len({file.name for file in folder_of(counted_server).glob("counter_*.db")}) <= 3


def folder_of(server):
    environment = server.workers()[0].environ()
    return Path(environment["PROMETHEUS_MULTIPROC_DIR"])


def test_the_folder_belongs_to_the_server_alone(counted_server):
    assert folder_of(counted_server).stat().st_mode & 0o777 == 0o700


@pytest.mark.only("zap")
def test_figures_of_the_database_come_with_the_others(phone_kind, counted_server, port):
    phone_kind(Live(counted_server.base_url)).sign_up()
    phone_kind(Live(counted_server.base_url)).sign_up()
    count_figures(anew=True)
    with connection.cursor() as cursor:
        # The count takes what is older than some seconds.
        cursor.execute("UPDATE user_sessions_figure SET count = 2 WHERE kind = 'live'")
        cursor.execute(
            "INSERT INTO user_sessions_figure (kind, day, app_id, label, count, counted_at)"
            " VALUES ('live', now()::date, '', 'x', 40, now())"
        )
    figures = scrape(port)
    assert figures("zapauth_database_up") == 1
    assert figures("zapauth_live_sessions") >= 40
    assert 0 <= figures("zapauth_sweep_age_seconds") < 120


def test_when_everybody_is_logged_out_the_live_sessions_are_0_and_the_age_of_the_sweep_stays(transactional_db, port):
    count_figures(anew=True)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM user_sessions_figure WHERE kind = 'live'")
    figures = scrape(port)
    assert {"zapauth_live_sessions", "zapauth_sweep_age_seconds"} <= set(figures.names())
    assert figures("zapauth_live_sessions") == 0


def test_a_lock_on_a_table_hides_its_own_figures_only_and_the_database_is_up(counted_server, port):
    count_figures(anew=True)
    parameters = {**connection.get_connection_params(), "cursor_factory": None}
    with psycopg.connect(**parameters) as lock:
        lock.execute("LOCK TABLE user_sessions_bulkrun IN ACCESS EXCLUSIVE MODE")
        figures = scrape(port)
        lock.rollback()
    assert figures("zapauth_database_up") == 1
    assert figures("zapauth_workers") == 2
    assert figures("zapauth_figures_missing", figures="bulk") == figures("zapauth_figures_missing") == 1
    assert "zapauth_sweep_age_seconds" in figures.names()
    assert "zapauth_bulk_runs" not in figures.names()
    after = scrape(port)
    assert after("zapauth_figures_missing") == 0
    assert "zapauth_bulk_runs" in after.names()


def test_nothing_else_is_on_that_port_and_a_client_that_sends_nothing_blocks_nobody(port):
    with pytest.raises(HTTPError, match="404"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30)
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as line:
        line.request("POST", "/metrics", body=b"x")
        assert line.getresponse().status == 501
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
    assert scrape(port)("zapauth_workers") == 2
    for each in idle:
        each.close()
