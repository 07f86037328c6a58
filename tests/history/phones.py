"""The phones of users in both dialects, as black boxes: requests and answers only."""

import random
import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from tests.history.dialects import claims_of, is_proper, outcome_of
from tests.history.history import Ends, Outcome
from tests.history.wallet import Device, Session, User, Wallet
from tests.history.wire import Reply, Wire

ACCEPTED, DONE = Outcome.ACCEPTED, Outcome.DONE
SOON = 0.02  # seconds: about the time of one request


class Phone:
    """One client. It uses the tokens of any session in the wallet, and notes the results."""

    def __init__(self, wire: Wire, wallet: Wallet, *, app_id: str, app_key: str) -> None:
        self.wire, self.wallet, self.app_id, self.app_key = wire, wallet, app_id, app_key

    def _ask(self, session: Session, method: str, path: str, body: Any = None) -> Reply:
        scheme = "Bearer" if session.dialect == "zap" else "Buddy"
        return self.wire.send(method, path, body, headers={"Authorization": f"{scheme} {session.access}"})

    def _record(self, reply: Reply, op: str, session: Session, *, good: Outcome = DONE, **facts: Any) -> Outcome:
        """Write the call. If the session was refused or has ended, note that it is dead."""
        outcome = outcome_of(reply, good=good)
        about = {"session": session.id, "user": session.user.id, "dialect": session.dialect} | facts
        self.wire.record(reply, op, outcome, is_proper=is_proper(reply, about["dialect"]), **about)
        if outcome is Outcome.REFUSED and reply.status == 401:
            self.wallet.bury(session)
        return outcome

    # --- log-ins ------------------------------------------------------------------------------------

    def log_in(self, user: User, device_token: str | None) -> Session | None:
        """Log in with ZAP, perhaps with a push address that another user has now."""
        password = self.wire.rng.choice(user.passwords)
        body = {"identity": user.name, "password": password}
        reply = self.wire.send("POST", "/v1/login", body | ({"deviceToken": device_token} if device_token else {}))
        opened = found = None
        if reply.status == 200:
            data = reply.json["data"]
            opened = claims_of(data["token"])["sid"]
            found = Session(opened, user, "zap", data["token"], data["refreshToken"], device_token)
        facts = {"user": user.id, "device_token": device_token, "token": password, "opened": opened}
        proper = is_proper(reply, "zap")
        self.wire.record(reply, "login", outcome_of(reply, good=DONE), dialect="zap", is_proper=proper, **facts)
        if found is not None:
            self.wallet.add(found)
        return found

    def visit(self, user: User, device_token: str) -> None:
        """Log in with a push address, and log out with it at once."""
        session = self.log_in(user, device_token)
        if session is not None:
            self.log_out(session)

    def log_in_on(self, device: Device, user: User) -> None:
        """Log in with Buddy on a device, which is registered first if its app-level token is dead."""
        if not device.app_token and not self._register(device):
            return
        password = self.wire.rng.choice(user.passwords)
        headers = {"Authorization": f"Buddy {device.app_token}"}
        body = {"username": user.name, "password": password}
        reply = self.wire.send("POST", "/users/login", body, headers=headers)
        opened = None
        if reply.status == 200:
            access = reply.json["result"]["accessToken"]
            opened = claims_of(access)["sid"]
            found = Session(opened, user, "buddy", access, "", device.device_token)
        facts = {"user": user.id, "device_token": device.device_token, "token": password, "opened": opened}
        facts |= {"session": device.app_session, "is_proper": is_proper(reply, "buddy")}
        self.wire.record(reply, "login", outcome_of(reply, good=DONE), dialect="buddy", **facts)
        if opened:
            self.wallet.add(found)
        elif reply.status == 401:
            device.app_token = ""

    def _register(self, device: Device) -> bool:
        body = {"appId": self.app_id, "appKey": self.app_key, "platform": "Android", "uniqueId": device.unique_id}
        reply = self.wire.send("POST", "/devices", body | {"pushToken": device.device_token})
        if reply.status == 201:
            self._keep_app_token(device, reply)
        outcome, proper = outcome_of(reply, good=DONE), is_proper(reply, "buddy")
        opened = device.app_session if outcome is DONE else None
        self.wire.record(reply, "register", outcome, dialect="buddy", is_proper=proper, opened=opened)
        return outcome is DONE

    def _keep_app_token(self, device: Device, reply: Reply) -> None:
        device.app_token = reply.json["result"]["accessToken"]
        device.app_session = claims_of(device.app_token)["sid"]

    # --- use ----------------------------------------------------------------------------------------

    def read(self, session: Session) -> None:
        path = "/v1/users/token" if session.dialect == "zap" else "/users/me"
        self._record(self._ask(session, "GET", path), "read", session, good=ACCEPTED)

    def refresh(self, session: Session) -> None:
        """Refresh. Mostly one client does it at a time, because a used token that arrives late ends the session."""
        if not session.refresh:
            return
        is_careful = session.refreshing.acquire(blocking=False)
        if is_careful or not self.wire.rng.randrange(10):
            try:
                self.send_refresh(session, session.refresh)
            finally:
                if is_careful:
                    session.refreshing.release()

    def send_refresh(self, session: Session, sent: str) -> None:
        """Send the refresh token ``sent`` of the session."""
        reply = self.wire.send("POST", "/v1/refresh", {"refreshToken": sent})
        facts = {"token": str(claims_of(sent)["jti"]), "brought": None}
        if reply.status == 200:
            data = reply.json["data"]
            facts["brought"] = claims_of(data["refreshToken"])["jti"]
            if session.refresh == sent:
                session.refresh, session.access = data["refreshToken"], data["token"]
        self._record(reply, "refresh", session, good=ACCEPTED, **facts)

    # --- ends ---------------------------------------------------------------------------------------

    def log_out(self, session: Session) -> None:
        """Log out with the push address, as phones do, or without one, as the web app does."""
        facts: dict[str, Any] = {"ends": Ends.THIS}
        if session.dialect == "buddy":
            reply = self._ask(session, "POST", "/users/me/logout")
            if reply.status == 200:
                facts["opened"] = claims_of(reply.json["result"]["accessToken"])["sid"]
        elif session.device_token:
            path = f"/v1/users/logout/{session.user.id}"
            reply = self._ask(session, "PUT", path, {"deviceToken": session.device_token})
            facts = {"ends": Ends.ADDRESS, "device_token": session.device_token}
        else:
            reply = self._ask(session, "GET", f"/v1/users/logout/{session.user.id}")
        self._end(reply, "logout", session, **facts)

    def log_out_scope(self, session: Session, scope: str) -> None:
        """Log out the "others" or "all" of the user. Buddy's tokens can do it, too, but only ZAP has the route."""
        if session.dialect == "zap":
            path = f"/v1/users/{session.user.id}/sessions/logout"
            ends = Ends.USER if scope == "all" else Ends.OTHERS
            self._end(self._ask(session, "POST", path, {"scope": scope}), f"logout_{scope}", session, ends=ends)

    def end_one(self, session: Session, other: Session) -> None:
        """End another session of the same user."""
        if session.dialect == "zap":
            path = f"/v1/users/{session.user.id}/sessions/{other.id}"
            self._end(self._ask(session, "DELETE", path), "logout_one", session, ends=Ends.TARGET, target=other.id)

    def change_password(self, session: Session) -> None:
        """Set a new password. The user's other sessions end. One client at a time does this for a user."""
        user = session.user
        if session.dialect != "zap" or not user.changing.acquire(blocking=False):
            return
        try:
            old, new = self.wire.rng.choice(user.passwords), f"New-pass-{uuid4().hex[:12]}"
            body = {"userId": user.id, "email": user.email, "oldPassword": old, "newPassword": new}
            # While the answer is under way, either of them may be right.
            user.passwords = [*user.passwords, new]
            reply = self._ask(session, "POST", "/v1/changePassword", body)
            outcome = outcome_of(reply, good=DONE)
            if outcome is DONE:
                user.passwords = [new]
            elif outcome is Outcome.REFUSED:
                user.passwords = [each for each in user.passwords if each != new]
            self._end(reply, "change_password", session, ends=Ends.OTHERS, token=old, brought=new)
        finally:
            user.changing.release()

    def _end(self, reply: Reply, op: str, session: Session, *, ends: Ends, **facts: Any) -> None:
        meant = [session] if ends in (Ends.THIS, Ends.ADDRESS) else self.wallet.sessions_of(session.user)
        if self._record(reply, op, session, ends=ends, **facts) is not DONE:
            return
        spared = session.id if ends is Ends.OTHERS else None
        for each in meant:
            if each.id != spared and (ends is not Ends.TARGET or each.id == facts["target"]):
                self.wallet.bury(each)
                self.probe(each)

    def probe(self, session: Session) -> None:
        """Try the tokens on several workers right after the end."""
        for _ in range(3):
            self.read(session)
        self.refresh(session)


