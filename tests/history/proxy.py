"""A small TCP proxy that cuts connections in the middle of an answer."""

import asyncio
import threading
from contextlib import suppress

_SIZE = 65_536


class CuttingProxy:
    """Forwards connections to a server. After `cut`, the next answers are cut off after some bytes.

    Then a client does not know the rest of the answer, and may not know whether the server carried out the request.
    """

    def __init__(self, to_port: int) -> None:
        self.to_port, self.port, self.cuts = to_port, 0, 0
        self._left, self._after = 0, 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="cutting proxy", daemon=True)
        self._listens = threading.Event()
        self._thread.start()
        self._listens.wait()

    def cut(self, answers: int, *, after: int) -> None:
        """Cut the next ``answers`` answers, each after so many bytes. 0: the client gets nothing."""
        self._left, self._after = answers, after

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._listens.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answers, requests = await asyncio.open_connection("127.0.0.1", self.to_port)
        except OSError:
            writer.close()
            return
        # When one direction ends, close both.
        both = {
            asyncio.ensure_future(self._forward(reader, requests)),
            asyncio.ensure_future(self._answer(answers, writer)),
        }
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in both:
                task.cancel()
            for each in (writer, requests):
                each.close()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(_SIZE):
                writer.write(data)
                await writer.drain()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(_SIZE):
                if self._left > 0:
                    self._left -= 1
                    self.cuts += 1
                    writer.write(data[: self._after])
                    await writer.drain()
                    return
                writer.write(data)
                await writer.drain()
