"""The ground of the schema's tests: a real server with cheap passwords, and the schema that it serves."""

import pytest
import schemathesis

from tests.servers import running_server

FAST = "tests.schema.fast_settings"


@pytest.fixture(scope="package")
def _live(django_db_setup, django_db_blocker):
    with (
        django_db_blocker.unblock(),
        running_server(DJANGO_SETTINGS_MODULE=FAST, THROTTLING="off", LOG_LEVEL="ERROR") as started,
    ):
        yield started


@pytest.fixture
def live(_live, transactional_db, settings):
    """A real server with two workers, on which nothing counts attempts."""
    from tests.schema import fast_settings

    settings.PASSWORD_HASHERS = fast_settings.PASSWORD_HASHERS
    return _live


@pytest.fixture
def world(live):
    from tests.schema.callers import World

    return World()


@pytest.fixture
def api(live):
    """The schema as the server serves it, for schemathesis."""
    schema = schemathesis.openapi.from_url(f"{live.base_url}/schema?format=json")
    schema.config.update(base_url=live.base_url)
    # Who calls is the tests' own affair, and the same in each run.
    schema.config.generation.update(deterministic=True, no_shrink=True, with_security_parameters=False)
    return schema
