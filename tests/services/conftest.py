import pytest

# Pytest may read this file before Django is set up, so the fixtures import what needs Django.


@pytest.fixture
def backend(db):
    """A backend that may ask about everything, in this process."""
    from tests.services.backends import new_backend
    from users.models import Access

    return new_backend(token_access=Access.ALL, push_access=Access.ALL, event_access=Access.ALL)
