"""The signing keys are rotated over two servers with two workers each, while clients go on."""

import random
import re
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from http.client import HTTPException

import jwt
import pytest
from django.db.models import Q

from sessions.models import RunningServer, Session
from sessions.rotation.ring import in_one_line
from sessions.tokens.keys import key_ring, new_private_key_pem
from tests.commands.terminal import manage
from tests.environment import ROOT
from tests.phones import BuddyPhone, Live, ZapPhone
from tests.servers import MAY_SERVE, free_port, running_server, test_environment
from tests.traffic import Traffic
from users.clients import create_app
from users.clock import database_now


class Fleet:
    """Two servers whose environment comes from one file, behind a balancer that knows which of them are open."""

    def __init__(self, settings, path, stack):
        self.settings, self.path, self.ports = settings, path, [free_port(), free_port()]
        self.stacks = [stack.enter_context(ExitStack()) for _ in self.ports]
        self.servers, self.open, self.busy = {}, set(), Counter()
        self.changed = threading.Condition()
        settings.SIGNING_KEYS_FILE = None
        path.write_text(f"SIGNING_KEYS='{in_one_line(new_private_key_pem())}'\n")
        self.load()
        self.start_all()

    def start_all(self):
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(self.start, self.ports))

    def load(self):
        (self.settings.SIGNING_KEYS,) = re.findall("^SIGNING_KEYS='(.*)'$", self.path.read_text(), re.MULTILINE)

    def start(self, port):
        server = running_server(PORT=str(port), SIGNING_KEYS=self.settings.SIGNING_KEYS, TELLS_KEYS="yes")
        self.servers[port] = self.stacks[self.ports.index(port)].enter_context(server)
        with self.changed:
            self.open.add(port)

    def stop(self, port):
        with self.changed:
            self.open.discard(port)
            self.changed.wait_for(lambda: not self.busy[port], 30)
        self.stacks[self.ports.index(port)].close()

    def restart_one_after_the_other(self):
        self.load()
        for port in self.ports:
            self.restart(port)

    def restart(self, port):
        self.stop(port)
        self.start(port)

    @contextmanager
    def any_server(self):
        with self.changed:
            port = random.choice(sorted(self.open))
            self.busy[port] += 1
        try:
            yield Live(f"http://127.0.0.1:{port}")
        finally:
            with self.changed:
                self.busy[port] -= 1
                self.changed.notify_all()

    def __call__(self, *call, **options):
        """Send a request of a phone to any open server."""
        with self.any_server() as send:
            return send(*call, **options)

    def published(self):
        """Return the keys that the servers publish, by server."""
        found = []
        for port in self.open:
            reply = Live(f"http://127.0.0.1:{port}")("GET", "/.well-known/jwks.json")
            found.append({key["kid"] for key in reply.json["keys"]})
        return found

    def rotate(self, *words):
        done = manage("rotatekeys", *words, "--env-file", str(self.path))
        assert done.code == 0, done
        return done


@pytest.fixture
def fleet(transactional_db, settings, tmp_path):
    with ExitStack() as stack:
        yield Fleet(settings, tmp_path / "env", stack)


@pytest.fixture
def app():
    return create_app("Rotation")


def both_kinds(fleet, app):
    options = {"app_id": app.app.pk, "app_key": app.key}
    return [ZapPhone(fleet).sign_up(), BuddyPhone(fleet, **options).sign_up()]


class Clients(Traffic):
    """Phones that read, refresh and log in all the time."""

    def __init__(self, fleet, phones):
        super().__init__(phones, pause=0.1)
        self.fleet = fleet

    def go_on(self, client):
        kind, options = type(client), {}
        if kind is BuddyPhone:
            options = {"app_id": client.app_id, "app_key": client.app_key}
        while self.goes_on():
            self.call("read", client.me)
            if kind is ZapPhone:
                self.call("refresh", client.refresh)
            else:
                self.call("read as the app", lambda: client.call("GET", "/verify", token=client.app_token))
            newer = kind(self.fleet, **options)
            self.call("log in", newer.log_in, client.username)
            self.call("read", newer.me)
            self.call("log out", newer.log_out)

    def check(self):
        """Check that no call was refused, and that each kind was made many times."""
        assert self.failed == []
        assert min(self.calls[call] for call in ("read", "refresh", "log in", "log out", "read as the app")) > 5


def forged(key, kid, session, **claims):
    """Make a token of that live session, as somebody who has the key can do."""
    now = int(database_now().timestamp())
    genuine = {"aud": session.app_id, "client_id": session.app_id, "sub": session.user_id or session.app_id}
    genuine |= {"sid": str(session.pk), "jti": "0" * 32, "iat": now, "exp": now + 600, "iss": claims["iss"]}
    genuine["token_type"] = "access" if session.user_id else "app_access"
    return jwt.encode(genuine, key, "ES256", headers={"kid": kid, "typ": "at+jwt"})


