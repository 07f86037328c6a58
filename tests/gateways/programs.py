"""Start each gateway from its file in deploy/. Only addresses and paths are replaced."""

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.environment import ROOT
from tests.servers import free_port
from tests.waiting import wait_until

DEPLOY = ROOT / "deploy"
_ROOT_MAY_RUN_IT = not os.geteuid()
_APACHE_MODULES = "/usr/lib/apache2/modules"

_NGINX = """
daemon off; pid {folder}/pid; error_log {folder}/errors; worker_processes 2; {user}
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/bodies; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    include {folder}/zapauth.conf;
}}
"""

_APACHE = """
ServerRoot {folder}
PidFile {folder}/pid
ErrorLog {folder}/errors
ServerName localhost
DefaultRuntimeDir {folder}
Listen 127.0.0.1:{port}
{modules}
{user}
KeepAliveTimeout 30
MaxKeepAliveRequests 0
StartServers 1
ServerLimit 1
ThreadsPerChild 16
MaxRequestWorkers 16
Include {folder}/zapauth.conf
"""


@dataclass
class Places:
    """Where a gateway finds and keeps things."""

    folder: Path
    port: int
    gate: str  # host:port
    service: str

    def write(self, name: str, changes: dict[str, str], *, to: str = "zapauth.conf") -> Path:
        """Copy a file of deploy/ with these changes. Fails if there is nothing to change."""
        text = (DEPLOY / name).read_text()
        for ours, theirs in changes.items():
            assert ours in text, ours
            text = text.replace(ours, theirs)
        path = self.folder / to
        path.write_text(text)
        return path


def nginx(places: Places) -> list[str]:
    changes = {
        "127.0.0.1:8000;": f"{places.gate};",
        "127.0.0.1:9000;": f"{places.service};",
        "listen 80;": f"listen 127.0.0.1:{places.port};",
    }
    places.write("nginx.conf", changes)
    main = places.folder / "main.conf"
    user = "user root;" if _ROOT_MAY_RUN_IT else ""  # otherwise its workers could not write there
    main.write_text(_NGINX.format(folder=places.folder, user=user))
    return ["nginx", "-p", str(places.folder), "-e", str(places.folder / "errors"), "-c", str(main)]


def haproxy(places: Places) -> list[str]:
    changes = {
        "127.0.0.1:8000": places.gate,
        "127.0.0.1:9000": places.service,
        "bind :80": f"bind 127.0.0.1:{places.port}",
        "/etc/haproxy/": f"{DEPLOY}/",
        "abns@zapauth-gate": f"abns@zapauth-gate-{places.port}",
    }
    return ["haproxy", "-db", "-f", str(places.write("haproxy.cfg", changes))]


def caddy(places: Places) -> list[str]:
    changes = {
        "127.0.0.1:8000": places.gate,
        "127.0.0.1:9000": places.service,
        "api.example.org {": f"http://:{places.port} {{\n\tbind 127.0.0.1",
    }
    path = places.write("Caddyfile", changes)
    path.write_text("{\n\tadmin off\n}\n" + path.read_text())
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(path)]


def apache(places: Places) -> list[str]:
    host, _, port = places.gate.partition(":")
    script = {'"127.0.0.1", 8000': f'"{host}", {port}'}
    script_path = places.write("zapauth.apache.lua", script, to="zapauth.lua")
    changes = {
        "127.0.0.1:9000": places.service,
        "*:80>": f"127.0.0.1:{places.port}>",
        "/etc/apache2/zapauth.apache.lua": str(script_path),
    }
    places.write("apache.conf", changes)
    modules = [
        f"LoadModule {name}_module {_APACHE_MODULES}/mod_{name}.so"
        for name in ("mpm_event", "authz_core", "lua", "proxy", "proxy_http", "proxy_wstunnel")
    ]
    user = "User www-data\nGroup www-data" if _ROOT_MAY_RUN_IT else ""
    main = places.folder / "main.conf"
    main.write_text(_APACHE.format(folder=places.folder, port=places.port, modules="\n".join(modules), user=user))
    return ["apache2", "-D", "FOREGROUND", "-f", str(main)]


PROGRAMS: dict[str, Callable[[Places], list[str]]] = {
    "nginx": nginx,
    "haproxy": haproxy,
    "caddy": caddy,
    "apache": apache,
}


@contextmanager
def running(name: str, folder: Path, *, gate: str, service: str) -> Iterator[Places]:
    """Run that gateway, and stop it at the end. Skips the test if the program is not installed."""
    places = Places(folder, free_port(), gate, service)
    command = PROGRAMS[name](places)
    program = shutil.which(command[0]) or shutil.which(command[0], path="/usr/sbin")
    if program is None:
        pytest.skip(f"needs {command[0]}")
    log = folder / "output"
    with log.open("wb") as output:
        environment = os.environ | {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
        process = subprocess.Popen(
            [program, *command[1:]], env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        try:
            wait_until(lambda: process.poll() is not None or _listens(places.port))
            assert process.poll() is None, log.read_text()
            yield places
        finally:
            process.terminate()
            process.wait(60)


def _listens(port: int) -> bool:
    with suppress(OSError), closing(socket.create_connection(("127.0.0.1", port), timeout=5)):
        return True
    return False
