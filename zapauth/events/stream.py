"""One client's stream: what it is told, and where it is."""

from collections.abc import Callable
from dataclasses import dataclass

from sessions.notices.place import Place
from sessions.notices.reading import Page, Told
from users.models import Access
from zapauth.events.pipe import Pipe
from zapauth.events.words import ALIVE, READY, RESET, event, events_of

# A client that has lost the connection comes back after this many milliseconds (WHATWG HTML §9.2.6).
_RETRY = "retry: 500\n\n"
# In characters: what a client may leave untaken, besides the pipe and the buffers of the network. Above that it reads
# its events from the database, at its own pace.
MOST_AT_ONCE = 512 * 1024


@dataclass(frozen=True)
class Asked:
    """What a client asked for.

    Attributes:
        mark: changes when the app's key or access changes (`users.clients.event_mark`).
        place: where to go on; None: now. is_lost: the client sent a place that is unknown.
    """

    app_id: str
    reach: Access
    mark: str
    place: Place | None
    is_lost: bool


class Stream:
    """A client that is told. Use it in the event loop's thread only."""

    def __init__(self, asked: Asked, *, on_end: Callable[["Stream", str], None]) -> None:
        self.asked = asked
        self.place = asked.place
        self.pipe = Pipe(lambda why: on_end(self, why))
        self.pipe.write(_RETRY)

    def start(self, place: Place) -> None:
        """Tell the client of everything from that place on. If it comes from an unknown one, tell it that."""
        if self.asked.is_lost:
            self.reset(place)
        self.place = place

    def ready(self) -> None:
        """Tell the client that it is up to date, and is told at once from now on."""
        self.pipe.write(event(READY, {}, self.place))

    def reset(self, place: Place) -> None:
        """Tell the client that it may have missed something."""
        self.place = place
        self.pipe.write(event(RESET, {}, place))

    def events_in(self, page: Page) -> list[str]:
        """Return the events that tell the client of a page. The last one has the place after the page."""
        mine = [each for each in page.notices if self._concerns(each)]
        return [*map(events_of, mine[:-1]), *(events_of(each, page.place) for each in mine[-1:])]

    def tell(self, page: Page) -> bool:
        """Tell the client of a page at once. Returns: False, if that would be too much. Then nothing is told."""
        text = "".join(self.events_in(page))
        if text and self.pipe.untaken + len(text) > MOST_AT_ONCE:
            return False
        self.place = page.place
        if text:
            self.pipe.write(text)
        return True

    async def tell_slowly(self, page: Page) -> None:
        """Tell the client of a page, event by event, whenever it has taken the one before."""
        for text in self.events_in(page):
            self.pipe.write(text)
            await self.pipe.emptied()
        self.place = page.place

    def say_alive(self) -> None:
        """Tell the client that the stream lives."""
        self.pipe.write(event(ALIVE, {}, self.place))

    def _concerns(self, notice: Told) -> bool:
        if self.asked.reach is not Access.ALL and notice.app_id != self.asked.app_id:
            return False
        # One that it was told of before it joined the others.
        return self.place is None or not self.place.has_passed(notice.xid)
