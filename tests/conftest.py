"""The suite's fixtures: a throw-away PostgreSQL (or the one of DATABASE_URL), real servers, phones."""

import math
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.environment import SETTINGS_NAMES

# Before any settings are read: only DATABASE_URL is taken from the environment. Keys, secrets and
# the embedded PostgreSQL are the suite's own.
DATA = Path(tempfile.mkdtemp(prefix="zapauth-tests-"))
for _name in SETTINGS_NAMES - {"DATABASE_URL"}:
    os.environ.pop(_name, None)
os.environ |= {"DJANGO_SETTINGS_MODULE": "tests.settings", "DATA_DIR": str(DATA)}
if os.environ.get("DATABASE_URL"):
    from zapauth.local import secrets

    os.environ |= {"SECRET_KEY": secrets.secret_key(DATA), "SIGNING_KEYS": secrets.signing_keys(DATA)}
    os.environ["HTTPS"] = "off"


def pytest_configure() -> None:
    # However the suite is stopped, it stops what it started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)

    import django

    django.setup()

    from tests import database_clock

    database_clock.install()

    # A test holds its connection while it runs. On a busy machine the pool could take that for a silent server.
    from zapauth.postgresql import pool

    pool.LONG = math.inf


def pytest_unconfigure() -> None:
    shutil.rmtree(DATA, ignore_errors=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a skipped test counts as failed: otherwise nobody would notice it."""
    report = yield
    if report.skipped and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> Iterator[None]:
    """Start the embedded PostgreSQL before pytest-django makes the test database; stop it afterwards."""
    from django.conf import settings

    from zapauth.local.embedded_postgres import running

    with running():
        if settings.IS_LOCAL:
            _hasten(settings.DATABASES["default"])
        yield


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """The test database, with a clock that follows `time_machine`."""
    from tests.database_clock import make_function

    with django_db_blocker.unblock():
        make_function()


def _hasten(database: dict[str, Any]) -> None:
    """Make the embedded PostgreSQL not wait for the disk: the suite's data may be lost in a power failure."""
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
def server(_server: Any, transactional_db: None) -> Any:
    """A real server with two workers on the test database, which is emptied after each test."""
    from tests.content_types import keep_numbers

    keep_numbers()
    return _server


@pytest.fixture
def phone_kind(request: pytest.FixtureRequest) -> type:
    """Parametrize indirectly with "zap" or "buddy"."""
    from tests.phones import BuddyPhone, ZapPhone

    return {"zap": ZapPhone, "buddy": BuddyPhone}[request.param]


@pytest.fixture
def new_phone(phone_kind: type, db: None) -> Callable:
    """Makes phones of the dialect under test, which call the application in this process."""
    from tests.phones import InProcess

    return lambda **options: phone_kind(InProcess(), **options)


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any) -> None:
    """Run at the end of each request of a phone what waits for a commit, as on a server."""
    from tests.phones import InProcess

    send = InProcess.__call__

    def send_and_commit(*args: Any, **options: Any) -> Any:
        with django_capture_on_commit_callbacks(execute=True):
            return send(*args, **options)

    monkeypatch.setattr(InProcess, "__call__", send_and_commit)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run now what this process would do after an answer: threads would not see a test's transaction."""
    from sessions import background

    for name in ("_start", "_start_long"):
        monkeypatch.setattr(background, name, lambda run: run())


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    # One behaviour, both dialects.
    if "phone_kind" in metafunc.fixturenames:
        only = metafunc.definition.get_closest_marker("only")
        metafunc.parametrize("phone_kind", only.args if only else ["zap", "buddy"], indirect=True)
