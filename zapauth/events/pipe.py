"""A pipe from the event loop to a client. granian reads its other end as if it were a file.

granian's own stream would keep everything that a slow client has not taken in memory, without limit, and never tell
us. A pipe holds 64 kB, and tells when it is full and when nobody reads it any more. granian waits for a pipe in a
thread of its own, outside of Python; it has 512 of them.
"""

import asyncio
import fcntl
import os
import termios
from array import array
from collections.abc import Callable

from zapauth.events import times


class Pipe:
    """The pipe. Use it in the event loop's thread only. ``on_end`` is called once, at its end, with the cause."""

    def __init__(self, on_end: Callable[[str], None]) -> None:
        self._on_end = on_end
        self._reader, self._writer = os.pipe()  # not inherited by other programs
        os.set_blocking(self._writer, False)
        self._untaken = bytearray()
        self._moved_at = 0.0
        self._written = self._read = 0  # bytes; how many were read is only known while we hold the end for reading
        self._read_at = _now()
        self._empty = asyncio.Event()
        self._empty.set()
        self.is_open = True

    @property
    def path(self) -> str:
        """The path by which granian opens the end for reading."""
        return f"/dev/fd/{self._reader}"

    @property
    def untaken(self) -> int:
        """The number of bytes that wait for room."""
        return len(self._untaken)

    def write(self, text: str) -> None:
        """Send the text, now or when there is room. Ends the pipe if the client has gone."""
        if not self.is_open:
            return
        if not self._untaken:
            self._moved_at = _now()
        self._untaken += text.encode()
        self._send()

    def look_after(self) -> None:
        """End the pipe if the client stalls or has gone. Call it every few seconds."""
        if self._untaken and _now() - self._moved_at > times.LONGEST_STALL:
            self.end("the client takes nothing")
        elif self._reader >= 0:
            self._look_at_reader()

    def _look_at_reader(self) -> None:
        waiting = _waiting_in(self._reader)
        if waiting == 0:
            # granian has opened and emptied it. If its end closes from now on, nobody reads, and a write tells us.
            os.close(self._reader)
            self._reader = -1
        elif self._written - waiting != self._read:
            self._read, self._read_at = self._written - waiting, _now()
        elif _now() - self._read_at > times.LONGEST_STALL:
            # A client that hangs up before the answer is there: then granian never opens the pipe.
            self.end("nobody reads it")

    async def emptied(self) -> None:
        """Wait until the pipe has taken everything, or has ended."""
        await self._empty.wait()

    def end(self, why: str) -> None:
        """Close the pipe. granian then sends what is in it, and ends the answer."""
        if not self.is_open:
            return
        self.is_open = False
        loop = asyncio.get_running_loop()
        loop.remove_writer(self._writer)
        os.close(self._writer)
        if self._reader >= 0:
            # granian may open it any moment, by its number. Another client's pipe must not have that number by then.
            loop.call_later(times.OPENED_WITHIN, os.close, self._reader)
        self._untaken.clear()
        self._empty.set()
        self._on_end(why)

    def _send(self) -> None:
        try:
            while self._untaken:
                count = os.write(self._writer, self._untaken)
                del self._untaken[:count]
                self._written += count
                self._moved_at = _now()
        except BlockingIOError:
            self._empty.clear()
            asyncio.get_running_loop().add_writer(self._writer, self._send)
        except OSError:
            self.end("the client has gone")
        else:
            self._empty.set()
            asyncio.get_running_loop().remove_writer(self._writer)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _waiting_in(reader: int) -> int:
    """Return the number of bytes in the pipe."""
    count = array("i", [0])
    fcntl.ioctl(reader, termios.FIONREAD, count)
    return count[0]
