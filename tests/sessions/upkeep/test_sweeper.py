"""The sweep: one server at a time, with any pool of connections in front of PostgreSQL."""

import pytest
from django.db import connection

from sessions.upkeep import sweeper

# The transactions that hold an advisory lock of this database, without those of this connection.
HOLDERS = """
SELECT a.state
  FROM pg_locks JOIN pg_database d ON d.oid = database JOIN pg_stat_activity a USING (pid)
 WHERE locktype = 'advisory' AND d.datname = current_database() AND pid <> pg_backend_pid()
"""


@pytest.fixture
def during(transactional_db, monkeypatch):
    """Returns a function that sweeps, and calls its argument in the middle of the sweep."""

    def sweep(act):
        monkeypatch.setattr(sweeper, "end_timed_out", act)
        sweeper.sweep()

    return sweep


def test_of_two_servers_one_sweeps_at_a_time(during):
    swept = []

    def act():
        swept.append(len(swept))
        if len(swept) == 1:
            sweeper.sweep()  # another server does it meanwhile

    during(act)
    assert len(swept) == 1
    during(lambda: swept.append("again"))
    assert swept == [0, "again"]


def test_a_transaction_holds_the_lock_of_the_sweep_so_that_it_works_through_pgbouncer(during):
    """In transaction mode, PgBouncer gives each statement outside of a transaction to any connection."""
    found = []

    def look():
        with connection.cursor() as cursor:
            cursor.execute(HOLDERS)
            found.extend(cursor.fetchall())

    during(look)
    assert found == [("idle in transaction",)]
    look()
    assert len(found) == 1
