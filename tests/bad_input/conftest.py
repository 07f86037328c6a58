import pytest

# What needs Django is imported in the fixtures: this may be read before it is set up.


@pytest.fixture(autouse=True)
def _unhindered(settings):
    """Nobody tries too often, which is tested elsewhere."""
    settings.THROTTLING = False


@pytest.fixture
def dialect(route):
    """The route's; a test over no routes is parametrized with one or two."""
    return route.dialect


@pytest.fixture
def phone(dialect, db):
    """A logged-in phone with a reset code; there are another app and another user, too."""
    from tests.bad_input.calls import new_phone

    return new_phone(dialect)


@pytest.fixture
def call(phone, route):
    """The good call of the route."""
    return route.call(phone)


@pytest.fixture
def good(phone, dialect):
    """The good call of the dialect's route of that name."""
    from tests.bad_input.routes import route_named

    return lambda name: route_named(dialect, name).call(phone)


@pytest.fixture
def untouched(phone):
    """Called after bad input: no row has changed. When all is over, the good token is still good."""
    from tests.bad_input.database import Untouched

    yield Untouched()
    assert phone.me().status == 200, phone.last
