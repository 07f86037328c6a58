"""The canary's account gives nobody access, whatever an earlier version or a restored backup has left in it."""

import pytest
from django.contrib.auth.models import Group

from sessions.upkeep.canary import open_zap_session
from sessions.upkeep.sweeper import sweep
from tests.phones import PASSWORD, InProcess, ZapPhone
from users.canary import CANARY_ID
from users.models import SecurityEvent, User


@pytest.fixture
def taken_over(db):
    """The account after somebody gave it an email, a password and powers, when this was still possible."""
    open_zap_session()
    canary = User.objects.get(pk=CANARY_ID)
    canary.email, canary.phone_number, canary.is_staff, canary.is_superuser = "e@example.org", "+4912345678", True, True
    canary.set_password(PASSWORD)
    canary.save()
    canary.groups.add(Group.objects.get(name="Support"))
    return canary


def test_the_sweep_takes_away_what_lets_somebody_act_with_it_and_ends_their_sessions(taken_over):
    phone = ZapPhone(InProcess())
    assert phone.log_in(taken_over.username).status == 200
    sweep()
    assert phone.call("GET", f"/v1/users/{CANARY_ID}", token=phone.access_token).status == 401
    assert ZapPhone(InProcess()).log_in(taken_over.username).status == 401
    canary = User.objects.get(pk=CANARY_ID)
    assert (canary.password, canary.email, canary.phone_number) == ("!", None, None)
    assert not any([canary.is_staff, canary.is_superuser, canary.groups.exists()])
    told = set(SecurityEvent.objects.filter(user_id=CANARY_ID).values_list("event", flat=True))
    assert told >= {"password_changed", "email_changed", "phone_changed", "rights_changed", "groups_changed"}


def test_the_sweep_writes_nothing_about_an_account_that_gives_no_access(db):
    open_zap_session()
    before = SecurityEvent.objects.count()
    sweep()
    assert (SecurityEvent.objects.count(), User.objects.get(pk=CANARY_ID).session_epoch) == (before, 0)
