"""Read the answers of each dialect: the outcome of a call, and whether the answer is a proper one."""

from base64 import urlsafe_b64decode
from json import loads
from typing import Any

from tests.history.history import Outcome
from tests.history.wire import Reply

_DONE = {200, 201}
# The answers to a client whose token, password, session or right is not accepted.
_REFUSED = {401, 403, 404, 422}


def outcome_of(reply: Reply, *, good: Outcome) -> Outcome:
    """Args: good: what a 200 means, "accepted" or "done"."""
    if reply.status is None:
        return Outcome.UNKNOWN
    if reply.status in _DONE:
        return good
    if reply.status in _REFUSED:
        return Outcome.REFUSED
    return Outcome.UNAVAILABLE if reply.status == 503 else Outcome.ERROR


def is_proper(reply: Reply, dialect: str) -> bool:
    """Return whether an answer has the envelope of its dialect. A 503 must also say when to come back."""
    if reply.status is None:
        return True
    if reply.status == 503 and not reply.headers.get("retry-after", "").isdecimal():
        return False
    if dialect == "admin":
        return reply.status < 500 or reply.headers.get("content-type", "").startswith("text/html")
    said = reply.json
    return isinstance(said, dict) and _HAS_ENVELOPE[dialect](said, reply.status)


def _zap(said: dict[str, Any], status: int) -> bool:
    is_good = status < 400
    return said.get("success") is is_good and ("data" in said if is_good else {"message", "code"} <= said.keys())


def _buddy(said: dict[str, Any], status: int) -> bool:
    is_good = status < 400
    fields = {"result", "request_id"} if is_good else {"error", "errorNumber", "message", "request_id"}
    return said.get("success") is is_good and said.get("status") == status and fields <= said.keys()


def _services(said: dict[str, Any], status: int) -> bool:
    return status < 400 or {"error", "error_description"} <= said.keys()


_HAS_ENVELOPE = {"zap": _zap, "buddy": _buddy, "services": _services}


def claims_of(token: str) -> dict[str, Any]:
    """Read the claims of a JWT without a check of its signature: `sid`, `jti` and so on."""
    payload = token.split(".")[1]
    read: dict[str, Any] = loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return read
