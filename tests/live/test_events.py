"""Real servers tell services which sessions have ended, also after something died in between."""

import base64
import json
import signal
import socket
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta

import psutil
import psycopg
import pytest
from django.db import connection

from sessions.bulk import runs
from sessions.logout import end_sessions
from sessions.management.demo_data import make_sessions, make_users
from sessions.models import BulkRun, EndReason, Notice, Session
from sessions.selection.selection import Selection
from tests.listeners import listening, new_service
from tests.live.test_outages import installation  # noqa: F401  # a fixture
from tests.phones import Live, ZapPhone
from tests.servers import ping, running_server
from tests.waiting import wait_until
from users.clients import rotate_key, set_access
from users.models import Access, App

BRISK = {"DJANGO_SETTINGS_MODULE": "tests.brisk_settings"}


@pytest.fixture(scope="module")
def _brisk(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock(), running_server(WORKERS="1", EVENT_STREAMS="3", **BRISK) as started:
        yield started


@pytest.fixture
def brisk(_brisk, transactional_db):
    """A server with one worker, which has room for three streams and looks after them often."""
    return _brisk


@pytest.fixture
def service(transactional_db):
    return new_service()


def sign_up(server, name="ann"):
    return ZapPhone(Live(server.base_url)).sign_up(name)


def session_of(phone):
    return json.loads(base64.urlsafe_b64decode(phone.access_token.split(".")[1] + "=="))["sid"]


def test_a_logout_is_told_at_once(server, service):
    phone = sign_up(server)
    with listening(server.base_url, service) as listener:
        assert listener.headers["content-type"] == "text/event-stream"
        assert listener.headers["x-accel-buffering"] == "no"
        assert phone.log_out().status == 200
        (told,) = listener.wait_for("session-ended")
    session = Session.objects.get()
    assert told.data == {
        "session": str(session.pk),
        "user": phone.user_id,
        "app": session.app_id,
        "reason": "logout",
        "at": session.ended_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }


def test_every_worker_tells_what_another_one_has_ended(server, service):
    with ExitStack() as stack:
        listeners = [stack.enter_context(listening(server.base_url, service)) for _ in range(8)]
        phones = [sign_up(server, f"user_{number}") for number in range(6)]
        for phone in phones:
            assert phone.log_out().status == 200
        for listener in listeners:
            listener.wait_for("session-ended", count=6)
            assert listener.sessions() == {session_of(phone) for phone in phones}
            assert len(listener.events()) == 6  # each once


def test_an_app_without_access_does_not_listen(server):
    with listening(server.base_url, new_service(access=Access.NONE), wait=False) as listener:
        assert listener.status == 403
        assert json.loads(listener.body)["error"] == "unauthorized_client"


def test_an_app_with_access_to_its_own_sessions_is_told_of_no_others(server):
    service = new_service(access=Access.OWN)
    with listening(server.base_url, service) as listener:
        sign_up(server).log_out()
        own = sign_up(server, "bob")
        Session.objects.filter(pk=session_of(own)).update(app=service.app)
        end(own)
        assert listener.wait_for("session-ended")[0].data["session"] == session_of(own)
        assert len(listener.events()) == 1


def test_without_a_valid_key_nobody_listens(server, service):
    service.key = "wrong"
    with listening(server.base_url, service, wait=False) as listener:
        assert listener.status == 401
        assert listener.headers["www-authenticate"].startswith("Basic ")


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("POST", 405), ("DELETE", 405)])
def test_other_methods_open_no_stream(brisk, service, method, status):
    send = Live(brisk.base_url)
    for _ in range(4):  # more often than there is room for streams
        assert send(method, "/events", headers={"Authorization": service.authorization}).status == status


# --- going on where it stopped ------------------------------------------------------------------


def test_a_service_that_was_away_learns_what_it_missed(server, service):
    first, second = sign_up(server, "ann"), sign_up(server, "bob")
    with listening(server.base_url, service) as listener:
        first.log_out()
        listener.wait_for("session-ended")
    second.log_out()
    with listening(server.base_url, service, last_id=listener.last_id) as again:
        assert again.sessions() == {session_of(second)}
        assert [each.name for each in again.heard if each.name != "alive"] == ["session-ended", "ready"]


