"""psycopg's pool, adapted to a slow or unreachable database.

psycopg's own pool doubles its wait before each attempt to connect, up to minutes, and lets every request wait for ten
seconds. This pool

- tries to connect again every quarter of a second;
- detects, without a round trip, an idle connection that the server has closed, and doesn't lend it;
- starts to refuse requests if no connection comes back for a second, and stops when one comes back;
- lends one user at most half of its connections;
- closes connections to a server that neither answers nor closes them, such as a host that vanished.
"""

import logging
import math
import os
import socket
from contextlib import suppress
from time import monotonic
from typing import Any

import psycopg
from psycopg import pq
from psycopg.errors import ConnectionTimeout
from psycopg_pool import ConnectionPool, PoolTimeout
from psycopg_pool.base import AttemptWithBackoff
from psycopg_pool.pool import AddConnection, MaintenanceTask

from users.database_use import Use, served, use
from zapauth.postgresql.shares import Shares

logger = logging.getLogger("zapauth.database")
# psycopg logs a line for each attempt. We log one line when the failures begin, and one when they end.
logging.getLogger("psycopg.pool").addFilter(lambda record: not str(record.msg).startswith("error connecting in"))

RETRY = 0.25  # seconds between two attempts to connect
LOOK_EVERY = 0.2  # seconds
# Requests are refused after this number of looks without a returned connection. Looks are counted and time is not
# measured, because the whole machine may have stood still.
LOOKS = 5
# Seconds. If a request holds a connection for longer, the server may be gone. So we ask whether it answers, every
# ASK_EVERY seconds.
LONG = 0.3
ASK_EVERY = 0.5

Connection = psycopg.Connection[Any]


class CannotConnect(PoolTimeout):
    """There is no free connection, and the database can't be reached to open one."""


