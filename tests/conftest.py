"""The suite's fixtures: a temporary PostgreSQL (or the one of DATABASE_URL), real servers, phones."""

import gc
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from _pytest.nodeid import coerce_node_id

from tests.environment import SETTINGS_NAMES

# This comes before any settings are read. Only DATABASE_URL is taken from the environment. Keys, secrets and
# the embedded PostgreSQL belong to the suite.
DATA = Path(tempfile.mkdtemp(prefix="zapauth-tests-"))
for _name in SETTINGS_NAMES - {"DATABASE_URL"}:
    os.environ.pop(_name, None)
os.environ |= {"DJANGO_SETTINGS_MODULE": "tests.settings", "DATA_DIR": str(DATA)}
# The suite starts hundreds of processes. Without bytecode, each of them would compile the project again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# Each process needs about 1 GB of memory, including its PostgreSQL and its servers.
_MOST_PROCESSES = 4
if os.environ.get("DATABASE_URL"):
    from zapauth.local import secrets

    os.environ |= {"SECRET_KEY": secrets.secret_key(DATA), "SIGNING_KEYS": secrets.signing_keys(DATA)}
    os.environ["HTTPS"] = os.environ["STAFF_SECOND_FACTOR"] = "off"


def pytest_configure(config: pytest.Config) -> None:
    # SIGTERM, too, must stop every process that the suite started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if _only_hands_out(config):
        # The other processes inherit this environment. They would read the settings before this file gives each of
        # them a data folder.
        del os.environ["DJANGO_SETTINGS_MODULE"]
        os.environ["TESTS_PREPARED"] = str(DATA / "prepared")  # theirs: made while they collect the tests
        _preparation.start()
        return
    os.environ.setdefault("TESTS_PREPARED", str(DATA / "prepared"))
    # `make coverage` measures this process. The processes that tests start would be twice as slow.
    os.environ.pop("COVERAGE_PROCESS_CONFIG", None)

    import django

    gc.disable()  # until all tests are collected: what is loaded until then lives as long as the process
    django.setup()

    from tests import database_clock, emptying, log_secrets, static_files

    database_clock.install()
    emptying.install()
    log_secrets.install()
    static_files.install()

    # A test holds its connection while it runs. On a busy machine, the pool could conclude that the server is silent.
    from zapauth.postgresql import pool

    pool.LONG = math.inf


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return the number of processes that run the tests; 0: this one does, where a debugger works.

    The whole suite runs in several processes. A part of it runs in one. With DATABASE_URL all of it runs in one:
    several processes would share one PostgreSQL, and some tests look at all of its locks and connections.

    There are two more than processors, because many tests wait: for a server's start, a browser, a time-out.
    """
    chosen = config.args_source is not pytest.Config.ArgsSource.TESTPATHS or config.option.keyword
    return 0 if chosen or os.environ.get("DATABASE_URL") else min((os.cpu_count() or 1) + 2, _MOST_PROCESSES)


def _prepare() -> None:
    """Make the database that the other processes copy. If this fails, the first of them tries again and tells."""
    from tests.prepared import prepared

    with suppress(subprocess.SubprocessError):
        prepared(Path(os.environ["TESTS_PREPARED"]))


_preparation = threading.Thread(target=_prepare)


def _only_hands_out(config: pytest.Config) -> bool:
    """Return whether other processes run the tests, and this one only distributes them."""
    return bool(config.option.numprocesses) and not config.option.collectonly and not hasattr(config, "workerinput")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Move the files with tests that commit to the end, the long ones first, and give each test an id of its own.

    pytest-django moves such tests to the end, but pytest-xdist distributes whole files in this order. It also runs only
    one of several tests with the same id, and schemathesis gives the tests of all operations the same one.
    """
    from tests.order import place_of

    seen = Counter[str]()
    for item in items:
        seen[item.nodeid] += 1
        if seen[item.nodeid] > 1:
            item._id = coerce_node_id(f"{item.nodeid}[{seen[item.nodeid]}]")
    committing = {item.path for item in items if _commits(item)}
    items.sort(key=lambda item: (item.path in committing, place_of(item.path), item.path))


def pytest_collection_finish() -> None:
    gc.freeze()
    # Requests leave few cycles. With Python's default, 700 new objects, the search for them takes 3% of the time.
    gc.set_threshold(20_000)
    gc.enable()


def _commits(item: pytest.Item) -> bool:
    marker = item.get_closest_marker("django_db")
    return "transactional_db" in item.fixturenames or bool(marker and marker.kwargs.get("transaction"))