def log_out_at_once(phones: list[Phone], session: Session) -> None:
    """Several clients end one session at the same moment, by its token and from another session. One refreshes."""
    of_user = phones[0].wallet.sessions_of(session.user)
    other = next((each for each in of_user if each is not session and each.dialect == "zap"), None)
    acts: list[Callable[[], None]] = [lambda phone=phone: phone.log_out(session) for phone in phones]
    other = other or phones[1].log_in(session.user, None)
    if other is not None:
        acts[1] = lambda: phones[1].end_one(other, session)
    if session.refresh:
        sent = session.refresh
        acts[-1] = lambda: phones[-1].send_refresh(session, sent)
    _at_once(acts, within=phones[0].wire.rng.choice([0.0, SOON]), rng=phones[0].wire.rng)


def refresh_at_once(phones: list[Phone], session: Session) -> None:
    """One app sends its refresh token several times at once. It gets the same successor each time."""
    if session.refresh and session.refreshing.acquire(blocking=False):
        try:
            sent = session.refresh
            acts = [lambda phone=phone: phone.send_refresh(session, sent) for phone in phones]
            _at_once(acts, within=0.0, rng=phones[0].wire.rng)
        finally:
            session.refreshing.release()


def _at_once(acts: list[Callable[[], None]], *, within: float, rng: random.Random) -> None:
    """Begin all acts within that many seconds."""
    barrier = threading.Barrier(len(acts))

    def run(act: Callable[[], None], after: float) -> None:
        barrier.wait(30)
        time.sleep(after)
        act()

    threads = [threading.Thread(target=run, args=[act, rng.uniform(0, within)]) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
