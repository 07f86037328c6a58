"""The pool of database connections, on a PostgreSQL that the tests start and stop."""

import tempfile
import threading
from pathlib import Path
from unittest import mock

import psycopg
import pytest
from django.db import connections
from psycopg_pool import PoolTimeout

from bench.restartable import RestartablePostgres
from tests.black_hole import Proxy
from tests.servers import free_port
from tests.waiting import wait_until
from users.database_use import Use, serve, serve_nobody, used_for
from zapauth.postgresql.pool import CannotConnect, Pool
from zapauth.postgresql.shares import Shares


@pytest.fixture(scope="module")
def postgres():
    # Not in pytest's folder: another run of pytest could lock PostgreSQL's system user out of it.
    with tempfile.TemporaryDirectory(prefix="zapauth-pool-", ignore_cleanup_errors=True) as folder:
        started = RestartablePostgres(Path(folder), port=free_port())
        yield started
        started.stop()


@pytest.fixture
def new_pool():
    made = []

    def new(url, **options):
        given = {"min_size": 1, "max_size": 4, "timeout": 5} | options
        pool = Pool(conninfo=url, kwargs={"autocommit": True, "connect_timeout": 2}, open=True, **given)
        made.append(pool)
        return pool

    yield new
    for pool in made:
        pool.close()


@pytest.fixture(autouse=True)
def as_in_a_server(monkeypatch):
    monkeypatch.setattr("zapauth.postgresql.pool.LONG", 0.3)  # the test suite has set it to infinity
    serve_nobody()  # an earlier test may have set a user
    yield
    serve_nobody()


@pytest.fixture
def hasty(monkeypatch):
    """Let refusals come sooner, for tests that wait for one."""
    monkeypatch.setattr("zapauth.postgresql.shares.LOOKS", 2)
    monkeypatch.setattr("zapauth.postgresql.pool.ASK_EVERY", 0.2)


def ask(pool):
    connection = pool.getconn()
    try:
        return connection.execute("SELECT pg_backend_pid()").fetchone()[0]
    finally:
        pool.putconn(connection)


def fill(pool):
    """Fill the pool with as many idle connections as it may have."""
    borrowed = [pool.getconn() for _ in range(pool.max_size)]
    for connection in borrowed:
        pool.putconn(connection)


def restart(postgres):
    postgres.stop()
    postgres.start()
    postgres.wait_until_it_answers()


@pytest.mark.parametrize("over", ["tcp", "unix"])
def test_after_a_restart_no_idle_connection_that_is_dead_is_lent(postgres, new_pool, over):
    pool = new_pool(postgres.url(over))
    fill(pool)
    restart(postgres)
    pids = [ask(pool) for _ in range(8)]  # a broken connection would raise
    assert all(pids)


def test_while_the_server_is_away_borrowing_fails_and_when_it_is_back_it_works(postgres, new_pool, caplog):
    pool = new_pool(postgres.url("tcp"))
    fill(pool)
    postgres.stop()
    for _ in range(3):
        with pytest.raises(PoolTimeout, match="can't connect to the database"):
            pool.getconn()
    postgres.start()
    postgres.wait_until_it_answers()

    def works():
        try:
            return ask(pool)
        except PoolTimeout:
            return None

    wait_until(works)
    assert all(ask(pool) for _ in range(8))
    told = [record.getMessage() for record in caplog.records if record.name == "zapauth.database"]
    # The pool of the test suite may log lines, too.
    assert len([text for text in told if "can't connect" in text and str(postgres.port) in text]) == 1
    assert any("takes connections again" in text for text in told)


def test_a_server_that_takes_no_more_connections_but_answers_on_the_others_is_busy_and_not_away(
    postgres, new_pool, monkeypatch
):
    pool = new_pool(postgres.url("unix"), min_size=0, max_size=2)
    busy = pool.getconn()
    # For example "sorry, too many clients already".
    refusal = mock.Mock(side_effect=psycopg.OperationalError("connection failed: FATAL: sorry"))
    monkeypatch.setattr(pool.connection_class, "connect", refusal)
    with pytest.raises(PoolTimeout) as refused:
        pool.getconn()
    assert refusal.called
    assert not isinstance(refused.value, CannotConnect)
    assert busy.execute("SELECT 1").fetchone() == (1,)
    pool.putconn(busy)


