"""Fixtures for the replayed clients: an app for them, in process and over HTTP."""

import pytest

# This file may be imported before Django is set up, so it imports models inside functions.


@pytest.fixture
def app(request, db):
    """An app that does not sign requests, unless the test asks for a signed one."""
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
