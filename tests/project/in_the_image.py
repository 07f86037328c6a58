"""Run inside of the confinement of `test_confined.py`, with the image's code and packages only.

It starts the image's command, uses the service, tries what a container must not do, and prints a report as JSON. The
facts that it needs come as JSON from standard input.
"""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

FACTS = json.load(sys.stdin)
BASE = f"http://127.0.0.1:{FACTS['port']}"
PASSWORD = "correct-horse-1"


def main() -> None:
    server = subprocess.Popen(FACTS["command"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    report: dict[str, Any] = {}
    try:
        report["listens"] = wait_until_healthy(server)
        if report["listens"]:
            # 127.0.0.1 is not an allowed host. The health check has to work all the same.
            report |= {"healthy": health(), "of_another_host": ask("GET", "/service/ping", host="127.0.0.1")[0]}
            report |= {"service": use_the_service()}
            report |= {"process": status_of("self"), "server": status_of(str(server.pid))}
            report |= {"interfaces": [name for _, name in socket.if_nameindex()]}
            report |= {"reached": {address: reaches(address) for address in FACTS["addresses"]}}
            report |= {"written": {folder: writes(folder) for folder in FACTS["folders"]}}
            report |= {"guard": Path(os.environ["RESTORE_GUARD"]).exists()}
    finally:
        server.terminate()
        report |= {"log": server.communicate(timeout=60)[0], "exit": server.returncode}
        report |= {"healthy_afterwards": health()}
    print(json.dumps(report))


def wait_until_healthy(server: subprocess.Popen[str]) -> bool:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        if ask("GET", "/service/ping")[0] == 200:
            return True
        time.sleep(0.1)
    return False


def health() -> int:
    return subprocess.run(FACTS["health"], capture_output=True, timeout=60).returncode


def use_the_service() -> list[int | None]:
    """Register, log in, read, log out, read. Return the statuses."""
    name = "confined"
    person = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
    made = ask("POST", "/v1/users", person)
    logged_in = ask("POST", "/v1/login", {"identity": name, "password": PASSWORD})
    given = json.loads(logged_in[1])["data"]
    token, user = given["token"], given["data"]["id"]
    read = ask("GET", "/v1/users/token", token=token)
    logged_out = ask("GET", f"/v1/users/logout/{user}", token=token)
    again = ask("GET", "/v1/users/token", token=token)
    return [status for status, _ in (made, logged_in, read, logged_out, again)]


def ask(
    method: str, path: str, body: dict[str, Any] | None = None, *, token: str = "", host: str = "auth.example.org"
) -> tuple[int | None, str]:
    """Return status and text of an answer; no status if there is none."""
    headers = {"Host": host, "Content-Type": "application/json"}
    headers |= {"Authorization": f"Bearer {token}"} if token else {}
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(BASE + path, data, headers, method=method)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return None, ""


def status_of(process: str) -> dict[str, str]:
    """Return what the kernel says about the rights of a process."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
    return {name: lines[name].strip() for name in ("Uid", "Gid", "Groups", "CapEff", "CapBnd", "NoNewPrivs")}


def reaches(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except OSError:
        return False
    return True


def writes(folder: str) -> bool:
    """Return whether this user can make a file in a folder."""
    file = Path(folder) / "written"
    try:
        file.touch()
    except OSError:
        return False
    file.unlink()
    return True


main()
