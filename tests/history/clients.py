"""The clients: each kind of person repeats what it does until the run is over."""

import json
import random
import re
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Callable
from contextlib import closing
from io import StringIO
from typing import Any
from urllib.parse import urlencode

from tests.environment import ROOT
from tests.history.dialects import is_proper, outcome_of
from tests.history.history import Call, Ends, Outcome, now
from tests.history.phones import log_out_at_once, refresh_at_once
from tests.history.town import PASSWORD, STAFF, Town
from tests.history.wallet import Session, User, Wallet
from tests.history.wire import Reply, Wire

MORE_OFTEN = 20
MOST_LIVE = 120  # sessions. With more, the clients log out more
PAUSE = 0.01  # seconds between two calls of a client
STAFF_PAUSE, SENDER_PAUSE, OPERATOR_PAUSE = 1.0, 0.05, 5.0


class _Owner:
    """Somebody with a phone: logs in, reads, refreshes, logs out in every way, and changes passwords."""

    def __init__(self, town: Town, number: int) -> None:
        self.town, self.wallet, self.phone = town, town.wallet, town.phone(number)
        self.rng = random.Random(f"{town.seed} phone {number}")
        self.crowd = [town.phone(1000 + number * 10 + each) for each in range(3)]
        phone = self.phone
        self.acts: dict[str, tuple[Callable[[], None], float]] = {
            "read": (self._with(phone.read, dead_in=3), 42),
            "refresh": (self._with(phone.refresh, dead_in=4), 14),
            "log in": (self._log_in, 20),
            "log out": (self._with(phone.log_out, dead_in=10), 6),
            "log out at once": (self._with(lambda session: log_out_at_once([phone, *self.crowd], session)), 1),
            "refresh at once": (self._with(lambda session: refresh_at_once([phone, *self.crowd], session)), 1),
            "log out of others": (self._with(lambda session: phone.log_out_scope(session, "others")), 0.5),
            "log out of all": (self._with(lambda session: phone.log_out_scope(session, "all")), 0.7),
            "end another": (self._with(self._end_another), 0.7),
            "change the password": (self._with(phone.change_password), 1),
            "visit": (self._visit, 2),
        }
        if town.often:
            act, weight = self.acts[town.often]
            self.acts[town.often] = act, weight * MORE_OFTEN

    def live(self) -> None:
        while not self.town.over.wait(PAUSE):
            if len(self.wallet.live) > MOST_LIVE:
                self._with(self.phone.log_out)()
            acts = list(self.acts.values())
            self.rng.choices([act for act, _ in acts], [weight for _, weight in acts])[0]()
        for each in (self.phone, *self.crowd):
            each.wire.close()

    def _with(self, act: Callable[[Session], None], *, dead_in: int = 0) -> Callable[[], None]:
        def run() -> None:
            session = self.wallet.pick(self.rng, dead_in=dead_in)
            if session is not None:
                act(session)

        return run

    def _log_in(self) -> None:
        user, device = self.rng.choice(self.wallet.users), self.rng.choice(self.wallet.devices)
        if self.rng.random() < 0.3 and device.busy.acquire(blocking=False):
            try:
                self.phone.log_in_on(device, user)
            finally:
                device.busy.release()
        else:
            self.phone.log_in(user, self.rng.choice(self.wallet.addresses) if self.rng.random() < 0.7 else None)

    def _visit(self) -> None:
        self.phone.visit(self.rng.choice(self.wallet.users), self.rng.choice(self.wallet.addresses))

    def _end_another(self, session: Session) -> None:
        others = [each for each in self.wallet.sessions_of(session.user) if each is not session]
        if others:
            self.phone.end_one(session, self.rng.choice(others))


def live_as_a_phone(town: Town, number: int) -> None:
    _Owner(town, number).live()


def live_as_a_push_sender(town: Town, number: int) -> None:
    """Ask about pushes to users who have logged in with an address lately, and to the user who has it now."""
    wire, wallet = town.wire(number), town.wallet
    key = b64encode(f"{town.sender['appId']}:{town.sender['appKey']}".encode()).decode()
    while not town.over.wait(SENDER_PAUSE):
        seen = list(wallet.seen)
        asked = wire.rng.sample(seen, min(4, len(seen)))
        if not asked:
            continue
        about = [{"deviceToken": address, "user": user} for address, user in asked]
        reply = wire.send("POST", "/push/check", {"deviceTokens": about}, headers={"Authorization": f"Basic {key}"})
        outcome, proper = outcome_of(reply, good=Outcome.ACCEPTED), is_proper(reply, "services")
        verdicts = reply.json["deviceTokens"] if outcome is Outcome.ACCEPTED else [{}] * len(asked)
        for (address, user), verdict in zip(asked, verdicts, strict=True):
            is_no = outcome is Outcome.ACCEPTED and not verdict.get("allowed")
            facts = {"dialect": "services", "is_proper": proper, "device_token": address, "user": user}
            wire.record(reply, "push_check", Outcome.REFUSED if is_no else outcome, **facts)
    wire.close()