def test_a_request_whose_server_falls_silent_fails_and_the_next_ones_do_when_it_speaks_again(postgres, new_pool):
    proxy = Proxy(("127.0.0.1", postgres.port))
    pool = new_pool(f"postgres://postgres@127.0.0.1:{proxy.port}/zapauth")
    fill(pool)
    proxy.fall_silent()
    try:
        # The request would wait for ever if nobody checked the pool.
        with pytest.raises(psycopg.OperationalError):
            ask(pool)
    finally:
        proxy.speak_again()

    def works():
        try:
            return ask(pool)
        except psycopg.OperationalError:
            return None

    wait_until(works)
    assert all(ask(pool) for _ in range(8))
    proxy.close()


def test_a_statement_that_takes_long_is_left_alone_while_the_server_answers(postgres, new_pool, hasty):
    pool = new_pool(postgres.url("unix"))
    asked = []
    pool.ask_server = lambda: (Pool.ask_server(pool), asked.append(True))
    connection = pool.getconn()
    with psycopg.connect(postgres.url("unix"), autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(1)")
        thread = threading.Thread(target=connection.execute, args=["SELECT pg_advisory_lock(1)"])
        thread.start()
        wait_until(lambda: len(asked) >= 2)
        assert thread.is_alive()
        other.execute("SELECT pg_advisory_unlock(1)")
        thread.join(60)
    assert connection.execute("SELECT 1").fetchone() == (1,)
    pool.putconn(connection)


def test_what_a_command_does_is_not_asked_about_however_long_it_takes(postgres, new_pool):
    pool = new_pool(postgres.url("unix"))
    with used_for(Use.COMMAND):
        connection = pool.getconn()
    assert pool._lent == {}
    pool.putconn(connection)


def test_one_user_is_lent_half_of_the_connections_and_others_the_rest(postgres, new_pool, hasty):
    pool = new_pool(postgres.url("unix"))
    serve("ann")
    of_ann = [pool.getconn(), pool.getconn()]
    with pytest.raises(PoolTimeout, match="of the same user"):
        pool.getconn()
    serve("ben")
    of_ben = pool.getconn()
    serve("ann")
    pool.putconn(of_ann.pop())
    of_ann.append(pool.getconn())
    for connection in (*of_ann, of_ben):
        pool.putconn(connection)
    assert pool._shares._held == {}


def test_a_user_over_their_share_gets_the_place_that_comes_free():
    shares, got = Shares(1, most_waiting=1), threading.Event()
    shares.take("ann")

    def take():
        shares.take("ann")
        got.set()

    thread = threading.Thread(target=take)
    thread.start()
    assert not got.is_set()
    shares.give_back("ann")
    assert got.wait(60)
    thread.join()


def test_a_user_whose_requests_are_stuck_is_refused_and_no_longer_when_one_gets_on(hasty):
    shares = Shares(1, most_waiting=4)
    shares.take("ann")
    for _ in range(2):
        with pytest.raises(PoolTimeout):
            shares.take("ann")
    shares.take("ben")
    shares.give_back("ann")
    shares.take("ann")
    for name in ("ann", "ben"):
        shares.give_back(name)
    assert not shares._held


def test_no_more_than_so_many_requests_of_one_user_wait():
    shares, done = Shares(1, most_waiting=1), threading.Event()
    shares.take("ann")

    def wait_and_leave():
        shares.take("ann")
        shares.give_back("ann")
        done.set()

    thread = threading.Thread(target=wait_and_leave)
    thread.start()
    wait_until(lambda: shares._waiting["ann"])
    with pytest.raises(PoolTimeout):
        shares.take("ann")
    shares.give_back("ann")
    assert done.wait(60)
    thread.join()


def test_connections_beside_the_pool_notice_a_vanished_host_too(db):
    with psycopg.connect(**connections["default"].get_connection_params()) as beside:
        given = beside.info.get_parameters()
    assert (given["connect_timeout"], given["keepalives_idle"], given["tcp_user_timeout"]) == ("2", "5", "3000")
