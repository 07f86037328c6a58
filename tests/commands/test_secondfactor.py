"""`manage.py secondfactor off`: for a user who has lost the phone and the recovery codes."""

from io import StringIO

import pytest
from django.core.management import call_command

from sessions.models import EndReason, Session
from tests.commands.terminal import manage
from tests.phones import PASSWORD, InProcess, ZapPhone
from tests.second_factor import give_factor, log_in_with
from users.models import SecurityEvent, User
from users.record.operator import operator_name
from users.second_factor.enabling import has_factor


@pytest.fixture
def ann(db):
    """Ann's phone. She has a second factor and an email."""
    phone = ZapPhone(InProcess(), device_token="phone").sign_up("ann")
    give_factor(phone.user_id)
    User.objects.filter(pk=phone.user_id).update(email="ann@example.org")
    return phone


def is_secured(phone):
    return has_factor(User.objects.get(pk=phone.user_id))


@pytest.mark.parametrize("by", ["name", "NAME", "id"])
def test_a_user_logs_in_with_the_password_alone_afterwards(ann, by):
    assert log_in_with(ann, PASSWORD).status == 401
    done = manage("secondfactor off --user", {"name": "ann", "NAME": "ANN", "id": ann.user_id}[by])
    assert (done.code, done.out) == (0, f"The second factor of ann ({ann.user_id}) is off.\n")
    assert log_in_with(ann, PASSWORD).status == 200


def test_it_is_on_record_with_the_operator_and_the_user_is_told(ann, mailoutbox, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        manage("secondfactor off --user ann --reason", "Phone lost, ticket 9")
    entry = SecurityEvent.objects.get(event="factor_disabled")
    assert (entry.user_id, entry.actor_id, entry.operator) == (ann.user_id, None, operator_name())
    assert entry.details == {"note": "Phone lost, ticket 9", "sessions_ended": False}
    (mail,) = mailoutbox
    assert mail.to == ["ann@example.org"]
    assert "our staff changed" in mail.body


def test_sessions_end_only_if_the_operator_wants_that(ann):
    manage("secondfactor off --user ann")
    assert ann.me().status == 200
    give_factor(ann.user_id)
    done = manage("secondfactor off --user ann --end-sessions")
    assert "All sessions of the user have ended." in done.out
    assert (ann.me().status, ann.refresh().status) == (401, 401)
    assert Session.objects.get().end_reason == EndReason.OPERATOR
    assert SecurityEvent.objects.filter(event="factor_disabled").latest("pk").details["sessions_ended"]


def test_a_dry_run_changes_nothing(ann, mailoutbox):
    done = manage("secondfactor off --user ann --end-sessions --dry-run")
    assert (done.code, done.out.split()[0]) == (0, "Would")
    assert is_secured(ann)
    assert ann.me().status == 200
    assert not mailoutbox
    assert not SecurityEvent.objects.filter(event="factor_disabled").exists()


@pytest.mark.parametrize("more", ["", "--dry-run", "--end-sessions"])
def test_a_user_without_a_factor_is_left_as_they_are(db, more):
    phone = ZapPhone(InProcess()).sign_up("ben")
    done = manage(f"secondfactor off --user ben {more}")
    assert (done.code, "has no second factor. Nothing was changed." in done.out) == (0, True)
    assert phone.me().status == 200


def test_an_unknown_user_and_a_wrong_order_are_errors(ann):
    unknown = manage("secondfactor off --user nobody")
    assert (unknown.code, unknown.err) == (2, "CommandError: There is no user 'nobody'.\n")
    assert manage("secondfactor on --user ann").code == 2
    assert manage("secondfactor off").code == 2
    assert is_secured(ann)


@pytest.mark.parametrize("is_on", [True, False])
def test_the_deployment_check_warns_if_staff_need_no_factor(settings, is_on):
    settings.STAFF_SECOND_FACTOR = is_on
    said = StringIO()
    call_command("check", "--deploy", "--tag", "security", stderr=said)
    assert ("user_sessions.W003" in said.getvalue()) is not is_on
