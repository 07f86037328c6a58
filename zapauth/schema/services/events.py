"""Describes the stream of events in OpenAPI."""

from collections.abc import Mapping

from zapauth.events import words
from zapauth.events.hub import TooManyStreams
from zapauth.schema.operations import OBJECT_ID, Operation
from zapauth.shapes import Schema

CONTENT_TYPE = "text/event-stream"
_SESSION = "0190163d-8694-739b-aea5-966c26f8ad91"
_APP = "63fce0e18b8dd4e163d06d5d"
_PLACE = "3f2a9c1e7b4d-84210"
_FACTS = {"app": _APP, "reason": "logout", "at": "2026-03-01T12:00:00.123Z"}
_EXAMPLE = (
    "retry: 500\n\n"
    + words.event(words.READY, {}).replace("data", f"id: {_PLACE}\ndata", 1)
    + words.event(words.SESSION_ENDED, {"session": _SESSION, "user": OBJECT_ID} | _FACTS)
)
_DESCRIPTION = """\
Server-sent events (WHATWG HTML §9.2). The stream never ends by itself. A client that comes back sends the last `id` as
`Last-Event-ID`, and is first told what it missed. An event may come twice, and none is lost.

- `ready`: from now on each session's end is told at once.
- `session-ended`, with `session`, `user` (null for an app-level session), `app`, `reason` and `at`: cut the session's
  connections.
- `sessions-ended`, with `sessions` (a list of `{"session", "user"}`), `app`, `reason` and `at`: the same, for many.
- `sessions-refused`, with `app`, `users` (a list, or null for everybody), `opened_until`, `reason` and `at`: cut the
  connections of these users in this app, or of the whole app.
- `reset`: something may have been missed. Check all connections again, or cut them.
- `alive`, every five seconds: nothing is to be done.

New events and fields may be added. Ignore what you don't know.
"""
OPERATIONS: Mapping[str, Operation] = {
    "GET /events": Operation(
        id="listenToEvents",
        tag="Services: events",
        summary="Be told which sessions have ended",
        description=_DESCRIPTION,
        answers={"type": "string"},
        example=_EXAMPLE,
        raises=[TooManyStreams()],
    )
}
HEADERS: Mapping[str, list[Schema]] = {
    "GET /events": [
        {
            "name": "Last-Event-ID",
            "in": "header",
            "description": "The `id` of the last event that came. Without it the stream begins now.",
            "schema": {"type": "string"},
            "example": _PLACE,
        }
    ]
}
