"""Send pushes with Firebase Cloud Messaging (FCM), only to devices on which their user is logged in.

`pip install firebase-admin httpx`, then copy this file. It asks ZapAuth immediately before each push, sends the user's
id along, and reports devices that FCM no longer knows. docs/push.md describes the calls. Firebase finds its own key by
the environment: GOOGLE_APPLICATION_CREDENTIALS is the path of the JSON file of a service account.

    gate = PushGate("https://auth.example.org", app_id, app_key)
    sender = PushSender(gate, firebase_admin.initialize_app(options={"httpTimeout": 5}))
    sender.send(user_id, title="Ann", body="Hello")  # a data message: the app checks the user, and shows it
    sender.send(user_id, messaging.Notification("Ann", "Hello"))  # the system shows it, without asking the app
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import quote_plus

import firebase_admin
import httpx
from firebase_admin import messaging

MOST = 500  # device tokens in one question, and messages in one batch for FCM


@dataclass(frozen=True)
class Address:
    """A device on which a user is logged in."""

    device_token: str
    user_id: str


@dataclass(frozen=True)
class Check:
    """Where pushes may be sent now. Don't keep it: ask again for the next push."""

    checked_at: str
    allowed: list[Address]


class PushGate:
    """Asks ZapAuth. Every error, such as a time-out, is raised, and then nothing may be sent."""

    def __init__(self, base_url: str, app_id: str, app_key: str, *, timeout: float = 2) -> None:
        auth = httpx.BasicAuth(quote_plus(app_id), quote_plus(app_key))
        self._client = httpx.Client(base_url=base_url, auth=auth, timeout=timeout)

    def check_users(self, user_ids: Sequence[str]) -> Check:
        """Find the devices on which these users are logged in now. Raises: httpx.HTTPError."""
        return self._check({"users": list(user_ids)})

    def check_devices(self, meant: Iterable[Address]) -> Check:
        """Find those devices on which the user is logged in whom the message is for. Raises: httpx.HTTPError."""
        return self._check({"deviceTokens": [{"deviceToken": to.device_token, "user": to.user_id} for to in meant]})

    def report_gone(self, device_tokens: Sequence[str], checked_at: str) -> None:
        """Report devices that FCM no longer knows. Raises: httpx.HTTPError."""
        self._post("/push/gone", {"deviceTokens": list(device_tokens), "checkedAt": checked_at})

    def close(self) -> None:
        self._client.close()

    def _check(self, asked: dict[str, object]) -> Check:
        answer = self._post("/push/check", asked)
        allowed = [Address(each["deviceToken"], each["user"]) for each in answer["deviceTokens"] if each["allowed"]]
        return Check(answer["checkedAt"], allowed)

    def _post(self, path: str, body: dict[str, object]) -> dict:
        return self._client.post(path, json=body).raise_for_status().json()


@dataclass
class PushSender:
    """Sends messages by FCM. Several threads may use it."""

    gate: PushGate
    app: firebase_admin.App
    ttl: timedelta = timedelta(minutes=1)  # FCM drops a message that it can't deliver by then
    longest_window: float = 0  # in seconds, from a check until FCM had answered for all of its messages

    def send(self, user_id: str, notification: messaging.Notification | None = None, **data: str) -> int:
        """Send a message to all devices on which the user is logged in. Returns how many FCM took."""
        began = time.monotonic()
        return self._send(began, self.gate.check_users([user_id]), notification, data)

    def send_to(self, meant: Sequence[Address], notification: messaging.Notification | None = None, **data: str) -> int:
        """Send a message that was queued for these devices and their users. Returns how many FCM took."""
        began = time.monotonic()
        return self._send(began, self.gate.check_devices(meant), notification, data)

    def _send(
        self, began: float, check: Check, notification: messaging.Notification | None, data: dict[str, str]
    ) -> int:
        if not check.allowed:
            return 0
        messages = [self._message(to, notification, data) for to in check.allowed]
        answers = messaging.send_each(messages, app=self.app).responses
        self.longest_window = max(self.longest_window, time.monotonic() - began)
        pairs = list(zip(check.allowed, answers, strict=True))
        gone = [to.device_token for to, each in pairs if isinstance(each.exception, messaging.UnregisteredError)]
        if gone:
            self.gate.report_gone(gone, check.checked_at)
        return sum(each.success for each in answers)

    def _message(
        self, to: Address, notification: messaging.Notification | None, data: dict[str, str]
    ) -> messaging.Message:
        seconds = int(self.ttl.total_seconds())
        # The app compares `user` with the user who is logged in, and drops the push if they differ.
        return messaging.Message(
            data=data | {"user": to.user_id},
            notification=notification,
            android=messaging.AndroidConfig(ttl=self.ttl),
            apns=messaging.APNSConfig(headers={"apns-expiration": str(int(time.time()) + seconds)}),
            **_target(to.device_token),
        )


def _target(device_token: str) -> dict[str, str]:
    """Return how FCM addresses a device: a registration token has a colon, an installation id has none."""
    return {"token" if ":" in device_token else "fid": device_token}
