"""`python -m zapauth.serve`: migrate the database and serve. At the end, stop every process that was started.

--demo    make a demo app and a demo superuser, and print commands to try (`make run`); not with DATABASE_URL
--reload  restart when a file changes (`make dev`)
"""

import argparse
import logging
import multiprocessing
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from functools import partial
from io import StringIO
from multiprocessing.synchronize import Semaphore
from types import FrameType
from typing import TYPE_CHECKING

import django
import psycopg
from django.core.exceptions import ImproperlyConfigured

from zapauth import logs
from zapauth.quick_start import without_garbage_collection

if TYPE_CHECKING:
    from sessions.restore.guard import RestoreGuard
    from sessions.rotation.watch import KeyWatch
    from zapauth.server.supervisor import RestartingServer

logger = logging.getLogger("zapauth.server")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m zapauth.serve", description="Serve ZapAuth.")
    parser.add_argument("--demo", action="store_true", help="make a demo app and user; not with DATABASE_URL")
    parser.add_argument("--reload", action="store_true", help="restart when a file changes")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "zapauth.settings")

    from zapauth.health.process import begin_server
    from zapauth.local.embedded_postgres import EmbeddedPostgresError, running
    from zapauth.local.postgres_watch import watched

    # From here on SIGTERM acts like Ctrl-C, so PostgreSQL is stopped in both cases.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with without_garbage_collection():
            django.setup()
        logs.log_uncaught()
        from zapauth.metrics.page import figures_served  # it needs Django's models

        begin_server()
        with running(), watched(), figures_served():
            _serve(demo=options.demo, reload=options.reload)
    except (EmbeddedPostgresError, ImproperlyConfigured, _CannotServe) as error:
        _tell(logging.CRITICAL, f"zapauth: {error}")
        return 1
    except KeyboardInterrupt:
        pass
    return 0


def _tell(level: int, text: str) -> None:
    """Tell the operator something about the start: in the log with LOG_FORMAT=json, otherwise in plain lines."""
    from django.conf import settings

    # Without readable settings it is not known that somebody wants JSON.
    if settings.configured and settings.LOG_FORMAT == logs.JSON:
        logger.log(level, "%s", text.strip())
    else:
        print(text, file=sys.stderr if level > logging.INFO else sys.stdout, flush=True)


class _CannotServe(Exception):
    """The server can't start or can't go on. The text explains why."""


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _serve(*, demo: bool, reload: bool) -> None:
    """Serve until SIGINT or SIGTERM. Raises: _CannotServe."""
    from django.conf import settings

    from sessions.restore.guard import CannotBeServed, RestoreGuard
    from users.database_use import Use, set_use
    from zapauth.database_log import warn_of_revealing_settings
    from zapauth.local import demo as demonstration

    _check_address_is_free(settings.HOST, settings.PORT)
    set_use(Use.COMMAND)
    _check_settings()
    _check_database_answers()
    warn_of_revealing_settings()
    _migrate()
    guard = RestoreGuard(settings.RESTORE_GUARD)
    try:
        guard.start()
    except CannotBeServed as error:
        raise _CannotServe(str(error)) from error
    host = f"[{settings.HOST}]" if ":" in settings.HOST else settings.HOST
    keys = _watch_keys(f"{socket.gethostname()} {host}:{settings.PORT}")
    prepared = demonstration.prepare() if demo else None
    text = demonstration.banner(prepared, url=f"http://{host}:{settings.PORT}", asked=demo)
    # A demo's text has its secrets in it, and commands to paste. It is for the terminal, and not for the log.
    tell = partial(print, text, flush=True) if demo else partial(_tell, logging.INFO, text)
    _close_connections()

    _serve_with_jobs(_make_server(reload=reload), guard, keys, tell=tell)


def _watch_keys(name: str) -> "KeyWatch":
    """Tell the database which keys this server has. Raises: _CannotServe, if one is reported as leaked."""
    from sessions.rotation.watch import KeyWatch, LeakedKeys

    keys = KeyWatch(name)
    try:
        keys.begin()
    except LeakedKeys as error:
        raise _CannotServe(str(error)) from error
    return keys


def _check_settings() -> None:
    from django.core.management import CommandError, call_command

    said = StringIO()
    try:
        call_command("check", stdout=StringIO(), stderr=said)
    except CommandError as error:
        raise _CannotServe(str(error)) from error
    if warnings := said.getvalue().strip():
        _tell(logging.WARNING, warnings)