def live_as_staff(town: Town, number: int) -> None:
    """End sessions in the admin: one, or all of a user."""
    wire, wallet = town.wire(number), town.wallet
    desk = _Desk(wire)
    while not town.over.wait(STAFF_PAUSE):
        session = wallet.pick(wire.rng)
        if session is None or not desk.is_in():
            continue
        facts: dict[str, str | Ends | None]
        if wire.rng.random() < 0.7:
            op, path = "staff_end", f"/admin/user_sessions/session/{session.id}/end/"
            facts = {"ends": Ends.TARGET, "target": session.id}
        else:
            op, path = "staff_end_user", f"/admin/users/user/{session.user.id}/log-out/"
            facts = {"ends": Ends.USER, "user": session.user.id}
        reply = desk.post(path, note="torture")
        desk.record(reply, op, **facts)
        for each in wallet.sessions_of(session.user) if reply.status == 302 else []:
            if op == "staff_end_user" or each is session:
                town.phone(number).read(each)
    wire.close()


class _Desk:
    """A browser of staff. It follows no redirects: a redirect to the log-in page is a refusal."""

    def __init__(self, wire: Wire) -> None:
        self.wire, self.cookies = wire, dict[str, str]()

    def is_in(self) -> bool:
        """Return whether staff are logged in; log in if they are not."""
        if self.cookies.get("sessionid"):
            return True
        self._keep(self.wire.send("GET", "/admin/login/"))
        reply = self.post("/admin/login/", username=STAFF, password=PASSWORD, next="/admin/")
        return reply.status == 302

    def post(self, path: str, **fields: str) -> Reply:
        headers = {
            "Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
            "X-CSRFToken": self.cookies.get("csrftoken", ""),
            "Content-Type": "application/x-www-form-urlencoded",
        }
        reply = self.wire.send("POST", path, headers=headers, form=urlencode(fields).encode())
        self._keep(reply)
        return reply

    def record(self, reply: Reply, op: str, **facts: str | Ends | None) -> None:
        outcome = outcome_of(reply, good=Outcome.DONE)
        if reply.status == 302:
            to = reply.headers.get("location", "")
            outcome = Outcome.DONE if re.match(r"/admin/(users/user|user_sessions/session)/", to) else Outcome.REFUSED
            if "/admin/login/" in to:
                self.cookies.clear()
        elif reply.status == 200:
            outcome = Outcome.REFUSED  # the page shows why
        self.wire.record(reply, op, outcome, dialect="admin", is_proper=is_proper(reply, "admin"), **facts)

    def _keep(self, reply: Reply) -> None:
        for each in reply.headers.get("set-cookie", "").split("\n"):
            if found := re.match(r"([\w-]+)=([^;]*)", each):
                self.cookies[found[1]] = found[2]


def live_as_an_operator(town: Town, number: int) -> None:
    """Give orders by commands: log out a user, or everybody."""
    rng = random.Random(f"{town.seed} operator")
    while not town.over.wait(OPERATOR_PAUSE):
        if rng.random() < 0.5:
            give_order(town, number)
        elif town.wallet.users:
            give_order(town, number, user=rng.choice(town.wallet.users))


def give_order(town: Town, number: int, *, user: User | None = None, kill_after: int | None = None) -> None:
    """Log a user out, or everybody.

    Args: kill_after: `kill -9` the command after so many batches; 0: at once after the order; None: never.

    The line "all refused from" is an answer of its own: from then on every earlier token is refused.
    """
    whom = ("--user", user.name) if user else ("--everyone",)
    facts: dict[str, Any] = {
        "client": number,
        "ends": Ends.USER if user else Ends.EVERYONE,
        "user": user.id if user else None,
    }
    began, batches = now(), 0
    process = subprocess.Popen(
        [sys.executable, "manage.py", "logout", *whom, "--reason", "torture", "--json"],
        cwd=ROOT,
        env=town.world.commands,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with closing(process.stdout or StringIO()) as lines:
        for line in lines:
            said = json.loads(line) if line.startswith("{") else {}
            if said.get("news", "").startswith("all refused from"):
                refused = Call(op="bulk_refused", began=began, ended=now(), outcome=Outcome.DONE, **facts)
                town.recorder.add(refused)
                _bury(town.wallet, user)
            batches += "of" in said
            if kill_after is not None and batches >= kill_after and said:
                process.kill()
    code = process.wait(120)
    outcome = Outcome.DONE if code == 0 else Outcome.UNKNOWN
    ended = now() if code >= 0 else None
    town.recorder.add(Call(op="bulk", began=began, ended=ended, outcome=outcome, status=code, **facts))


def _bury(wallet: Wallet, user: User | None) -> None:
    for each in list(wallet.live.values()):
        if user is None or each.user is user:
            wallet.bury(each)


def start(town: Town, *, phones: int) -> list[threading.Thread]:
    """Start all clients. They live until `Town.over` is set."""
    kinds: list[Callable[[Town, int], None]] = [live_as_a_phone] * phones
    kinds += [live_as_a_push_sender, live_as_staff, live_as_an_operator]
    threads = [
        threading.Thread(target=_watched, args=[kind, town, number], name=kind.__name__, daemon=True)
        for number, kind in enumerate(kinds, start=1)
    ]
    for thread in threads:
        thread.start()
    return threads


def _watched(kind: Callable[[Town, int], None], town: Town, number: int) -> None:
    """Run a client, and note its mistakes. Otherwise a run whose clients do nothing would look good."""
    try:
        kind(town, number)
    except Exception as error:
        town.failures.append(f"{kind.__name__} {number}: {error!r}")
        raise


def wait_for(threads: list[threading.Thread], *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