def pytest_unconfigure() -> None:
    if _preparation.ident:  # it has been started
        _preparation.join()
    shutil.rmtree(DATA, ignore_errors=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Report skipped tests as failed in CI. Otherwise nobody would notice them."""
    report = yield
    if report.skipped and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def django_db_modify_db_settings(request: pytest.FixtureRequest) -> Iterator[None]:
    """Start the embedded PostgreSQL before pytest-django makes the test database, and stop it afterwards.

    Each process that runs tests has its own server, so the databases can have the same name. If there are several
    processes, each starts with a copy of the database that one of them has made.
    """
    from django.conf import settings
    from django.db import connection

    from zapauth.local.embedded_postgres import running

    if settings.IS_LOCAL and hasattr(request.config, "workerinput"):
        request.getfixturevalue("prepared").copy_to(settings.DATA_DIR)
        database = connection.settings_dict
        database["TEST"]["TEMPLATE"] = database["NAME"]
    with running():
        if settings.IS_LOCAL:
            _hasten(settings.DATABASES["default"])
        yield


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """The test database, with a clock that follows `time_machine`."""
    from django.db import connection

    from tests import database_clock, emptying

    with django_db_blocker.unblock():
        database_clock.make_function()
        emptying.remember()
    yield
    # On a busy machine PostgreSQL may not have noticed yet that a stopped server has gone. Then the database could not
    # be dropped.
    connection.close()
    connection.close_pool()
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def _hasten(database: dict[str, Any]) -> None:
    """Tell the embedded PostgreSQL not to wait for the disk. The suite's data may be lost in a power failure."""
    import psycopg

    with psycopg.connect(host=database["HOST"], user=database["USER"], dbname="postgres", autocommit=True) as link:
        link.execute("ALTER SYSTEM SET fsync = off")
        link.execute("ALTER SYSTEM SET full_page_writes = off")
        link.execute("SELECT pg_reload_conf()")


@pytest.fixture(scope="session")
def _server(django_db_setup: None, django_db_blocker: Any) -> Iterator[Any]:
    from tests.servers import running_server

    with django_db_blocker.unblock():
        server = running_server()
        with server as started:
            yield started


@pytest.fixture
def server(_server: Any, transactional_db: None) -> Iterator[Any]:
    """A real server with two workers on the test database. The database is emptied after each test."""
    from tests import log_secrets

    told_before = _server.log.stat().st_size
    yield _server
    log_secrets.check_output(_server.log.read_bytes()[told_before:].decode())


@pytest.fixture(scope="session")
def prepared() -> Any:
    """A database with all migrations, to copy into the data folder of a separate installation."""
    from tests.prepared import prepared

    return prepared(Path(os.environ["TESTS_PREPARED"]))


@pytest.fixture(autouse=True)
def _no_secret_in_the_log() -> Iterator[None]:
    """Fail the test if the project logs a secret meanwhile."""
    from tests.log_secrets import WATCH

    yield
    WATCH.check()


class _Subtests:
    """Like pytest's fixture, but a subtest that passes is not reported: there are thousands."""

    def __init__(self, reporting: pytest.Subtests) -> None:
        self._reporting = reporting

    @contextmanager
    def test(self, msg: str | None = None, **facts: Any) -> Iterator[None]:
        try:
            yield
        except BaseException:
            with self._reporting.test(msg, **facts):
                raise


@pytest.fixture
def subtests(subtests: pytest.Subtests) -> _Subtests:
    """Report each failed subtest, and go on after it."""
    return _Subtests(subtests)


@pytest.fixture
def phone_kind(request: pytest.FixtureRequest) -> type:
    """The kind of phone. Parametrize it indirectly with "zap" or "buddy"."""
    from tests.phones import BuddyPhone, ZapPhone

    return {"zap": ZapPhone, "buddy": BuddyPhone}[request.param]


@pytest.fixture
def new_phone(phone_kind: type, db: None) -> Callable:
    """Makes phones of the tested dialect, which call the application in this process."""
    from tests.phones import InProcess

    return lambda **options: phone_kind(InProcess(), **options)


@pytest.fixture
def clock(db: None) -> Iterator[Any]:
    """Time that stands still until the test moves it: `clock.shift(seconds)`."""
    import time_machine

    with time_machine.travel("2026-03-01T12:00:00Z", tick=False) as clock:
        yield clock


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any) -> None:
    """Run the functions that wait for a commit at the end of each request of a phone, as a server does."""
    from tests.phones import InProcess

    send = InProcess.__call__

    def send_and_commit(*args: Any, **options: Any) -> Any:
        with django_capture_on_commit_callbacks(execute=True):
            return send(*args, **options)

    monkeypatch.setattr(InProcess, "__call__", send_and_commit)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do jobs in the test's thread, when the transaction commits that causes them. The fixture `queue` undoes this."""
    from sessions.jobs import deferring
    from tests import jobs

    monkeypatch.setattr(deferring, "store", jobs.do_soon)


@pytest.fixture
def queue(_at_once: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let jobs wait in the queue, as on a server."""
    from sessions.jobs import deferring, table

    monkeypatch.setattr(deferring, "store", table.store)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    # Tests of both dialects run once in each.
    if "phone_kind" in metafunc.fixturenames:
        only = metafunc.definition.get_closest_marker("only")
        metafunc.parametrize("phone_kind", only.args if only else ["zap", "buddy"], indirect=True)
