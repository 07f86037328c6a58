"""A worker process of the server. granian reads HTTP, and its threads call Django.

It replaces granian's own RSGI worker, which hands each request to the event loop, then to a thread and back. Then a
read costs a fifth more CPU (docs/performance.md). Here a request without a body goes straight to one of granian's
threads. A request with a body holds no thread until the body has arrived (`zapauth.server.bodies`).

This uses undocumented parts of granian. So granian's version is pinned, and `tests/live` covers this module.
"""

import asyncio
import multiprocessing
import os
import resource
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.synchronize import Semaphore
from typing import TYPE_CHECKING, Any

from django.conf import settings
from granian import _granian
from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.server.mp import WorkerProcess

from zapauth.health.process import begin_worker
from zapauth.logs import log_uncaught
from zapauth.server import bodies, draining
from zapauth.server.rsgi import answer, environ_of

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

# The options of `granian.server.Server` for these workers.
OPTIONS: dict[str, Any] = {"target": "zapauth.wsgi:application", "interface": Interfaces.RSGI, "websockets": False}

_rust: Any = _granian  # granian's type annotations are for another version
_OTHER_FILES = 256  # files that a worker has open besides its connections
_LAST_WORDS = 0.2  # seconds in which a stopping worker sends its last answers
_LAST_BODIES = 1.0  # seconds in which the last bodies arrive


@WorkerProcess.wrap_target  # type: ignore[untyped-decorator]
def run(
    worker_id: int,
    app: "WSGIApplication",
    sock: Any,
    ipc: Any,
    loop: asyncio.AbstractEventLoop,
    *_options: Any,
    ready: Semaphore,
) -> None:
    """Serve until SIGTERM, SIGINT or `draining.AT_ONCE`. Release ``ready`` when the worker accepts connections.

    `granian.server.Server.serve` calls this. granian's own options are not used.
    """
    log_uncaught()
    _leave_with_parent()
    begin_worker(worker_id)
    worker = _rust.RSGIWorker(
        worker_id,
        sock,
        ipc,
        py_threads=settings.THREADS,
        backpressure=_connections(),
        # The other modes wait without limit for the first line, which distinguishes HTTP/1 from HTTP/2.
        http_mode="1",
        http1_opts=HTTP1Settings(
            header_read_timeout=int(settings.REQUEST_TIMEOUT.total_seconds() * 1000),
            max_buffer_size=settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
        ),
    )
    from zapauth.events.answer import use_hub
    from zapauth.events.hub import Hub  # `app` has loaded Django's models by now

    hub = Hub(loop)
    use_hub(hub)
    requests, stop, stopped = _Requests(app), _rust.WorkerSignal(), asyncio.Event()
    calls = _CallsAtOnce()
    scheduler = _rust.CallbackScheduler(calls, None, None, None, None)
    scheduler._schedule_fn = requests.take
    stop.add_cb(lambda: loop.call_soon_threadsafe(stopped.set))
    asked, hurried = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked.set)
    loop.add_signal_handler(draining.AT_ONCE, _set_both, asked, hurried)
    worker.serve_str(scheduler, calls, stop)
    ready.release()
    loop.run_until_complete(asked.wait())
    loop.run_until_complete(_drain(hurried))
    stop.set()  # accept no new connections, and close each open one after its request
    loop.run_until_complete(hub.stop())
    loop.run_until_complete(requests.finish(stopped))
    # granian would wait for stalled clients. And on a busy machine Python takes seconds to free all modules.
    os._exit(0)


def _set_both(one: asyncio.Event, other: asyncio.Event) -> None:
    one.set()
    other.set()


async def _drain(hurried: asyncio.Event) -> None:
    """Go on answering for DRAIN_TIME, and take the last connections, unless ``hurried`` is set."""
    if not settings.DRAIN_TIME:
        return
    draining.begin()
    with suppress(TimeoutError):
        await asyncio.wait_for(hurried.wait(), settings.DRAIN_TIME.total_seconds())
        return
    draining.refuse_connections(settings.PORT)
    await asyncio.sleep(draining.TAKEN_WITHIN)


class _CallsAtOnce:
    """Replaces the event loop. A callback runs at once, in granian's thread that read a part of a body."""

    def call_soon_threadsafe(self, callback: Callable[..., None], *given: Any, context: Any = None) -> None:
        callback(*given)

    call_soon = call_soon_threadsafe


class _Requests:
    """Answers granian's requests, each in one of granian's threads after its body has arrived."""

    def __init__(self, app: "WSGIApplication") -> None:
        self._app = app
        self._arrivals = bodies.Arrivals(self._answer)
        self._answering: set[Any] = set()

    def take(self, request: Any) -> None:
        """Take a request. granian calls this in a thread. It must not raise."""
        try:
            environ = environ_of(request.scope)
            if bodies.is_expected(environ):
                self._arrivals.expect(request, environ)
            else:
                self._answer(request, environ)
        except BaseException as error:
            request.err(error)  # answers 500 and logs the error

    async def finish(self, stopped: asyncio.Event) -> None:
        """Return when every request is answered and sent, or ``stopped`` is set. Don't wait long for bodies."""
        loop = asyncio.get_running_loop()
        bodies_until = loop.time() + _LAST_BODIES
        deadline = loop.time() + _LAST_WORDS
        while not stopped.is_set() and loop.time() < deadline:
            if self._answering or (self._arrivals.is_awaiting() and loop.time() < bodies_until):
                deadline = loop.time() + _LAST_WORDS
            await asyncio.sleep(0.01)

    def _answer(self, request: Any, environ: "WSGIEnvironment") -> None:
        self._answering.add(request)
        try:
            last = draining.is_draining() or bodies.is_broken(environ) or bodies.is_left(environ)
            answer(self._app, environ, request.proto, last=last)
        except BaseException as error:
            request.err(error)
        finally:
            self._answering.discard(request)


def _connections() -> int:
    """The most connections that this process accepts: CONNECTIONS, or fewer if the system allows fewer open files."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)  # granian has already raised this limit to its maximum
    if files == resource.RLIM_INFINITY:
        return settings.CONNECTIONS
    # If no file were left for the next connection, granian would retry in a loop without a pause.
    return max(1, min(settings.CONNECTIONS, files - _OTHER_FILES))


def _leave_with_parent() -> None:
    """Leave the server's process group, and exit when the server is gone, even if it was killed.

    A terminal sends Ctrl-C to the whole process group. The workers must not stop at that moment, because the server
    lets them finish their requests. Without a server they would go on answering, beside the next server's workers.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    os.setpgid(0, 0)

    def wait_and_leave() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait_and_leave, name="leave-with-parent", daemon=True).start()
