"""`python -m zapauth.serve`: bring the database up to date and serve; stops all it started.

--demo    make a demo app and a demo superuser, and print something to try (`make run`); not with DATABASE_URL
--reload  start anew when a file changes (`make dev`)
"""

import argparse
import logging
import multiprocessing
import os
import signal
import socket
import sys
import threading
from contextlib import closing
from functools import partial
from io import StringIO
from multiprocessing.synchronize import Semaphore
from types import FrameType

import django
import psycopg
from django.core.exceptions import ImproperlyConfigured


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m zapauth.serve", description="Serve ZapAuth.")
    parser.add_argument("--demo", action="store_true", help="make a demo app and user; not with DATABASE_URL")
    parser.add_argument("--reload", action="store_true", help="start anew when a file changes")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "zapauth.settings")

    from zapauth.local.embedded_postgres import EmbeddedPostgresError, running
    from zapauth.local.postgres_watch import watched

    # From here on a SIGTERM unwinds like Ctrl-C, so that PostgreSQL is stopped in either case.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        django.setup()
        with running(), watched():
            _serve(demo=options.demo, reload=options.reload)
    except (EmbeddedPostgresError, ImproperlyConfigured, _CannotServe) as error:
        print(f"zapauth: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


class _CannotServe(Exception):
    """The text says why."""


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _serve(*, demo: bool, reload: bool) -> None:
    from django.conf import settings
    from django.db import connections
    from granian.log import LogLevels

    from sessions.bulk.resume import LeftRuns
    from sessions.restore.guard import CannotBeServed, RestoreGuard, Watcher
    from sessions.upkeep.sweeper import Sweeper
    from users.database_use import Use, set_use
    from zapauth.local import demo as demonstration
    from zapauth.server import worker
    from zapauth.server.supervisor import RestartingServer

    _check_address_is_free(settings.HOST, settings.PORT)
    set_use(Use.COMMAND)
    _check_settings()
    _bring_database_up_to_date()
    guard = RestoreGuard(settings.RESTORE_GUARD)
    try:
        guard.start()
    except CannotBeServed as error:
        raise _CannotServe(str(error)) from error
    prepared = demonstration.prepare() if demo else None
    host = f"[{settings.HOST}]" if ":" in settings.HOST else settings.HOST
    text = demonstration.banner(prepared, url=f"http://{host}:{settings.PORT}", asked=demo)
    for each in connections.all():
        each.close()
        each.close_pool()  # type: ignore[attr-defined]  # PostgreSQL's wrapper has it

    # Granian warns of many threads for few processors: ours wait for phones. `zapauth.server.supervisor` says more of
    # a dead worker.
    silent = ("Python threads",) if reload else ("Python threads", "Unexpected exit from worker-")
    logging.getLogger("_granian").addFilter(lambda record: not any(text in record.getMessage() for text in silent))
    # glibc would give each thread an arena of its own, where the 19 MB of a password's hash stay when it is done.
    os.environ.setdefault("MALLOC_ARENA_MAX", "2")
    # Workers that start from nothing share no connection, no thread and no lock with this process.
    multiprocessing.set_start_method("spawn", force=True)
    server = RestartingServer(
        **worker.OPTIONS,
        address=settings.HOST,
        port=settings.PORT,
        workers=settings.WORKERS,
        workers_kill_timeout=10,
        log_level=LogLevels.warning,
        reload=reload,
        reload_paths=[settings.BASE_DIR / name for name in ("zapauth", "sessions", "users")] if reload else None,
    )
    # Not an event: a worker that is killed as it sets one may leave it locked, and hold up the next worker.
    ready = multiprocessing.Semaphore(0)
    threading.Thread(target=_print_when, args=[ready, text], daemon=True).start()
    sweeper, left_runs, watcher = Sweeper(), LeftRuns(), Watcher(guard)
    for thread in (sweeper, left_runs, watcher):
        thread.start()
    try:
        server.serve(partial(worker.run, ready=ready))
    finally:
        watcher.stop()
        left_runs.stop()
        sweeper.stop()
        if watcher.restored is not None:
            raise _CannotServe(str(watcher.restored))


def _check_settings() -> None:
    from django.core.management import CommandError, call_command

    try:
        call_command("check", stdout=StringIO())
    except CommandError as error:
        raise _CannotServe(str(error)) from error


def _bring_database_up_to_date() -> None:
    from django.core.management import call_command
    from django.db import OperationalError, connection

    from users.database_use import Use, used_for
    from zapauth.database_log import warn_of_revealing_settings

    try:
        # Without the pool, which would try again for a while and not say why.
        psycopg.connect(**connection.get_connection_params()).close()
    except psycopg.OperationalError as error:
        raise _CannotServe(f"the database can't be reached: {error}") from error
    warn_of_revealing_settings()
    try:
        with used_for(Use.MIGRATION):
            call_command("migrate", verbosity=0, interactive=False)
            connection.close()
    except OperationalError as error:
        raise _CannotServe(f"the tables can't be brought up to date: {str(error).strip()}") from error


def _print_when(ready: Semaphore, text: str) -> None:
    """Print ``text`` when the first worker takes connections."""
    ready.acquire()
    print(text, flush=True)


def _check_address_is_free(host: str, port: int) -> None:
    # The server shares its port among its workers, so a second one would not be refused by the
    # kernel: it would get every other connection.
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
