"""The published clients have no field for a code of the second factor. The user appends it to the password."""

from datetime import timedelta

import pytest
import time_machine

from tests.clients.android import AndroidApp
from tests.clients.client import BAD_USERNAME_OR_PASSWORD
from tests.clients.dotnet import DotNetApp
from tests.clients.ios import IOSApp
from tests.phones import PASSWORD
from tests.second_factor import give_factor
from users.models import User


@pytest.mark.parametrize("kind", [AndroidApp, DotNetApp, IOSApp])
def test_a_client_logs_in_with_the_code_after_the_password(kind, in_process, app):
    with time_machine.travel("2026-03-01T12:00:00Z", tick=False) as clock:
        phone = kind(in_process, app)
        assert not phone.create_user("ann", PASSWORD).error
        authenticator, codes = give_factor(User.objects.get(username="ann").pk)
        phone.log_out()
        assert phone.log_in("ann", PASSWORD).number == BAD_USERNAME_OR_PASSWORD
        assert not phone.log_in("ann", PASSWORD + authenticator.code()).error
        phone.log_out()
        clock.shift(timedelta(seconds=30))
        assert not phone.log_in("ann", PASSWORD + codes[0]).error
