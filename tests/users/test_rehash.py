"""The time of a password change. A new hash of the same password does not change it."""

import pytest

from tests.hashes import CheapArgon2
from tests.phones import PASSWORD
from users.models import User


class OlderHasher(CheapArgon2):
    time_cost = CheapArgon2.time_cost + 1


OLD_HASH = OlderHasher().encode(PASSWORD, "some salt")


def changed_at(user):
    return User.objects.values_list("password_changed_at", flat=True).get(pk=user.pk)


@pytest.fixture
def ann(db):
    """A user whose password was hashed by an older hasher."""
    user = User.objects.create_user("ann")
    user.password = OLD_HASH
    user.save()
    User.objects.filter(pk=user.pk).update(password=OLD_HASH)
    return User.objects.get(pk=user.pk)


def test_a_new_user_has_changed_no_password(db):
    assert changed_at(User.objects.create_user("ben", PASSWORD)) is None


def test_a_password_that_is_set_in_any_way_is_noted_with_the_databases_time(ann):
    times = [changed_at(ann)]
    ann.set_password("another-one-1")
    ann.save()
    times.append(changed_at(ann))
    User.objects.filter(pk=ann.pk).update(password="!")
    times.append(changed_at(ann))
    assert times == sorted(times)
    assert len(set(times)) == 3


def test_a_new_hash_at_a_log_in_is_no_password_change(ann):
    before = changed_at(ann)
    assert ann.check_password(PASSWORD)
    stored = User.objects.get(pk=ann.pk)
    assert stored.password == ann.password != OLD_HASH
    assert stored.check_password(PASSWORD)
    assert changed_at(ann) == before


def test_a_change_after_a_new_hash_in_the_same_transaction_is_noted(ann):
    before = changed_at(ann)
    assert ann.check_password(PASSWORD)
    User.objects.filter(pk=ann.pk).update(password="!")
    assert changed_at(ann) > before


def test_a_wrong_password_replaces_no_hash(ann):
    assert not ann.check_password("wrong")
    assert User.objects.get(pk=ann.pk).password == OLD_HASH


def test_a_new_hash_does_not_overwrite_a_password_that_was_changed_meanwhile(ann):
    User.objects.filter(pk=ann.pk).update(password="!changed")
    assert ann.check_password(PASSWORD)  # by the older object
    assert User.objects.get(pk=ann.pk).password == "!changed"


def test_a_copy_of_the_row_can_not_change_the_time(ann):
    before = changed_at(ann)
    ann.password_changed_at = None
    ann.save()
    assert changed_at(ann) == before