def statuses(fleet, tokens):
    """Return the statuses of each token on each server, on both workers."""
    return {
        Live(f"http://127.0.0.1:{port}")("GET", path, headers={"Authorization": f"{scheme} {token}"}).status
        for port in fleet.ports
        for scheme, path, token in tokens
        for _ in range(8)
    }


def ask(fleet, phones):
    """Return the statuses of a read by each phone on each server. A server that does not answer has none."""
    found = Counter()
    for port in fleet.ports:
        for phone in phones:
            phone.send = Live(f"http://127.0.0.1:{port}")
            try:
                found[phone.me().status] += 1
            except (OSError, HTTPException):
                found[None] += 1
            phone.send = fleet
    return found


def start_with(keys, port):
    """Try to start a server with those keys, and return its output."""
    return subprocess.run(
        [sys.executable, "-m", "zapauth.serve"],
        cwd=ROOT,
        env=test_environment() | MAY_SERVE | {"PORT": str(port), "SIGNING_KEYS": keys},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


# --- the story: one fleet for both orders, because a start of a server takes seconds ---------------------------


def test_no_token_is_refused_in_the_normal_order_and_none_of_before_is_accepted_after_a_leak(fleet, app, settings):
    first = both_kinds(fleet, app)
    with Clients(fleet, first) as clients:
        add_and_sign(fleet)
    clients.check()
    assert manage("rotatekeys drop --env-file", str(fleet.path)).code == 3  # tokens of the old key are live
    later = both_kinds(fleet, app)
    with Clients(fleet, later) as clients:
        end_all_but(later)
        fleet.rotate("drop")
        fleet.load()
        fleet.restart(fleet.ports[0])
    clients.check()
    assert sorted(map(len, fleet.published())) == [1, 2]  # one of the servers has dropped the old key
    assert ask(fleet, later) == {200: 4}
    assert ask(fleet, first) == {401: 4}

    leaked = settings.SIGNING_KEYS
    fleet.rotate("leaked", "--reason", "Found in a public repository")
    assert ask(fleet, later)[200] == 0  # at once, before any restart
    check_that_no_server_goes_on_with(leaked, fleet)
    fleet.start_all()
    newcomers = both_kinds(fleet, app)
    assert ask(fleet, newcomers) == {200: 4}
    assert ask(fleet, first + later) == {401: 8}
    assert later[0].refresh().status == 401
    check_forgeries_are_refused(fleet, key_ring(leaked), [("Buddy", "/verify", later[1].app_token)])
    assert fleet.published() == [{key_ring(settings.SIGNING_KEYS).signing_kid}] * 2


def add_and_sign(fleet):
    """Take both steps. Services that fetched the keys between them have the key that signs afterwards."""
    old = fleet.published()[0]
    fleet.rotate("add")
    fleet.restart_one_after_the_other()
    RunningServer.objects.update(started_at=database_now() - timedelta(minutes=6))
    fetched = fleet.published()
    assert fetched[0] == fetched[1] > old
    fleet.rotate("sign")
    fleet.restart_one_after_the_other()
    assert key_ring(fleet.settings.SIGNING_KEYS).signing_kid in fetched[0] - old


def end_all_but(phones):
    """Let all sessions expire except those of ``phones``, which have only tokens of the new key."""
    theirs = Q(user__in=[phone.user_id for phone in phones])
    theirs |= Q(user=None, created_at__gte=Session.objects.filter(theirs).earliest("created_at").created_at)
    theirs |= Q(pk__in=[sid_of(phone.app_token) for phone in phones if isinstance(phone, BuddyPhone)])
    Session.objects.exclude(theirs).update(expires_at=database_now())


def sid_of(token):
    return jwt.decode(token, options={"verify_signature": False})["sid"]


def check_that_no_server_goes_on_with(leaked, fleet):
    for port in fleet.ports:
        assert fleet.servers[port].process.wait(60) == 1
        assert "reported as leaked" in fleet.servers[port].log.read_text()
        fleet.stop(port)
    refused = start_with(leaked, fleet.ports[0])
    assert (refused.returncode, "reported as leaked" in refused.stderr) == (1, True)
    fleet.load()


def check_forgeries_are_refused(fleet, leaked, tokens):
    """Make tokens of all live sessions with the leaked key, under its name and under that of the present key."""
    present, issuer = key_ring(fleet.settings.SIGNING_KEYS), fleet.settings.TOKEN_ISSUER
    for session in Session.objects.filter(ended_at=None).order_by("pk"):
        is_zap = session.app.name == "ZAP"
        scheme = "Bearer" if is_zap else "Buddy"
        path = "/v1/users/token" if is_zap else "/users/me" if session.user_id else "/verify"
        for kid in (leaked.signing_kid, present.signing_kid):
            token = forged(leaked.signing, kid, session, iss=issuer)
            tokens += [(scheme, path, token), (scheme, "/verify", token)]
        genuine = forged(present.signing, present.signing_kid, session, iss=issuer)
        assert statuses(fleet, [(scheme, path, genuine)]) == {200}  # it is like a genuine one, but for the key
    assert len(tokens) == 1 + 3 * 4
    assert statuses(fleet, tokens) == {401}
