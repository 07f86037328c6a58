"""A worker process of the server: granian reads HTTP, threads answer by Django.

granian starts it in place of its own RSGI worker. That one takes each request to the event loop first, and from there
to a thread and back, which makes a read a fifth dearer (docs/performance.md). Here a request without a body goes
straight to a thread of granian's. A body is awaited first, and holds no thread meanwhile (`zapauth.server.bodies`).

Of granian this needs more than its documented interface, so its version is pinned; `tests/live` tries all of it.
"""

import asyncio
import multiprocessing
import os
import resource
import signal
import threading
from collections.abc import Callable
from multiprocessing.synchronize import Semaphore
from typing import TYPE_CHECKING, Any

from django.conf import settings
from granian import _granian
from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.server.mp import WorkerProcess

from sessions import background
from zapauth.server import bodies
from zapauth.server.rsgi import answer, environ_of

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

# What `granian.server.Server` has to know of these workers.
OPTIONS: dict[str, Any] = {"target": "zapauth.wsgi:application", "interface": Interfaces.RSGI, "websockets": False}

_rust: Any = _granian  # its annotations are of another version
_OTHER_FILES = 256  # that a worker has open beside its connections
_LAST_WORDS = 0.2  # seconds in which a worker that stops sends what it has answered


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
    """Serve until SIGTERM or SIGINT; release ``ready`` once connections are taken.

    For `granian.server.Server.serve`; granian's own options are not used.
    """
    _leave_with_parent()
    worker = _rust.RSGIWorker(
        worker_id,
        sock,
        ipc,
        py_threads=settings.THREADS,
        backpressure=_connections(),
        # Another mode would wait without limit for the line that tells HTTP/1 from HTTP/2.
        http_mode="1",
        http1_opts=HTTP1Settings(
            header_read_timeout=int(settings.REQUEST_TIMEOUT.total_seconds() * 1000),
            max_buffer_size=settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
        ),
    )
    requests, stop, stopped = _Requests(app), _rust.WorkerSignal(), asyncio.Event()
    calls = _CallsAtOnce()
    scheduler = _rust.CallbackScheduler(calls, None, None, None, None)
    scheduler._schedule_fn = requests.take
    stop.add_cb(lambda: loop.call_soon_threadsafe(stopped.set))
    asked = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked.set)
    worker.serve_str(scheduler, calls, stop)
    ready.release()
    loop.run_until_complete(asked.wait())
    stop.set()  # no new connection; each one that there is ends after its request
    loop.run_until_complete(requests.finish(stopped))
    background.finish()
    # Granian would wait for clients that stall. And Python would take all modules apart, for seconds on a busy machine.
    os._exit(0)


class _CallsAtOnce:
    """What granian takes for the event loop when a part of a body is there: the thread that has it goes on with it."""

    def call_soon_threadsafe(self, callback: Callable[..., None], *given: Any, context: Any = None) -> None:
        callback(*given)

    call_soon = call_soon_threadsafe


class _Requests:
    """What granian hands over: each request is answered in one of its threads, once its body is there."""

    def __init__(self, app: "WSGIApplication") -> None:
        self._app = app
        self._arrivals = bodies.Arrivals(self._answer)
        self._answering: set[Any] = set()

    def take(self, request: Any) -> None:
        """Called by granian in a thread; nothing may be raised there."""
        try:
            environ = environ_of(request.scope)
            if bodies.is_expected(environ):
                self._arrivals.expect(request, environ)
            else:
                self._answer(request, environ)
        except BaseException as error:
            request.err(error)  # a 500, and a line in the log

    async def finish(self, stopped: asyncio.Event) -> None:
        """Return when all that was asked is answered, or ``stopped`` is set. Bodies are not waited for."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _LAST_WORDS
        while not stopped.is_set() and (self._answering or loop.time() < deadline):
            await asyncio.sleep(0.01)

    def _answer(self, request: Any, environ: "WSGIEnvironment") -> None:
        self._answering.add(request)
        try:
            answer(self._app, environ, request.proto, last=bodies.is_broken(environ))
        except BaseException as error:
            request.err(error)
        finally:
            self._answering.discard(request)


def _connections() -> int:
    """How many connections this process may have: CONNECTIONS, unless the system allows it fewer files."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)  # granian has raised it as far as it may
    if files == resource.RLIM_INFINITY:
        return settings.CONNECTIONS
    # Without a file for the next connection granian would try, and fail, without a pause.
    return max(1, min(settings.CONNECTIONS, files - _OTHER_FILES))


def _leave_with_parent() -> None:
    """End this worker when the server that started it says so, or is gone, however it went.

    A terminal's Ctrl-C goes to a whole process group, and must not end it: the server has its workers finish what
    they do. An orphan would go on answering at the port, beside the workers of the next server.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    os.setpgid(0, 0)

    def wait_and_leave() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait_and_leave, name="leave-with-parent", daemon=True).start()
