import pytest

# Pytest may read this file before Django is set up, so the fixtures import what needs Django.


@pytest.fixture(autouse=True)
def _unhindered(settings):
    """Switch throttling off; other tests cover it."""
    settings.THROTTLING = False


@pytest.fixture
def dialect(route):
    """The dialect of the route. Tests without routes are parametrized with one or both dialects."""
    return route.dialect


@pytest.fixture
def phone(dialect, db):
    """A logged-in phone with a reset code. Another app and another user exist, too."""
    from tests.bad_input.calls import new_phone

    return new_phone(dialect)


@pytest.fixture
def call(phone, route):
    """The good call of the route."""
    return route.call(phone)


@pytest.fixture
def good(phone, dialect):
    """The good call of the dialect's route with that name."""
    from tests.bad_input.routes import route_named

    return lambda name: route_named(dialect, name).call(phone)


@pytest.fixture
def untouched(phone):
    """Call it after bad input: it checks that no row has changed. At the end the good token must still be good."""
    from tests.bad_input.database import Untouched

    yield Untouched()
    assert phone.me().status == 200, phone.last
