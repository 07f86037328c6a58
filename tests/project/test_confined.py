"""The image's code runs as a user without rights, on a read-only file system, and reaches only the database.

There is no Docker here. bubblewrap makes the same: a file system of the interpreter and the image's code, a network
with nothing in it, and a user without rights. The way to the database is a Unix socket. Where the kernel allows no
namespaces, the same checks run without them, and those about files and network are left out; the test says so.
"""

import json
import os
import selectors
import shutil
import socket
import socketserver
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from secrets import token_urlsafe

import pytest
from django.db import connection

from tests.environment import ROOT
from tests.project.image import (
    PASSWORDS,
    WEB,
    arguments,
    command,
    copy_as_the_image_does,
    image_environment,
    web_environment,
)
from tests.servers import free_port
from tests.serving import serving

UID = int(arguments("USER")[0].partition(":")[0])
HOME = WEB["volumes"][0].partition(":")[2]
PROBE = ROOT / "tests/project/in_the_image.py"
SYSTEM = [
    "/usr",
    "/bin",
    "/lib",
    "/lib64",
    "/etc/ssl",
    "/etc/passwd",
    "/etc/group",
    "/etc/nsswitch.conf",
    "/etc/mime.types",
]


class _Relay(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Passes connections to a Unix socket on to the database. A database on a network is reached in this way, too."""

    daemon_threads = True
    request_queue_size = 64


class _Passing(socketserver.BaseRequestHandler):
    def handle(self):
        facts = connection.settings_dict
        host, port = facts["HOST"], facts["PORT"] or 5432
        if host.startswith("/"):
            database = socket.socket(socket.AF_UNIX)
            database.connect(f"{host}/.s.PGSQL.{port}")
        else:
            database = socket.create_connection((host, int(port)))
        with database, selectors.DefaultSelector() as watched:
            watched.register(self.request, selectors.EVENT_READ, database)
            watched.register(database, selectors.EVENT_READ, self.request)
            while True:
                for key, _ in watched.select():
                    data = key.fileobj.recv(65536)
                    if not data:
                        return
                    key.data.sendall(data)


@contextmanager
def way_to_the_database(folder):
    folder.mkdir()
    file = folder / ".s.PGSQL.5432"
    with serving(_Relay(str(file), _Passing)):
        file.chmod(0o777)
        yield


def confined(app, database, home):
    """Return the command line in front of the image's, or None if the kernel allows no namespaces."""
    interpreter = dict.fromkeys(str(Path(each).resolve()) for each in (sys.base_prefix, sys.prefix))
    visible = [*SYSTEM, *(each for each in interpreter if not each.startswith("/usr"))]
    venv = Path(sys.prefix)
    # bubblewrap would make folders that only root can enter.
    parents = sorted({str(each) for path in (*visible, venv, HOME) for each in Path(path).parents if each != Path("/")})
    binds = [text for path in parents for text in ("--perms", "0755", "--dir", path)]
    binds += [text for path in visible for text in ("--ro-bind-try", path, path)]
    binds += ["--ro-bind", str(app), "/app", "--ro-bind", str(PROBE), "/probe.py"]
    binds += ["--ro-bind", str(database), "/database", "--bind", str(home), HOME]
    if venv != venv.resolve():
        binds += ["--symlink", str(venv.resolve()), str(venv)]
    places = [text for path in ("/tmp", "/dev/shm") for text in ("--perms", "1777", "--tmpfs", path)]
    common = ["bwrap", "--unshare-net", "--unshare-pid", "--unshare-ipc", "--die-with-parent", "--new-session"]
    common += ["--dev", "/dev", *places, *binds, "--proc", "/proc", "--remount-ro", "/", "--chdir", "/app"]
    if os.geteuid() == 0:
        # The user is really another one, so root's files stay root's.
        become = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "--no-new-privs"]
        return [*common, "--cap-add", "ALL", "--", *become, "--bounding-set=-all", "--inh-caps=-all"]
    return [*common, "--unshare-user", "--uid", str(UID), "--gid", str(UID), "--cap-drop", "ALL", "--"]


def is_possible(prefix):
    return bool(shutil.which("bwrap")) and subprocess.run([*prefix, "true"], capture_output=True).returncode == 0


@pytest.mark.usefixtures("transactional_db")
def test_the_image_serves_without_rights_on_a_read_only_system_that_reaches_only_the_database(
    settings, tmp_path, capsys
):
    app, database, home = tmp_path / "app", tmp_path / "database", tmp_path / "home"
    copy_as_the_image_does(app)
    home.mkdir()
    if os.geteuid() == 0:
        os.chown(home, UID, UID)
    prefix = confined(app, database, home)
    port = free_port()
    dotenv = {
        **dict.fromkeys(PASSWORDS, "0123456789abcdef"),
        "SECRET_KEY": token_urlsafe(48),
        "SIGNING_KEYS": settings.SIGNING_KEYS.replace("\n", "\\n"),
        "ALLOWED_HOSTS": "auth.example.org",
        "EMAIL_URL": "dummymail://",
    }
    user, name = connection.settings_dict["USER"], connection.settings_dict["NAME"]
    secret = connection.settings_dict["PASSWORD"]
    with way_to_the_database(database), socket.create_server(("127.0.0.1", 0)) as outside:
        has_namespaces = is_possible(prefix)
        places = ("/app", "/database", HOME) if has_namespaces else (str(app), str(database), str(home))
        environment = {
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": places[0],
            **image_environment(),
            **web_environment(dotenv),
            "DATABASE_URL": f"postgres://{user}{f':{secret}' if secret else ''}@/{name}?host={places[1]}",
            "RESTORE_GUARD": f"{places[2]}/restore_guard",
            "PORT": str(port),
        }
        facts = {
            "port": port,
            "command": command(arguments("CMD")[0]),
            "health": command(arguments("HEALTHCHECK")[0]),
            # This machine, and one on the internet (RFC 5737).
            "addresses": [f"127.0.0.1:{outside.getsockname()[1]}", "192.0.2.1:443"] if has_namespaces else [],
            "folders": ["/", "/app", "/app/zapauth", "/usr", "/etc", "/database", sys.prefix, HOME, "/tmp"],
        }
        run = [*(prefix if has_namespaces else []), sys.executable, "/probe.py" if has_namespaces else str(PROBE)]
        done = subprocess.run(
            run,
            input=json.dumps(facts),
            cwd=app,
            env=environment,
            capture_output=True,
            text=True,
            timeout=150,
        )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["listens"], report["log"]
    assert report["service"] == [201, 200, 200, 200, 401], report["log"]
    assert (report["healthy"], report["guard"], report["exit"]) == (0, True, 0), report["log"]
    assert (report["of_another_host"], report["healthy_afterwards"]) == (400, 1)
    if not has_namespaces:
        with capsys.disabled():
            print("\nNo namespaces here: the image's file system, network and user were not checked.")
        return
    for process in (report["process"], report["server"]):
        assert (set(process["Uid"].split()), set(process["Gid"].split())) == ({str(UID)}, {str(UID)})
        assert (process["CapEff"], process["NoNewPrivs"]) == ("0" * 16, "1")
    assert report["interfaces"] == ["lo"]
    assert set(report["reached"].values()) == {False}
    assert {folder for folder, is_written in report["written"].items() if is_written} == {HOME, "/tmp"}