class Pool(ConnectionPool[Connection]):
    """The pool. ``most_waiting``: how many requests of one user may wait for that user's other requests."""

    def __init__(self, *, most_waiting: int = 24, **options: Any) -> None:
        super().__init__(**options)
        self._shares = Shares(max(1, self.max_size // 2), most_waiting=most_waiting)
        # The connections that requests hold, and their start times. Commands and background jobs may hold one for long.
        self._lent: dict[Connection, float] = {}
        self._is_wanted = False  # a request found no connection, and none has come back since
        self._looks = 0  # the number of looks since then
        self._connecting = 0
        self._failing_since: float | None = None  # when attempts to connect began to fail
        self._is_silent = False  # the last attempt got no answer from the server at all
        self._moved_at = 0.0  # when a connection was last opened or returned
        self._asked_at = 0.0

    # --- lending -------------------------------------------------------------------------------

    def getconn(self, timeout: float | None = None) -> Connection:
        """Lend a connection. Raises: PoolTimeout, psycopg_pool.PoolClosed."""
        self._check_open_getconn()
        who = served()
        if who is not None:
            self._shares.take(who)
        try:
            connection = self._getconn_unchecked(self.timeout if timeout is None else timeout)
        except BaseException:
            if who is not None:
                self._shares.give_back(who)
            raise
        vars(connection)["lent_to"] = who
        if use() in (Use.REQUEST, Use.STAFF):
            self._lent[connection] = monotonic()
        return connection

    def putconn(self, conn: Connection) -> None:
        self._lent.pop(conn, None)
        who = vars(conn).pop("lent_to", None)
        try:
            super().putconn(conn)
        finally:
            if who is not None:
                self._shares.give_back(who)

    def _get_ready_connection(self, timeout: float | None) -> Connection | None:
        # psycopg calls this while it holds the pool's lock.
        while self._pool:
            connection = super()._get_ready_connection(timeout)
            if connection is None or not _has_ended(connection):
                return connection
            self._close_connection(connection)
            self.run_task(AddConnection(self))
        self._is_wanted = True
        if self._is_starved():
            self._maybe_grow_pool()
            raise self._refusal()
        return None

    def _add_to_pool(self, conn: Connection) -> None:
        super()._add_to_pool(conn)
        self._is_wanted, self._looks, self._moved_at = bool(self._waiting), 0, monotonic()

    def _is_starved(self) -> bool:
        if self._is_silent:
            return True
        if self._looks < LOOKS:
            return False
        # The first attempt to connect may still succeed. It has a time-out of its own.
        return not self._connecting or self._failing_since is not None

    def _refusal(self) -> PoolTimeout:
        # Some servers only take no more connections ("too many clients"), and answer on those that requests hold. They
        # are busy. A gate that opens while the database is away (GATE_WITHOUT_DATABASE) must not open then.
        if self._failing_since is not None and (self._is_silent or not self._lent):
            return CannotConnect("can't connect to the database, and no connection has come free for a while")
        return PoolTimeout("all connections to the database are in use, and none has come free for a while")

    # --- connecting ----------------------------------------------------------------------------

    def _add_connection(self, attempt: AttemptWithBackoff | None, growing: bool = False) -> None:
        super()._add_connection(attempt or _Steadily(), growing)

    def _connect(self, timeout: float | None = None) -> Connection:
        self._connecting += 1
        try:
            connection = super()._connect(timeout)
        except psycopg.Error as error:
            self._note_failure(error)
            raise
        finally:
            self._connecting -= 1
        if self._is_silent:
            self._hang_up(at_once=True)  # Statements that were sent meanwhile may be lost.
        self._moved_at, self._is_silent = monotonic(), False
        if self._failing_since is not None:
            logger.info("the database takes connections again, after %.1f s", monotonic() - self._failing_since)
            self._failing_since = None
        return connection

    def _note_failure(self, error: psycopg.Error) -> None:
        if self._failing_since is None:
            self._failing_since = monotonic()
            reason = str(error).strip().partition("\n")[0]
            logger.warning("can't connect to the database: %s. Trying again every %g s", reason, RETRY)
        # If other connections got answers meanwhile, the server is not silent.
        self._is_silent = isinstance(error, ConnectionTimeout) and monotonic() - self._moved_at > ASK_EVERY
        if self._is_silent:
            self._hang_up()

    # --- looking after what waits --------------------------------------------------------------

    def _start_initial_tasks(self) -> None:
        super()._start_initial_tasks()
        self.schedule_task(_LookAfter(self), LOOK_EVERY)

    def look_after(self) -> None:
        """Refuse requests that wait in vain. If the server is slow, check whether it is reachable at all."""
        now = monotonic()
        with self._lock:
            self._is_wanted = self._is_wanted or bool(self._waiting)
            self._looks = self._looks + 1 if self._is_wanted else 0
            refused = list(self._waiting) if self._is_starved() else []
            if refused:
                self._waiting.clear()
        if self._looks == LOOKS and not self._failing_since:
            logger.warning("no connection to the database comes back: requests are answered 503 until one does")
        for each in refused:
            each.fail(self._refusal())
        if self._is_silent:
            self._hang_up()
        elif now - self._asked_at > ASK_EVERY and any(now - since > LONG for since in list(self._lent.values())):
            self._asked_at = now
            self.run_task(_AskServer(self))

    def ask_server(self) -> None:
        """Open a connection to check whether the server answers."""
        with suppress(psycopg.Error):
            self._close_connection(self._connect())

    def _hang_up(self, *, at_once: bool = False) -> None:
        """Close the connections that wait for a silent server, so that their requests fail now, not hours later."""
        with self._lock:
            idle = list(self._pool)
            self._pool.clear()
        for connection in idle:
            self._close_connection(connection)
            self.run_task(AddConnection(self))
        now = monotonic()
        for connection, since in list(self._lent.items()):
            if at_once or now - since > LONG:
                _shut_down(connection)


class _Steadily(AttemptWithBackoff):
    """Attempts to connect, without end and with the same short pause between them."""

    def __init__(self) -> None:
        super().__init__(timeout=math.inf)

    def update_delay(self, now: float) -> None:
        self.delay = RETRY

    def time_to_give_up(self, now: float) -> bool:
        return False


class _LookAfter(MaintenanceTask):
    def tick(self) -> None:
        # This runs in the pool's scheduler, because all of the pool's workers may be connecting.
        pool = self.pool()
        if isinstance(pool, Pool) and not pool.closed:
            try:
                pool.look_after()
            finally:
                pool.schedule_task(self, LOOK_EVERY)

    def _run(self, pool: ConnectionPool[Any]) -> None:
        self.tick()


class _AskServer(MaintenanceTask):
    def _run(self, pool: ConnectionPool[Any]) -> None:
        if isinstance(pool, Pool):
            pool.ask_server()


def _has_ended(connection: Connection) -> bool:
    """Return whether the server has closed an idle connection: there is data to read, and then the end.

    `select.poll` would tell the same. But it releases Python's lock, which wakes up another thread at each request.
    """
    try:
        connection.pgconn.consume_input()  # reads the message
        connection.pgconn.consume_input()  # finds the end
    except psycopg.OperationalError:
        return True
    return connection.pgconn.status == pq.ConnStatus.BAD


def _shut_down(connection: Connection) -> None:
    """Make the thread that waits for the server on this connection fail. That thread closes the connection."""
    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.pgconn.socket)) as copy:
        copy.shutdown(socket.SHUT_RDWR)
