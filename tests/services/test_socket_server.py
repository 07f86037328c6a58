"""The sample socket.io server cuts a user's connection as soon as they are logged out (clients/js/examples)."""

import os
import shutil
import subprocess
import threading
import time
from contextlib import ExitStack, contextmanager

import pytest

from sessions.bulk import runs
from sessions.logout import end_sessions
from sessions.models import BulkRun, EndReason, Session
from sessions.selection.selection import Selection
from tests.environment import ROOT
from tests.listeners import new_service
from tests.live.test_events import session_of
from tests.phones import Live, ZapPhone
from tests.servers import free_port, ping, running_server
from tests.waiting import wait_until

EXAMPLES = ROOT / "clients/js/examples"
pytestmark = pytest.mark.skipif(
    not (shutil.which("node") and (EXAMPLES / "node_modules/socket.io").is_dir()), reason="needs Node and npm ci there"
)
CUT = "disconnected: "


class Program:
    """A program of the sample. A thread notes each line of its output with the time."""

    def __init__(self, process):
        self.process = process
        self.lines = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append((time.monotonic(), line.strip()))

    def wait_for(self, text, *, times=1):
        """Return the time of the line."""
        return wait_until(lambda: len(found := [at for at, line in self.lines if text in line]) >= times and found)[-1]


@contextmanager
def program(*words, **environment):
    with subprocess.Popen(
        ["node", *words],
        cwd=EXAMPLES,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield Program(process)
        finally:
            process.kill()


@contextmanager
def socket_server(server, **environment):
    service, port = new_service(), str(free_port())
    facts = {"ZAPAUTH_URL": server.base_url, "APP_ID": service.id, "APP_KEY": service.key, "PORT": port}
    with program("socket-server.js", **facts | environment) as started:
        started.wait_for("listens on")
        started.url = f"http://127.0.0.1:{port}"
        yield started


@contextmanager
def client_of(sockets, phone):
    # Right after its start the socket server may not be told of events yet.
    for _ in range(100):
        with program("socket-client.js", sockets.url, phone.access_token) as client:
            wait_until(lambda: client.lines)
            if "unavailable" not in client.lines[0][1]:
                yield client
                return
    raise AssertionError("the socket server takes no client")


def sign_up(server, name):
    return ZapPhone(Live(server.base_url)).sign_up(name)


def test_a_socket_is_cut_when_its_user_is_logged_out_and_others_stay(server, record_property):
    with ExitStack() as stack:
        sockets = stack.enter_context(socket_server(server))
        ann, bob, eve = (sign_up(server, name) for name in ("ann", "bob", "eve"))
        clients = [stack.enter_context(client_of(sockets, phone)) for phone in (ann, bob, eve)]
        assert [client.lines[0][1] for client in clients] == ["connected"] * 3

        assert ann.log_out().status == 200
        answered = time.monotonic()
        cut = clients[0].wait_for(CUT)
        record_property("milliseconds", round((cut - answered) * 1000, 1))
        refused = stack.enter_context(client_of(sockets, ann))
        assert refused.lines[0][1] == "refused: unauthorized"
        assert [len(client.lines) for client in clients[1:]] == [1, 1]

        selection = Selection(users=(bob.user_id,))
        runs.start_run(selection, source=BulkRun.Source.COMMAND, note="", expected=1)  # a cut-off, before any sweep
        clients[1].wait_for(CUT)
        assert len(clients[2].lines) == 1


def test_a_socket_is_cut_when_its_user_was_logged_out_while_no_events_came(transactional_db):
    with ExitStack() as stack:
        server = stack.enter_context(running_server(WORKERS="1"))
        sockets = stack.enter_context(socket_server(server))
        ann, bob = sign_up(server, "ann"), sign_up(server, "bob")
        clients = [stack.enter_context(client_of(sockets, phone)) for phone in (ann, bob)]
        server.workers()[0].kill()
        end_sessions(Session.objects.filter(pk=session_of(ann)), actor=None, reason=EndReason.STAFF)
        clients[0].wait_for(CUT)
        wait_until(lambda: ping(server) == 200)
        assert len(clients[1].lines) == 1


def test_without_events_for_too_long_everybody_is_cut_and_nobody_connects(transactional_db):
    with ExitStack() as stack:
        server = stack.enter_context(running_server(WORKERS="1"))
        sockets = stack.enter_context(socket_server(server, LONGEST_UNKNOWN="200"))
        ann = sign_up(server, "ann")
        client = stack.enter_context(client_of(sockets, ann))
        server.process.kill()
        client.wait_for(CUT)
        late = stack.enter_context(program("socket-client.js", sockets.url, ann.access_token))
        late.wait_for("refused: unavailable")
