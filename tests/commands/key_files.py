"""The environment of servers and commands whose `SIGNING_KEYS` is in a file."""

import re
from datetime import timedelta

from sessions.models import RunningServer
from sessions.rotation.ring import in_one_line, kids_in
from sessions.rotation.watch import KeyWatch
from sessions.tokens.keys import new_private_key_pem
from tests.commands.terminal import manage
from users.clock import database_now

PRIVATE = "PRIVATE KEY"


class Environment:
    """The environment of a command and of the servers that are started with it: `SIGNING_KEYS` in a file."""

    def __init__(self, settings, path):
        self.settings, self.path = settings, path
        settings.SIGNING_KEYS_FILE = None
        self.write(new_private_key_pem())
        self.load()

    def write(self, pem):
        self.path.write_text(f"WORKERS=2\nSIGNING_KEYS='{in_one_line(pem)}'\nPORT=8000\n")
        self.path.chmod(0o600)

    def load(self):
        (value,) = re.findall("^SIGNING_KEYS='(.*)'$", self.path.read_text(), re.MULTILINE)
        self.settings.SIGNING_KEYS = value

    def rotate(self, line, *more):
        done = manage("rotatekeys", *line.split(), *more, "--env-file", str(self.path))
        assert PRIVATE not in done.out + done.err
        self.load()
        return done

    @property
    def kids(self):
        return kids_in(self.settings.SIGNING_KEYS)

    def start_server(self, name="auth1"):
        watch = KeyWatch(name)
        watch.begin()
        return watch


def publish(here, *names):
    """Add a new key, and start these servers with it an hour ago."""
    assert here.rotate("add").code == 0
    servers = [here.start_server(name) for name in names or ["auth1"]]
    RunningServer.objects.update(started_at=database_now() - timedelta(hours=1))
    return servers
