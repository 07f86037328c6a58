"""A small history for tests: one server over the suite's database, a few phones, and no nemesis."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.history.checker import OF_HISTORY
from tests.history.clients import live_as_a_phone
from tests.history.faults.run import SETTINGS, SWITCH
from tests.history.history import Recorder
from tests.history.servers import Server, World
from tests.history.town import PASSWORD, Town
from tests.history.violation import Violation
from tests.history.wallet import User, Wallet
from tests.servers import running_server
from users.clients import create_app

PHONES, USERS = 3, 4
_EVERY = 0.3  # seconds between two checks
_ENVIRONMENT = {
    "DJANGO_SETTINGS_MODULE": SETTINGS,
    "ROTATE_REFRESH_TOKENS": "on",
    "THROTTLING": "off",
    "REAUTHENTICATION_WINDOW": "86400",
}


@contextmanager
def town_with(fault: str, folder: Path) -> Iterator[Town]:
    """Serve with a fault, and make an app and users."""
    recorder = Recorder(folder / "history.jsonl")
    with running_server(**_ENVIRONMENT, **{SWITCH: fault}) as started:
        server = Server("a", int(started.base_url.rpartition(":")[2]), {}, started.log, started.process)
        nothing: Any = None
        # There is only one server.
        world = World(folder, nothing, {"a": server, "b": server}, server, {}, None)  # type: ignore[arg-type]
        new = create_app("Torture")
        wallet = Wallet(addresses=4, devices=2)
        town = Town(world, recorder, wallet, seed=1, app={"appId": new.app.pk, "appKey": new.key})
        _sign_up(town)
        yield town
    recorder.close()


def find_soon(town: Town, *, seconds: float) -> list[Violation]:
    """Let phones live until the checker finds violations, but no longer than ``seconds``."""
    threads = [threading.Thread(target=live_as_a_phone, args=[town, number]) for number in range(1, PHONES + 1)]
    for thread in threads:
        thread.start()
    found: list[Violation] = []
    deadline = time.monotonic() + seconds
    while not found and time.monotonic() < deadline:
        town.over.wait(_EVERY)
        found = _check(town)
    town.over.set()
    for thread in threads:
        thread.join()
    return found


def _check(town: Town) -> list[Violation]:
    history = town.recorder.history
    return [violation for rule in OF_HISTORY for violation in rule(history)]


def _sign_up(town: Town) -> None:
    wire = town.wire(0)
    for number in range(USERS):
        name = f"user_{number}"
        body = {"username": name, "email": f"{name}@example.org", "password": PASSWORD + name}
        reply = wire.send("POST", "/v1/users", body)
        assert reply.status == 201, reply
        town.wallet.users.append(User(reply.json["data"]["id"], name, [PASSWORD + name]))
    wire.close()
