"""The pages that `make desk` asks for."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench.visitor import Answer, Visitor

LIMIT_S = 0.5
# The confirmation counts hundreds of thousands of sessions.
CONFIRMATION_LIMIT_S = 2.5
DEEP = 50  # pages after the first one

_LISTS = {
    "Sessions": "user_sessions/session",
    "Users": "users/user",
    "Bulk runs": "user_sessions/bulkrun",
    "Record": "users/securityevent",
    "Refused log-ins": "users/refusedlogin",
    "Apps": "users/app",
    "Devices": "users/device",
    "Device tokens": "users/devicetoken",
}
_FILTERED = {
    "Sessions, live": "state=live",
    "Sessions, live on Android": "state=live&platform=Android",
    "Sessions, ended by the user": "reason=logout",
    "Sessions, not seen for 7 days": "state=live&seen=7d-",
}
_FOUND = {
    "a whole name": "/admin/find/?q=Quin+Kumar",
    "a last name": "/admin/find/?q=Kumar",
    "a phone number": "/admin/find/?q=%2B99+0000029033",
    "a fragment of an email": "/admin/find/?q=quin.kumar",
    "nobody": "/admin/find/?q=xyzzyxyzzy",
    "an IP address": "/admin/find/?q=203.0.113.7",
}


@dataclass(frozen=True)
class Page:
    """A page, its limit in seconds, and how to ask for it."""

    name: str
    ask: Callable[[Visitor], Answer]
    limit_s: float = LIMIT_S


def pages(visitor: Visitor) -> Iterator[Page]:
    """Yield the pages. Addresses that contain an id are looked up with ``visitor``."""
    yield _at("Dashboard", "/admin/")
    for name, path in _LISTS.items():
        yield _at(name, f"/admin/{path}/")
    sessions = f"/admin/{_LISTS['Sessions']}/"
    for name, query in _FILTERED.items():
        yield _at(name, f"{sessions}?{query}")
        yield _at(f"{name}, page {DEEP}", _deep(visitor, f"{sessions}?{query}"))
    for what, path in _FOUND.items():
        yield _at(f"Find {what}", path)
    yield from _of_one(visitor, sessions)
    yield Page("Confirm: end all live sessions on Android", _confirm(f"{sessions}?state=live&platform=Android"), 2.5)
    yield _at("Explain a token", "/admin/explain/")
    yield _at("Account", "/account/")


def _of_one(visitor: Visitor, sessions: str) -> Iterator[Page]:
    shown = visitor.get(f"{sessions}?state=live")
    session = shown.link(r"/user_sessions/session/[0-9a-f-]{36}/change/")
    user = visitor.get("/admin/users/user/").link(r"/users/user/[0-9a-f]{24}/change/")
    if session is None or user is None:
        raise RuntimeError("the lists are empty")
    yield _at("A session", session)
    yield _at("A user", user)
    yield _at("A user's timeline", re.sub("change/.*", "timeline/", user))
    yield _at("Confirm: log a user out", re.sub("change/.*", "log-out/", user))


def _at(name: str, path: str) -> Page:
    return Page(name, lambda visitor: visitor.get(path))


def _deep(visitor: Visitor, path: str) -> str:
    """Return the address of the page that is `DEEP` clicks on *Next* away, or of the last one."""
    for _ in range(DEEP):
        following = visitor.get(path).link(r'rel="next"')
        if following is None:
            break
        path = following
    return path


def _confirm(path: str) -> Callable[[Visitor], Answer]:
    def ask(visitor: Visitor) -> Answer:
        shown = visitor.get(path)
        ticked = re.search(r'name="_selected_action" value="([^"]+)"', shown.text)
        if ticked is None:
            raise RuntimeError(f"{path} shows no session")
        return visitor.post(shown, action="log_out", select_across="1", index="0", _selected_action=ticked[1])

    return ask
