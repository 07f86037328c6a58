"""The gateways: each is started once, before the same service and the same server."""

import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from tests.gateways.programs import PROGRAMS, running
from tests.gateways.upstream import Relay, Service, echoing_service


@dataclass
class Gateway:
    name: str
    port: int
    relay: Relay
    service: Service


@pytest.fixture(scope="package", params=PROGRAMS)
def _gateway(request: pytest.FixtureRequest, _server: Any) -> Iterator[Gateway]:
    relay = Relay(_server.base_url.removeprefix("http://"))
    with tempfile.TemporaryDirectory(prefix="zapauth-gateway-") as folder, echoing_service() as service:
        Path(folder).chmod(0o755)  # some of them run as another user
        try:
            with running(request.param, Path(folder), gate=relay.address, service=service.address) as places:
                yield Gateway(request.param, places.port, relay, service)
        finally:
            relay.go_away()


@pytest.fixture
def gateway(_gateway: Gateway, server: Any) -> Iterator[Gateway]:
    """A running gateway before a service that echoes. Its way to the gate is whole, and nothing is counted yet."""
    _gateway.relay.forget()
    _gateway.service.requests = 0
    yield _gateway
    _gateway.relay.come_back()


@pytest.fixture
def line(gateway: Gateway) -> Iterator[HTTPConnection]:
    """A connection to the gateway, which it keeps."""
    with closing(HTTPConnection("127.0.0.1", gateway.port, timeout=30)) as connection:
        yield connection


@pytest.fixture
def phone(server: Any) -> Any:
    """A phone that has logged in at the server itself."""
    from tests.phones import Live, ZapPhone

    return ZapPhone(Live(server.base_url)).sign_up()
