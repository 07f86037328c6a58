from collections.abc import Iterator
from typing import Any

import pytest

from tests.servers import RunningServer, free_port, running_server


@pytest.fixture(scope="package")
def _counted_server(django_db_setup: None, django_db_blocker: Any) -> Iterator[tuple[RunningServer, int]]:
    port = free_port()
    with django_db_blocker.unblock(), running_server(METRICS_PORT=str(port)) as server:
        yield server, port


@pytest.fixture
def counted_server(_counted_server: tuple[RunningServer, int], transactional_db: None) -> RunningServer:
    """A server with two workers that counts."""
    return _counted_server[0]


@pytest.fixture
def port(_counted_server: tuple[RunningServer, int], counted_server: RunningServer) -> int:
    """The METRICS_PORT of `counted_server`."""
    return _counted_server[1]