@pytest.mark.parametrize("last_id", ["0123456789ab-7", "nonsense"])
def test_a_service_that_names_an_unknown_place_is_told_to_check_everything(server, service, last_id):
    with listening(server.base_url, service, last_id=last_id) as listener:
        assert [each.name for each in listener.heard if each.name != "alive"] == ["reset", "ready"]
        sign_up(server).log_out()
        listener.wait_for("session-ended")


def test_nothing_is_lost_when_a_worker_or_the_server_is_killed_or_stopped(service):
    with running_server(WORKERS="1") as server:
        told, for_worker, for_server = (sign_up(server, f"user_{number}") for number in range(3))
        with listening(server.base_url, service) as listener:
            told.log_out()
            listener.wait_for("session-ended")
            server.workers()[0].kill()
            wait_until(lambda: listener.has_ended)
        end(for_worker)
        wait_until(lambda: ping(server) == 200)
        with listening(server.base_url, service, last_id=listener.last_id) as listener:
            assert listener.sessions() == {session_of(for_worker)}
            server.process.send_signal(signal.SIGKILL)
            wait_until(lambda: listener.has_ended)
    end(for_server)
    with (
        running_server(WORKERS="1") as server,
        listening(server.base_url, service, last_id=listener.last_id) as listener,
    ):
        assert listener.sessions() == {session_of(for_server)}
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(60) == 0  # it does not wait for the stream
        wait_until(lambda: listener.has_ended)
        assert "Killing" not in server.log.read_text()


def end(phone):
    end_sessions(Session.objects.filter(pk=session_of(phone)), actor=None, reason=EndReason.STAFF)


def test_a_crash_of_postgresql_loses_nothing(installation, service):  # noqa: F811
    server, postgres, phone = installation.server, installation.postgres, installation.phone
    copy_to(postgres, service)
    with listening(server.base_url, service) as listener:
        postgres.stop()
        postgres.start()
        postgres.wait_until_it_answers()
        wait_until(lambda: [phone.me().status for _ in range(6)] == [200] * 6)  # both workers
        assert phone.log_out().status == 200
        assert listener.wait_for("session-ended")[0].data["session"] == session_of(phone)
        assert not listener.has_ended
        assert not listener.events("reset")
    with listening(server.base_url, service, last_id=listener.heard[0].id) as again:
        assert again.sessions() == {session_of(phone)}


def copy_to(postgres, service):
    """Make the same app in the database of that PostgreSQL."""
    made = App.objects.filter(pk=service.id).values().get()
    with psycopg.connect(postgres.url("tcp"), autocommit=True) as link:
        names = ", ".join(made)
        values = ", ".join(["%s"] * len(made))
        link.execute(f"INSERT INTO users_app ({names}) VALUES ({values})", list(made.values()))  # noqa: S608


# --- many at once -------------------------------------------------------------------------------


def populate(sessions, *, users):
    for _ in (*make_users(users), *make_sessions(sessions, users=users)):
        pass


def test_everybody_out_is_one_event_and_not_one_for_each_session(server, service):
    populate(20_000, users=200)
    apps = App.objects.count()
    with listening(server.base_url, service) as listener:
        run = runs.start_run(Selection(everyone=True), source=BulkRun.Source.COMMAND, note="", expected=20_000)
        assert len(listener.wait_for("sessions-refused", count=apps)) == apps
        list(runs.sweep_run(run))
        phone = sign_up(server)
        phone.log_out()
        listener.wait_for("session-ended")
        assert len(listener.events()) == apps + 1
    assert not Session.objects.filter(ended_at=None).exists()


def test_a_run_without_a_cut_off_is_a_few_large_events(server, service):
    populate(5000, users=50)
    live = Session.objects.filter(ended_at=None).count()
    with listening(server.base_url, service) as listener:
        selection = Selection(platforms=tuple(Session.objects.values_list("platform", flat=True).distinct()))
        list(runs.sweep_run(runs.start_run(selection, source=BulkRun.Source.COMMAND, note="", expected=live)))
        wait_until(lambda: len(listener.sessions()) == live, seconds=30)
        assert len(listener.events()) <= live / 100


# --- clients that misbehave ---------------------------------------------------------------------


