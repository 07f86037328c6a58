"""If PostgreSQL aborts a transaction in favour of another, the transaction is tried again."""

from threading import Barrier

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction

from tests.phones import InProcess
from tests.threads import other_threads
from users.models import App, User
from users.transactions import TRIES, in_transaction, tried_again


def test_two_transactions_that_wait_for_each_other_both_do_their_work(transactional_db):
    users = [User.objects.create_user(name) for name in ("ann", "ben")]
    tries: list[str] = []
    each_has_one = Barrier(2)

    @in_transaction
    def rename_both(order, name):
        tries.append(name)
        User.objects.filter(pk=order[0].pk).update(name=name)
        if len(tries) <= 2:
            each_has_one.wait(60)
        User.objects.filter(pk=order[1].pk).update(name=name)

    with other_threads(2) as start:
        one, other = start(rename_both, users, "one"), start(rename_both, users[::-1], "other")
        one.result(20)
        other.result(20)
    assert sorted(tries) in (["one", "one", "other"], ["one", "other", "other"])
    assert len(set(User.objects.values_list("name", flat=True))) == 1


def deadlock():
    with connection.cursor() as cursor:
        cursor.execute("DO $$ BEGIN RAISE SQLSTATE '40P01'; END $$")


def test_a_transaction_that_fails_each_time_fails_in_the_end_and_leaves_nothing(transactional_db):
    tries = []

    @in_transaction
    def fail():
        tries.append(1)
        App.objects.create(name="App")
        deadlock()

    with pytest.raises(OperationalError):
        fail()
    assert len(tries) == TRIES
    assert not App.objects.exists()


def test_an_error_of_the_work_itself_is_not_tried_again(transactional_db):
    tries = []

    @in_transaction
    def fail():
        tries.append(1)
        App.objects.create(pk="a" * 24, name="App")
        App.objects.create(pk="a" * 24, name="Another")

    with pytest.raises(IntegrityError):
        fail()
    assert len(tries) == 1


def test_inside_another_transaction_the_whole_of_it_is_tried_again(transactional_db):
    tries = []

    @tried_again
    def inner():
        tries.append("inner")
        if len(tries) < 4:
            deadlock()

    @in_transaction
    def outer():
        tries.append("outer")
        App.objects.create(name="App")
        inner()

    outer()
    assert tries == ["outer", "inner", "outer", "inner"]
    assert App.objects.count() == 1
    tries.clear()
    with pytest.raises(OperationalError), transaction.atomic():
        inner()
    assert tries == ["inner"]


def test_a_log_in_whose_statements_the_database_has_forgotten_is_tried_again(transactional_db, phone_kind):
    phone = phone_kind(InProcess(), device_token="phone").sign_up()
    try:
        with connection.cursor() as cursor:
            cursor.execute("DEALLOCATE ALL")
        assert phone.log_in(phone.username).status == 200
        assert phone.me().status == 200
    finally:
        # Other tests must start with intact connections.
        connection.close()
        connection.close_pool()
