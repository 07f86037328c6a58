"""The people of one run, and what they share."""

import json
import random
import threading
from dataclasses import dataclass, field

from tests.history.history import Recorder
from tests.history.phones import Phone
from tests.history.servers import World
from tests.history.wallet import User, Wallet
from tests.history.wire import Way, Wire

PASSWORD = "correct-horse-1"
STAFF = "olga_staff"


@dataclass
class Town:
    """Everybody who takes part in one run."""

    world: World
    recorder: Recorder
    wallet: Wallet
    seed: int
    app: dict[str, str] = field(default_factory=dict)  # of Buddy's clients
    sender: dict[str, str] = field(default_factory=dict)  # the app of the push sender
    often: str = ""  # the name of an act of `clients` that phones do more often than usual
    over: threading.Event = field(default_factory=threading.Event)
    failures: list[str] = field(default_factory=list)  # mistakes in the clients themselves

    def wire(self, number: int) -> Wire:
        a, b = self.world.servers.values()
        ways = [Way(a, a.port), Way(b, b.port), Way(a, self.world.proxy.port)]
        return Wire(number, ways, self.recorder, random.Random(f"{self.seed} {number}"))

    def phone(self, number: int) -> Phone:
        return Phone(self.wire(number), self.wallet, app_id=self.app["appId"], app_key=self.app["appKey"])

    def prepare(self, *, users: int) -> None:
        """Make the apps, the staff and the users. Nothing is disturbed yet."""
        manage = self.world.manage
        self.app = json.loads(manage("createapp", "Torture", "--json"))
        self.sender = json.loads(manage("createapp", "Push sender", "--json"))
        manage("appaccess", "Push sender", "--pushes", "all", "--events", "all", "--reason", "torture")
        staff = ("createsuperuser", "--noinput", "--username", STAFF, "--email", "olga@example.org")
        manage(*staff, DJANGO_SUPERUSER_PASSWORD=PASSWORD)
        wire = self.wire(0)
        for number in range(users):
            name = f"user_{number}"
            body = {"username": name, "email": f"{name}@example.org", "password": PASSWORD + name}
            reply = wire.send("POST", "/v1/users", body)
            if reply.status != 201:
                raise RuntimeError(f"{name} can't sign up: {reply.status} {reply.body!r}")
            self.wallet.users.append(User(reply.json["data"]["id"], name, [PASSWORD + name]))
        wire.close()
