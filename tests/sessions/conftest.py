"""Fixtures for staff: two of them, and their browsers, in which they have logged in to the admin."""

import pytest

# This file may be imported before Django is set up, so it imports models inside functions.


@pytest.fixture
def olga(db):
    """A member of staff in the group Operators."""
    from tests.sessions.staff import new_staff

    return new_staff("Operators", name="olga")


@pytest.fixture
def operator(olga):
    """Olga's browser."""
    from tests.sessions.staff import browser_of

    return browser_of(olga)


@pytest.fixture
def sven(db):
    """A member of staff in the group Support."""
    from tests.sessions.staff import new_staff

    return new_staff("Support", name="sven")


@pytest.fixture
def supporter(sven):
    """Sven's browser."""
    from tests.sessions.staff import browser_of

    return browser_of(sven)
