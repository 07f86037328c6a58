"""`manage.py logout --as STAFF`: it does only what that member of staff may do, and records their name."""

import re

import pytest
from django.contrib.auth.models import Permission

from sessions.models import BulkRun, EndReason, Session
from tests.commands.records import everything
from tests.commands.terminal import manage
from tests.phones import InProcess, ZapPhone
from tests.sessions.staff import new_staff
from users.models import User


@pytest.fixture
def people(db):
    """The phones of Ann, Ben and Boss. Boss is a superuser."""
    new_staff(name="boss")
    phones = {name: ZapPhone(InProcess()) for name in ("ann", "ben", "boss")}
    for name, phone in phones.items():
        if name == "boss":
            phone.log_in(name)
        else:
            phone.sign_up(name)
    return phones


def logged_out(people):
    return {name for name, phone in people.items() if phone.me().status == 401}


@pytest.mark.parametrize("by", ["name", "NAME", "id"])
def test_the_order_is_on_record_as_that_member_of_staffs(people, by):
    sven = new_staff("Support", name="sven")
    word = {"name": "sven", "NAME": "SVEN", "id": sven.pk}[by]
    done = manage(f"logout --user ann --as {word}")
    assert done.code == 0, done.err
    assert logged_out(people) == {"ann"}
    run, session = BulkRun.objects.get(), Session.objects.exclude(ended_at=None).get()
    assert (run.actor, run.source) == (sven, BulkRun.Source.COMMAND)
    assert "@" in run.operator
    assert (session.ended_by, session.end_reason) == (sven, EndReason.OPERATOR)


def test_without_as_the_order_names_no_member_of_staff(people):
    assert manage("logout --user boss").code == 0
    assert logged_out(people) == {"boss"}
    assert BulkRun.objects.get().actor is None


@pytest.mark.parametrize(("staff", "left"), [("olga", {"boss"}), ("boss", set())])
def test_superusers_are_spared_unless_a_superuser_orders_it(people, staff, left):
    new_staff("Operators", name="olga")
    done = manage(f"logout --everyone --reason Leak --as {staff}")
    assert done.code == 0, done.err
    assert logged_out(people) == people.keys() - left


def test_if_only_a_superusers_session_matches_other_staff_have_nothing_to_end(people):
    new_staff("Operators", name="olga")
    done = manage("logout --user boss --as olga")
    assert (done.code, logged_out(people)) == (0, set())
    assert "Nothing to do" in done.out


def disabled_superuser():
    User.objects.create_superuser("dora", is_active=False)
    return "dora"


def former_operator():
    user = new_staff("Operators", name="former")
    User.objects.filter(pk=user.pk).update(is_staff=False)
    return "former"


def without_permission():
    user = User.objects.create_user("vera", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_user"))
    return "vera"


def deleted_superuser():
    user = User.objects.create_superuser("gone", deleted_at="2026-01-01T00:00:00Z")
    return user.pk


REFUSED = [
    (lambda: "nobody", "--user ann", "there is no user 'nobody'"),
    (lambda: "a\0b", "--user ann", "there is no user"),
    (lambda: "0" * 24, "--user ann", "there is no user"),
    (lambda: "ben", "--user ann", "ben is not staff"),
    (former_operator, "--user ann", "former is not staff"),
    (disabled_superuser, "--user ann", "dora is not staff"),
    (deleted_superuser, "--user ann", "gone is not staff"),
    (without_permission, "--user ann", "vera may not end other users' sessions"),
    (lambda: new_staff("Support", name="sven").username, "--user ann --user ben", "sven may not end many users'"),
]


@pytest.mark.parametrize("dry", ["", " --dry-run"])
@pytest.mark.parametrize(("make", "filters", "said"), REFUSED)
def test_staff_without_the_permission_are_refused_and_nothing_changes(people, make, filters, said, dry):
    name = make()
    before = everything()
    done = manage(f"logout --reason Leak {filters}{dry}", "--as", name)
    assert done.code == 2
    assert said in done.err
    assert everything() == before


def test_the_preview_shows_and_confirms_what_that_member_of_staff_may_end(people, settings):
    settings.BULK_CONFIRM_OVER = 1
    new_staff("Operators", name="olga")
    preview = manage("logout --everyone --as olga --dry-run")
    assert "Would end 2 sessions of 2 users" in preview.out
    digest = re.search("^digest: ([0-9a-f]+)$", preview.out, re.M)[1]
    assert manage(f"logout --everyone --reason Leak --confirm {digest}").code == 3
    assert manage(f"logout --everyone --reason Leak --as olga --confirm {digest}").code == 0
    assert logged_out(people) == {"ann", "ben"}


def test_only_the_same_actor_resumes_an_interrupted_order(people):
    olga = new_staff("Operators", name="olga")
    assert manage("logout --user ann --reason Leak --as olga").code == 0
    BulkRun.objects.update(finished_at=None)
    people["ann"].log_in("ann")
    assert manage("logout --user ann").code == 0
    assert BulkRun.objects.filter(actor=None).count() == 1
    people["ann"].log_in("ann")
    assert manage("logout --user ann --as olga").code == 0
    assert BulkRun.objects.get(actor=olga).ended == 2
    assert BulkRun.objects.count() == 2
