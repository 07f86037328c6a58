"""Fixtures for a user of the account page."""

import pytest

# This file may be imported before Django is set up, so it imports models inside functions.


@pytest.fixture
def ann(db):
    """Ann's phone, which has just signed up."""
    from tests.phones import InProcess, ZapPhone

    return ZapPhone(InProcess()).sign_up("ann")


@pytest.fixture
def browser(ann):
    """A browser in which Ann has logged in to the account page."""
    from tests.sessions.account.people import browser_of

    return browser_of("ann")