def _check_database_answers() -> None:
    from django.db import connection

    try:
        # Without the pool, which would try again for a while and hide the cause.
        psycopg.connect(**connection.get_connection_params()).close()
    except psycopg.OperationalError as error:
        raise _CannotServe(f"the database can't be reached: {error}") from error


def _migrate() -> None:
    from django.core.management import call_command
    from django.db import OperationalError, connection

    from users.database_use import Use, used_for
    from zapauth.migrating import migrate_patiently

    try:
        with used_for(Use.MIGRATION):
            migrate_patiently(lambda: call_command("migrate", verbosity=0, interactive=False))
            connection.close()
    except OperationalError as error:
        raise _CannotServe(f"the tables can't be brought up to date: {str(error).strip()}") from error


def _close_connections() -> None:
    """Close the database connections that this thread has opened."""
    from django.db import connections

    for each in connections.all():
        each.close()
        each.close_pool()  # type: ignore[attr-defined]  # PostgreSQL's wrapper has it


def _make_server(*, reload: bool) -> "RestartingServer":
    """Make the server without starting it. Also set the environment of its worker processes."""
    from django.conf import settings
    from granian.log import LogLevels

    from zapauth.server import worker
    from zapauth.server.supervisor import RestartingServer

    # granian warns about many threads on few processors. Our threads mostly wait for the database. It also warns when
    # a worker dies; `zapauth.server.supervisor` logs that in more detail.
    silent = ("Python threads",) if reload else ("Python threads", "Unexpected exit from worker-")
    logging.getLogger("_granian").addFilter(lambda record: not any(text in record.getMessage() for text in silent))
    # By default glibc gives each thread an arena. Each arena would keep the 19 MB of a password hash.
    os.environ.setdefault("MALLOC_ARENA_MAX", "2")
    # A spawned worker shares no connection, no thread and no lock with this process.
    multiprocessing.set_start_method("spawn", force=True)
    return RestartingServer(
        **worker.OPTIONS,
        address=settings.HOST,
        port=settings.PORT,
        workers=settings.WORKERS,
        workers_kill_timeout=int(settings.DRAIN_TIME.total_seconds()) + 10,
        log_level=LogLevels.warning,
        log_dictconfig=logs.settings_of_granian(settings.LOG_FORMAT),
        reload=reload,
        reload_paths=[settings.BASE_DIR / name for name in ("zapauth", "sessions", "users")] if reload else None,
    )


def _serve_with_jobs(
    server: "RestartingServer", guard: "RestoreGuard", keys: "KeyWatch", *, tell: Callable[[], None]
) -> None:
    """Serve, and do the work of the main process meanwhile.

    Raises: _CannotServe, if it detects a restored backup, or that a signing key is reported as leaked.
    """
    from django.conf import settings

    from sessions.bulk.resume import LeftRuns
    from sessions.jobs.worker import QueueWorker
    from sessions.restore.guard import RestoreGuard, Watcher
    from sessions.upkeep.sweeper import Sweeper
    from zapauth.canary.in_service import InService
    from zapauth.server import worker
    from zapauth.server.stopping import stop_all

    # Not an event: a worker that is killed while it sets an event may leave it locked, and block the next worker.
    ready = multiprocessing.Semaphore(0)
    threading.Thread(target=_tell_when, args=[ready, tell], daemon=True).start()
    sweeper, left_runs, watcher = Sweeper(), LeftRuns(), Watcher(guard)
    canary = InService(lambda: server.interrupt_signal)
    queue = QueueWorker(check=RestoreGuard(settings.RESTORE_GUARD).start)
    for each in (sweeper, left_runs, watcher, canary, keys, queue):
        each.start()
    try:
        server.serve(partial(worker.run, ready=ready))
    finally:
        stop_all(canary, queue, watcher, left_runs, sweeper, keys)
        _close_connections()
        if reason := watcher.restored or keys.leaked:
            raise _CannotServe(str(reason))


def _tell_when(ready: Semaphore, tell: Callable[[], None]) -> None:
    """Call ``tell`` when the first worker accepts connections."""
    ready.acquire()
    tell()


def _check_address_is_free(host: str, port: int) -> None:
    """Check that no other server uses the address. Raises: _CannotServe."""
    # The workers share the port. So the kernel would not refuse a second server. It would give it half of the
    # connections.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", error)
            raise _CannotServe(f"can't listen on {host} port {port}: {why}. Another one: PORT=8001 make run") from error


if __name__ == "__main__":
    sys.exit(main())
