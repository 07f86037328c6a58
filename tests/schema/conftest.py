"""Fixtures of the schema's tests: a real server and its callers."""

import pytest

from tests.schema import late_drawing
from tests.servers import running_server

late_drawing.install()


@pytest.fixture(scope="package")
def _live(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock(), running_server(THROTTLING="off", LOG_LEVEL="ERROR") as started:
        yield started


@pytest.fixture
def live(_live, transactional_db):
    """A real server with two workers and without throttling."""
    return _live


@pytest.fixture
def world(live):
    from tests.schema.callers import World

    return World()
