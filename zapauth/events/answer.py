"""The answer that becomes a stream of events."""

from typing import Any

from django.http import StreamingHttpResponse

from zapauth.events.hub import Hub, TooManyStreams
from zapauth.events.stream import Asked
from zapauth.server.rsgi import Stream

# The hub of this process, which only a worker has. A list, so that tests can put one in.
_hubs: list[Hub] = []


def use_hub(hub: Hub) -> None:
    """Give the streams of this process to ``hub``."""
    _hubs[:] = [hub]


class EventStream(StreamingHttpResponse, Stream):
    """An answer without contents, which `zapauth.server.rsgi` hands over to the worker's hub.

    Raises: TooManyStreams.
    """

    def __init__(self, asked: Asked) -> None:
        # Without that header nginx would keep events back, to send more at once.
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__([], content_type="text/event-stream", headers=headers)
        if not _hubs:
            raise TooManyStreams
        self._hub, self._asked = _hubs[0], asked
        self._hub.take_seat()
        self._has_begun = False

    def begin(self, protocol: Any, status: int, headers: list[tuple[str, str]]) -> None:
        """Begin the stream. ``protocol`` is granian's."""
        self._has_begun = True
        self._hub.begin(self._asked, protocol, status, headers)

    def close(self) -> None:
        super().close()
        if not self._has_begun:
            self._hub.give_seat_back()
