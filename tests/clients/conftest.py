"""The ground of the replayed clients: an app of their own, and both ways to the service."""

import pytest

# This file may be imported before Django is set up, so models are imported within.


@pytest.fixture
def app(request, db):
    """Unsigned, unless the test says otherwise."""
    from tests.phones import new_name
    from users.clients import create_app

    return create_app(f"App of {new_name()}", signed=getattr(request, "param", False))


@pytest.fixture
def in_process(db):
    from tests.phones import InProcess

    return InProcess()


@pytest.fixture
def live(server):
    from tests.phones import Live

    return Live(server.base_url)
