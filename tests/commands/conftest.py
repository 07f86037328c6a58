"""Fixtures for users whom commands are about."""

import pytest

# This file may be imported before Django is set up, so it imports models inside functions.


@pytest.fixture
def ann(db):
    """Ann's phone, in ZAP. It gets pushes."""
    from tests.phones import InProcess, ZapPhone

    return ZapPhone(InProcess(), device_token="push of ann").sign_up("ann")


@pytest.fixture
def ben(db):
    """Ben's phone, in Buddy."""
    from tests.phones import BuddyPhone, InProcess

    return BuddyPhone(InProcess()).sign_up("ben")
