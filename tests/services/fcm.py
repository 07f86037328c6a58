"""A fake FCM: an HTTP server that takes the messages of firebase-admin."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import module_from_spec, spec_from_file_location
from typing import Any

import firebase_admin
from firebase_admin import credentials, messaging
from google.auth.credentials import Credentials

from tests.environment import ROOT
from tests.serving import serving

UNREGISTERED = {
    "error": {
        "code": 404,
        "status": "NOT_FOUND",
        "message": "Requested entity was not found.",
        "details": [{"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": "UNREGISTERED"}],
    }
}


def load_sample() -> Any:
    """Import the sample sender, which is a file to copy and in no package."""
    spec = spec_from_file_location("push_sender", ROOT / "clients" / "python" / "examples" / "push_sender.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class Push:
    """A message that FCM has taken."""

    device_token: str
    data: dict[str, str]
    message: dict[str, Any]
    at: float  # when it came, by `time.monotonic`


@dataclass
class FakeFcm:
    """What the fake FCM has taken."""

    app: firebase_admin.App = None
    pushes: list[Push] = field(default_factory=list)
    dead: set[str] = field(default_factory=set)  # FCM no longer knows these device tokens

    def take(self, message: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Return the status and the body of the answer to ``message``."""
        at, token = time.monotonic(), message.get("token") or message["fid"]
        if token in self.dead:
            return 404, UNREGISTERED
        self.pushes.append(Push(token, message["data"], message, at))
        return 200, {"name": f"projects/demo/messages/{len(self.pushes)}"}


class _NoCredentials(Credentials):
    """Credentials that are always valid, without a request to Google."""

    def refresh(self, request: Any) -> None:
        self.token = "fake"

    def apply(self, headers: dict[str, str], token: str | None = None) -> None:
        headers["authorization"] = "Bearer fake"


class _FakeAccount(credentials.Base):
    def get_credential(self) -> Credentials:
        return _NoCredentials()


@contextmanager
def fake_fcm(monkeypatch: Any) -> Iterator[FakeFcm]:
    """Start a fake FCM, with a Firebase app that sends to it."""
    fcm = FakeFcm()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, answer = fcm.take(body["message"])
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        url = f"http://127.0.0.1:{server.server_port}/v1/projects/{{0}}/messages:send"
        monkeypatch.setattr(messaging._MessagingService, "FCM_URL", url)
        fcm.app = firebase_admin.initialize_app(_FakeAccount(), {"projectId": "demo", "httpTimeout": 5}, name="fake")
        try:
            yield fcm
        finally:
            firebase_admin.delete_app(fcm.app)
