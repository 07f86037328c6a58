"""Signed texts: good for a while by the database's clock, whatever the host's clock says."""

from datetime import timedelta

import pytest
import time_machine
from django.core import signing
from django.core.exceptions import PermissionDenied

from sessions.admin import confirm, staff_forms
from sessions.invitations import Invitation
from sessions.selection.selection import Selection
from sessions.signed import read_signed, sign
from tests.sessions.staff import new_staff

HOUR = timedelta(hours=1)


def test_a_text_is_good_until_the_last_second(db):
    with time_machine.travel("2026-03-01T12:00:00Z", tick=False) as clock:
        text = sign({"a": 1}, salt="here")
        clock.shift(HOUR)
        assert read_signed(text, salt="here", good_for=HOUR) == {"a": 1}
        clock.shift(timedelta(seconds=1))
        with pytest.raises(signing.SignatureExpired):
            read_signed(text, salt="here", good_for=HOUR)


@pytest.mark.parametrize("text", ["", "x", "a:b:c", "\udcff", "é:é:é"])
def test_what_we_have_not_signed_is_refused(db, text):
    with pytest.raises(signing.BadSignature):
        read_signed(text, salt="here", good_for=HOUR)
    with pytest.raises(signing.BadSignature):
        read_signed(sign({}, salt="there"), salt="here", good_for=HOUR)


@pytest.mark.parametrize("hours", [-30, 30])
def test_a_host_whose_clock_is_wrong_accepts_a_fresh_preview(db, monkeypatch, hours):
    boss = new_staff(name="boss")
    order = confirm.seal(Selection(platforms=("iOS",)), everywhere=False, count=3, actor=boss)
    invitation = staff_forms.seal(staff_forms.Sealed(Invitation("ann@example.org"), None), actor=boss)
    now = signing.time.time() + hours * 3600
    monkeypatch.setattr(signing.time, "time", lambda: now)
    assert confirm.unseal(order, actor=boss)[2] == 3
    assert staff_forms.unseal(invitation, actor=boss).invitation.email == "ann@example.org"


def test_a_preview_is_good_for_an_hour(db):
    with time_machine.travel("2026-03-01T12:00:00Z", tick=False) as clock:
        boss = new_staff(name="boss")
        order = confirm.seal(Selection(platforms=("iOS",)), everywhere=False, count=3, actor=boss)
        clock.shift(HOUR)
        assert confirm.unseal(order, actor=boss)[2] == 3
        clock.shift(timedelta(seconds=1))
        with pytest.raises(PermissionDenied):
            confirm.unseal(order, actor=boss)
