"""Users apart from the dialects: unique names in a race, and races with a password check."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection

from sessions.login.with_refresh import log_in_with_refresh
from sessions.models import Session
from users.callers import Caller
from users.credentials import get_user_by_username
from users.directory import register_user
from users.errors import BadCredentials, IdentityTaken
from users.models import User
from users.origin import Origin
from users.password_hasher import OwaspArgon2
from zapauth.settings import PASSWORD_HASHERS

PASSWORD = "correct-horse-1"


def test_each_guess_of_a_password_costs_19_mib_and_two_passes():
    # The service's own hasher, not the suite's cheap one.
    assert PASSWORD_HASHERS[0] == f"{OwaspArgon2.__module__}.{OwaspArgon2.__qualname__}"
    hashed = OwaspArgon2().encode(PASSWORD, "some-salt")
    assert hashed.startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")


@pytest.mark.django_db(transaction=True)
def test_if_twenty_users_register_a_name_at_once_one_gets_it():
    barrier = Barrier(20)

    def register(number):
        barrier.wait()
        try:
            register_user(username=["Ann", "aNN"][number % 2], password=PASSWORD)
            return "made"
        except IdentityTaken as error:
            return error.field
        finally:
            connection.close()

    with ThreadPoolExecutor(20) as pool:
        results = list(pool.map(register, range(20)))
    assert sorted(results) == ["made"] + ["username"] * 19


def test_a_deleted_users_name_and_email_are_free_again(db):
    gone = register_user(username="ann", password=PASSWORD, email="ann@example.org")
    User.objects.filter(pk=gone.pk).update(deleted_at=gone.created_at, is_active=False)
    assert register_user(username="Ann", password="another-1", email="Ann@example.org").pk != gone.pk
    with pytest.raises(BadCredentials):
        get_user_by_username("ann", PASSWORD, caller=Caller())


@pytest.mark.parametrize("change", [{"password": "another"}, {"is_active": False}])
def test_a_login_whose_password_was_changed_meanwhile_opens_no_session(db, change):
    register_user(username="ann", password=PASSWORD)
    user = get_user_by_username("ann", PASSWORD, caller=Caller())
    User.objects.filter(pk=user.pk).update(**change)
    with pytest.raises(BadCredentials):
        log_in_with_refresh(user, device_token="phone", origin=Origin())
    assert not Session.objects.exists()


def test_a_users_addresses_are_kept_newest_first_and_not_for_ever(db):
    register_user(username="ann", password=PASSWORD)
    for number in [*range(12), 5]:
        user = get_user_by_username("ann", PASSWORD, caller=Caller())
        log_in_with_refresh(user, device_token=None, origin=Origin(ip=f"10.0.0.{number}"))
    kept = User.objects.get().ip_addresses
    assert kept == [f"10.0.0.{number}" for number in (5, 11, 10, 9, 8, 7, 6, 4, 3, 2)]
