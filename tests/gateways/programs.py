"""Start each gateway from its file in deploy/. Only addresses and paths are replaced."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import programs
from tests.environment import ROOT
from tests.programs import APACHE_MODULES, APACHE_USER, nginx_command
from tests.servers import free_port

DEPLOY = ROOT / "deploy"

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
    return nginx_command(places.folder, workers=2)


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
        f"LoadModule {name}_module {APACHE_MODULES}/mod_{name}.so"
        for name in ("mpm_event", "authz_core", "lua", "proxy", "proxy_http", "proxy_wstunnel")
    ]
    main = places.folder / "main.conf"
    facts = {"folder": places.folder, "port": places.port, "user": APACHE_USER}
    main.write_text(_APACHE.format(**facts, modules="\n".join(modules)))
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
    homes = dict.fromkeys(("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"), str(folder))
    with programs.running(command, port=places.port, log=folder / "output", environment=homes):
        yield places
