"""Prepared statements: what callers rely on, even if connections are lost."""

from datetime import UTC, datetime

import pytest
from django.db import Error, connection, transaction
from uuid6 import uuid7

from users.statement import Statement

WHERE_IT_RAN = Statement("SELECT pg_backend_pid(), txid_current_if_assigned() IS NOT NULL")


def other_connections() -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'"
        )
        return [pid for (pid,) in cursor]


def end_connections(pids: list[int]) -> None:
    with connection.cursor() as cursor:
        # With a time-out, the function returns when the connections are gone.
        cursor.execute("SELECT pg_terminate_backend(pid, 5000) FROM unnest(%s::int[]) pid", [pids])
        assert all(done for (done,) in cursor)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("text", "Ünïcode, 'quotes' and \\ backslashes"),
        ("text", ""),
        ("text", None),
        ("boolean", True),
        ("boolean", False),
        ("bigint", -(2**63)),
        ("bytea", bytes(range(256))),
        ("timestamptz", datetime(2026, 3, 1, 12, 0, 0, 1, tzinfo=UTC)),
        ("uuid", uuid7()),
        ("uuid[]", []),
        ("uuid[]", [uuid7(), uuid7()]),
    ],
)
def test_a_value_that_is_sent_comes_back_unchanged(db, kind, value):
    assert Statement(f"SELECT %(value)s::{kind}").fetch_all(value=value) == [(value,)]


@pytest.mark.django_db(transaction=True)
def test_a_statement_is_planned_once_for_each_connection_even_if_its_first_transaction_is_rolled_back():
    connection.close()
    connection.close_pool()
    statement = Statement("SELECT %(n)s::int AS planned_once")
    plans = Statement("SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE statement = %(sql)s")
    with transaction.atomic():
        statement.fetch_all(n=0)
        transaction.set_rollback(True)
    with transaction.atomic():
        for n in range(3):
            statement.fetch_all(n=n)
        assert plans.fetch_all(sql=statement.sql) == [(4, 0)]


def test_a_value_is_data_and_never_sql(db):
    text = "'; DROP TABLE users_user; --"
    assert Statement("SELECT %(text)s::text, %(text)s::text = %(other)s").fetch_all(text=text, other="x") == [
        (text, False)
    ]


def test_an_array_of_texts_keeps_each_text(db):
    texts = ["", "a,b", "{c}", 'd"e', "f\\g", "NULL", " h "]
    assert Statement("SELECT %(texts)s::text[]").fetch_all(texts=texts) == [(texts,)]


def test_a_text_with_nul_is_refused_and_the_transaction_goes_on(db):
    with pytest.raises(Error):
        Statement("SELECT %(text)s::text").fetch_all(text="a\0b")
    assert Statement("SELECT 1").fetch_all() == [(1,)]


@pytest.mark.django_db(transaction=True)
def test_a_statement_in_a_transaction_is_rolled_back_with_it():
    with transaction.atomic():
        Statement("INSERT INTO users_throttle (key, count, resets_at) VALUES ('k', 1, now())").fetch_all()
        assert Statement("SELECT key FROM users_throttle").fetch_all() == [("k",)]
        transaction.set_rollback(True)
    assert Statement("SELECT key FROM users_throttle").fetch_all() == []


@pytest.mark.django_db(transaction=True)
def test_an_error_is_djangos_and_the_connection_works_afterwards():
    connection.close()
    with pytest.raises(Error, match="division by zero"):
        Statement("SELECT 1 / %(by)s::int").fetch_all(by=0)
    assert Statement("SELECT 1").fetch_all() == [(1,)]


@pytest.mark.django_db(transaction=True)
def test_a_query_is_sent_again_after_a_restart_of_the_database():
    pids = []
    with transaction.atomic():
        pids += other_connections()
    connection.close()
    # End every connection of the pool while it is idle. The first one has already run a statement.
    ((pid, _),) = WHERE_IT_RAN.fetch_all()
    with transaction.atomic():
        end_connections(sorted({pid, *other_connections()}))
    connection.close()
    answer = WHERE_IT_RAN.look_up()
    assert answer is not None
    assert answer[0] != pid


@pytest.fixture
def reread():
    """A table with one number, and a statement that has already read it."""
    connection.close()
    Statement("CREATE TABLE reread AS SELECT 7 AS n").fetch_all()
    statement = Statement("SELECT n FROM reread")
    assert statement.fetch_all() == [(7,)]
    yield statement
    connection.close()
    Statement("DROP TABLE reread").fetch_all()
    # The connections have lost other statements as well. The next test must not start a transaction on one of them.
    connection.close_pool()


LOSSES = ["DEALLOCATE ALL", "ALTER TABLE reread ALTER COLUMN n TYPE text"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("loss", LOSSES)
def test_a_statement_that_the_server_has_lost_is_prepared_anew(reread, loss):
    Statement(loss).fetch_all()
    assert str(reread.fetch_all()[0][0]) == "7"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("loss", LOSSES)
def test_a_lost_statement_is_an_error_in_a_transaction_and_the_next_transaction_succeeds(reread, loss):
    connection.ensure_connection()
    reread.fetch_all()
    Statement(loss).fetch_all()
    with pytest.raises(Error), transaction.atomic():
        reread.fetch_all()
    with transaction.atomic():
        assert str(reread.fetch_all()[0][0]) == "7"


def test_djangos_log_of_queries_has_the_statement(db, django_assert_num_queries):
    with django_assert_num_queries(1) as captured:
        Statement("SELECT %(n)s::int").fetch_all(n=1)
    assert captured[0]["sql"] == "SELECT $1::int"
