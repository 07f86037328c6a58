import pytest

# Pytest may read this file before Django is set up, so the fixtures import what needs Django.


@pytest.fixture(scope="package")
def _by_node():
    from tests.client_packages.asking import by_node

    with by_node() as ask:
        yield ask


@pytest.fixture(params=["python", "node"])
def ask(request):
    """Asks a gate by the Python package, and by that for Node."""
    from tests.client_packages.asking import by_python

    return by_python if request.param == "python" else request.getfixturevalue("_by_node")


@pytest.fixture
def live_phone(server):
    """A phone that is logged in to the server in ZAP."""
    from tests.phones import Live, ZapPhone

    return ZapPhone(Live(server.base_url)).sign_up()