def test_a_client_that_takes_nothing_is_cut_off_and_the_others_are_told(brisk, service):
    host, port = brisk.base_url.removeprefix("http://").split(":")
    with closing(socket.create_connection((host, int(port)))) as stalled:
        stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        request = f"GET /events HTTP/1.1\r\nHost: {host}\r\nAuthorization: {service.authorization}\r\n\r\n"
        stalled.sendall(request.encode())
        assert b" 200 " in stalled.recv(100)
        with seated(brisk, service) as listener:
            before = brisk.log.stat().st_size
            with connection.cursor() as cursor:
                for _ in range(10):
                    cursor.execute(
                        "INSERT INTO user_sessions_notice (at, app_id, reason, session_ids, user_ids)"
                        " SELECT now(), %s, 'staff', array_agg(gen_random_uuid()), array_agg('u'::text)"
                        " FROM generate_series(1, 40) n, generate_series(1, 500) GROUP BY n",
                        [service.id],
                    )
            listener.wait_for("sessions-ended", count=400)
            wait_until(lambda: "ends: the client takes nothing" in brisk.log.read_text()[before:])
            assert not listener.has_ended
    assert Notice.objects.count() == 400


def test_clients_that_go_away_leave_nothing_behind(brisk, service):
    (worker,) = brisk.workers()
    with seated(brisk, service):
        pass
    wait_until(lambda: is_quiet(brisk, worker))
    files, threads = worker.num_fds(), worker.num_threads()
    for _ in range(3):
        with ExitStack() as stack:
            for _ in range(3):
                stack.enter_context(seated(brisk, service))
        wait_until(lambda: is_quiet(brisk, worker))
    wait_until(lambda: worker.num_fds() <= files)
    assert worker.num_threads() <= threads + 3


def is_quiet(server, worker):
    return all(each.raddr == () or each.status != psutil.CONN_ESTABLISHED for each in tcp(server, worker))


def tcp(server, worker):
    port = int(server.base_url.rsplit(":", 1)[1])
    return [each for each in worker.net_connections("tcp") if each.laddr.port == port]


@contextmanager
def seated(server, service):
    """Listen as soon as the streams of an earlier test have made room."""
    with ExitStack() as stack:

        def listen():
            with ExitStack() as attempt:
                listener = attempt.enter_context(listening(server.base_url, service, wait=False))
                if listener.status == 200:
                    stack.push(attempt.pop_all())
                    return listener
            return None

        listener = wait_until(listen)
        listener.wait_for("ready")
        yield listener


def test_more_streams_than_there_is_room_for_are_told_to_come_back(brisk, service):
    with ExitStack() as stack:

        def refusal():
            stream = stack.enter_context(listening(brisk.base_url, service, wait=False))
            return stream if stream.status == 503 else None

        # The next stream may be taken, because a stream of an earlier test has just ended.
        refused = wait_until(refusal)
        assert int(refused.headers["retry-after"]) > 0
        assert json.loads(refused.body)["error"] == "temporarily_unavailable"


def rotate(service):
    rotate_key(service.app, overlap=timedelta(0))


def take_access_away(service):
    set_access(service.app, {"event_access": Access.NONE})


def switch_off(service):
    App.objects.filter(pk=service.id).update(is_active=False)


@pytest.mark.parametrize("change", [rotate, take_access_away, switch_off])
def test_a_stream_ends_when_the_app_loses_its_key_or_access(brisk, service, change):
    with seated(brisk, service) as listener:
        change(service)
        wait_until(lambda: listener.has_ended, seconds=10)


def hang_up_early(server, service):
    """Ask for a stream, and close the connection without waiting for the answer."""
    host, port = server.base_url.removeprefix("http://").split(":")
    with closing(socket.create_connection((host, int(port)))) as sock:
        sock.sendall(f"GET /events HTTP/1.1\r\nHost: {host}\r\nAuthorization: {service.authorization}\r\n\r\n".encode())


def test_clients_that_hang_up_before_the_answer_take_no_room(brisk, service):
    with seated(brisk, service):
        pass
    for _ in range(3):
        hang_up_early(brisk, service)
    with ExitStack() as stack:
        for _ in range(3):
            wait_until(lambda: stack.enter_context(listening(brisk.base_url, service, wait=False)).status == 200)
