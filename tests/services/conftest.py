import pytest

# Pytest may read this file before Django is set up, so the fixtures import what needs Django.


@pytest.fixture
def backend(db):
    """A backend that may ask about everything, in this process."""
    from tests.services.backends import new_backend
    from users.models import Access

    return new_backend(token_access=Access.ALL, push_access=Access.ALL, event_access=Access.ALL)


@pytest.fixture(scope="package")
def _service(django_db_setup, django_db_blocker):
    from tests.servers import free_port, running_server

    port = str(free_port())
    url = f"http://127.0.0.1:{port}"
    with django_db_blocker.unblock(), running_server(PORT=port, PUBLIC_URL=url, TOKEN_ISSUER=url) as started:
        yield started


@pytest.fixture
def service(_service, transactional_db):
    """A real server with two workers, whose issuer is its own URL."""
    return _service


@pytest.fixture
def live_phone(service):
    """A phone that is logged in to the server in ZAP."""
    from tests.phones import Live, ZapPhone

    return ZapPhone(Live(service.base_url)).sign_up()


@pytest.fixture
def live_backend(service):
    """A backend that may ask the server about all tokens."""
    from tests.phones import Live
    from tests.services.backends import new_backend
    from users.models import Access

    return new_backend(Live(service.base_url), token_access=Access.ALL)


@pytest.fixture(scope="package")
def upstream():
    """The URL of a server that answers with the request that reached it."""
    from tests.services.programs import running_upstream

    with running_upstream() as url:
        yield url
