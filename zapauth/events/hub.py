"""Tells the clients of one worker, in the worker's event loop. No thread waits for a client.

While there are clients, a connection reads the new notices 25 times a second, once for all clients. A client that
joins first reads what it has missed, page by page, on a connection of the pool.
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import psycopg
from django.conf import settings
from django.db import Error, connection

from sessions.notices.place import Place
from sessions.notices.reading import Page, Reader, here, read_after
from users.clients import event_marks
from zapauth.events import times
from zapauth.events.stream import Asked, Stream
from zapauth.unavailable import Unavailable

logger = logging.getLogger("zapauth.events")
T = TypeVar("T")

MOST_STREAMS = 400  # each one takes one of granian's 512 threads for files


class TooManyStreams(Unavailable):
    """This worker has as many streams as EVENT_STREAMS allows, or it stops."""


class Hub:
    """The clients of one worker. Other threads may call `take_seat`, `give_seat_back` and `begin`."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._streams: set[Stream] = set()  # all
        self._live: set[Stream] = set()  # the ones that have caught up
        self._seats = threading.BoundedSemaphore(min(settings.EVENT_STREAMS, MOST_STREAMS))
        self._threads = ThreadPoolExecutor(2, "events")
        self._reader_thread = ThreadPoolExecutor(1, "event-reader")
        self._reading = asyncio.Lock()
        self._reads = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._joining: set[asyncio.Task[None]] = set()
        self._place: Place | None = None  # the live ones have been told everything before it
        self._beat_at = self._seen_at = 0.0
        self._failing = False
        self._is_stopped = False

    # --- clients come and go -------------------------------------------------------------------

    def take_seat(self) -> None:
        """Take a seat for a stream. Raises: TooManyStreams."""
        if self._is_stopped or not self._seats.acquire(blocking=False):
            raise TooManyStreams

    def give_seat_back(self) -> None:
        self._seats.release()

    def begin(self, asked: Asked, protocol: Any, status: int, headers: list[tuple[str, str]]) -> None:
        """Begin a stream that has a seat. ``protocol`` is granian's, and answers the request."""
        self._loop.call_soon_threadsafe(self._begin, asked, protocol, status, headers)

    def _begin(self, asked: Asked, protocol: Any, status: int, headers: list[tuple[str, str]]) -> None:
        try:
            stream = Stream(asked, on_end=self._ended)
        except OSError:  # this process may open no more files
            logger.exception("an event stream can't begin")
            self._seats.release()
            protocol.response_empty(503, [("Retry-After", str(TooManyStreams.retry_after))])
            return
        self._streams.add(stream)
        protocol.response_file(status, headers, stream.pipe.path)
        if self._is_stopped:
            stream.pipe.end("the server stops")
            return
        if self._task is None:
            self._task = self._loop.create_task(self._run())
        self._start_joining(stream)
        logger.info("event stream of app %s begins", asked.app_id)

    def _start_joining(self, stream: Stream) -> None:
        joining = self._loop.create_task(self._join(stream))
        self._joining.add(joining)
        joining.add_done_callback(self._joining.discard)

    def _ended(self, stream: Stream, why: str) -> None:
        self._streams.discard(stream)
        self._live.discard(stream)
        self._seats.release()
        logger.info("event stream of app %s ends: %s", stream.asked.app_id, why)

    async def stop(self) -> None:
        """End all streams, and take no more."""
        self._is_stopped = True
        self._end_all("the server stops")
        for task in {*self._joining, *filter(None, [self._task])}:
            task.cancel()

    def _end_all(self, why: str) -> None:
        for stream in list(self._streams):
            stream.pipe.end(why)

    async def _join(self, stream: Stream) -> None:
        try:
            await self._reads.wait()
            await self._tell_missed(stream)
        except Error as error:
            stream.pipe.end(f"the database can't be read: {type(error).__name__}")
        except Exception:
            logger.exception("an event stream failed")
            stream.pipe.end("an error")

    async def _tell_missed(self, stream: Stream) -> None:
        """Tell the client what it has missed. From then on it is told together with the others."""
        if stream.place is None:
            stream.start(await self._in_thread(here))
        while stream.pipe.is_open:
            page = await self._next_page(stream)
            await stream.tell_slowly(page)
            if not page.is_last:
                continue
            async with self._reading:
                # Nothing is read for the others now. So nothing falls between this page and their next one.
                page = await self._next_page(stream)
                if page.is_last and stream.tell(page) and stream.pipe.is_open:
                    stream.ready()
                    self._live.add(stream)
                    return

    async def _next_page(self, stream: Stream) -> Page:
        """Read the notices after the client's place. If some are missing, tell the client that first."""
        assert stream.place is not None  # noqa: S101  # `_tell_missed` has set it
        page = await self._in_thread(read_after, stream.place)
        while not stream.place.is_in(page.snapshot):
            stream.reset(await self._in_thread(here))
            page = await self._in_thread(read_after, stream.place)
        return page

    async def _in_thread(self, call: Callable[..., T], *given: Any) -> T:
        return await self._loop.run_in_executor(self._threads, _with_connection, call, *given)

    # --- the new notices -----------------------------------------------------------------------

    async def _run(self) -> None:
        self._seen_at = self._loop.time()
        while self._streams:
            reader = None
            try:
                reader = await self._loop.run_in_executor(self._reader_thread, Reader)
                if self._place is None:
                    self._place = await self._in_thread(here)
                self._reads.set()
                await self._follow(reader)
            except (psycopg.Error, Error, OSError) as error:
                self._note_failure(error)
                await asyncio.sleep(times.TRY_AGAIN)
            except Exception:
                logger.exception("events can't be read")
                self._end_all("an error")
                await asyncio.sleep(times.TRY_AGAIN)
            finally:
                if reader:
                    reader.hang_up()
        self._reads.clear()
        self._task = self._place = None

    async def _follow(self, reader: Reader) -> None:
        while self._streams:
            async with self._reading:
                while not await self._read(reader):
                    pass
            if self._failing:
                logger.info("events can be read again")
            self._failing, self._seen_at = False, self._loop.time()
            if self._loop.time() >= self._beat_at:
                await self._beat()
            await asyncio.sleep(times.LOOK_EVERY)

    async def _read(self, reader: Reader) -> bool:
        """Tell all clients of the next new notices. Returns: whether there were no more."""
        assert self._place is not None  # noqa: S101  # `_run` has set it
        async with asyncio.timeout(times.LONGEST_READ):
            page = await self._loop.run_in_executor(self._reader_thread, reader.read_after, self._place)
        if self._place.is_in(page.snapshot):
            for stream in list(self._live):
                if not stream.tell(page):
                    self._live.discard(stream)
                    self._start_joining(stream)
            self._place = page.place
            return page.is_last
        self._place = await self._in_thread(here)
        for stream in list(self._live):
            if stream.place is not None and stream.place.is_in(page.snapshot):
                # It came later than the others, from a place that is known. So it has missed nothing.
                self._live.discard(stream)
                self._start_joining(stream)
            else:
                stream.reset(self._place)
        return False

    async def _beat(self) -> None:
        """End the streams of apps that have lost their access, and of clients that have gone."""
        self._beat_at = self._loop.time() + times.BEAT
        marks = await self._in_thread(event_marks, {stream.asked.app_id for stream in self._streams})
        for stream in list(self._streams):
            if marks.get(stream.asked.app_id) != stream.asked.mark:
                stream.pipe.end("the app's key or access has changed")
                continue
            stream.pipe.look_after()
            if not stream.pipe.untaken:
                stream.say_alive()

    def _note_failure(self, error: Exception) -> None:
        if not self._failing:
            logger.warning("events can't be read (%s); trying again", type(error).__name__)
        self._failing = True
        if self._loop.time() - self._seen_at > times.LONGEST_AWAY:
            self._end_all("the database is away")


def _with_connection(call: Callable[..., T], *given: Any) -> T:
    try:
        return call(*given)
    finally:
        connection.close()  # gives it back to the pool
