"""Let PostgreSQL collect statistics before a bulk run, if it has none about the tables.

After an import or a restored backup it has none until autovacuum comes round. Then it expects that half a percent of
all sessions are open, so for each batch it reads and sorts all of them: with 300,000 sessions a batch took six seconds.
With statistics it reads on where the previous batch ended, and a batch took one.
"""

import logging
import time

from django.db import OperationalError, connection, transaction

from sessions.models import Session
from users.models import Device, User

logger = logging.getLogger("zapauth.sessions")

# The tables of which the filters make the planner read more than single rows, with the columns that the filters name.
# Without them PostgreSQL would also analyse the users' indexes for searches, which takes five times as long.
_TABLES = {
    Session._meta.db_table: "",
    User._meta.db_table: "(id, is_superuser, role_id)",
    Device._meta.db_table: "(id, app_version)",
}
# Any plan is good for a table of this size.
_SMALL = 2**20
# A table has no statistics, or has grown to more than twice the size that it had when they were collected. An analysis
# of an empty table collects none, and the build of an index stores the table's size only.
_UNKNOWN = """
SELECT c.relname
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.oid = ANY(%s::regclass[]) AND pg_relation_size(c.oid) > %s
   AND (pg_relation_size(c.oid) > 2 * c.relpages * current_setting('block_size')::bigint
        OR NOT EXISTS (SELECT FROM pg_stats s
                        WHERE s.schemaname = n.nspname AND s.tablename = c.relname))
 ORDER BY 1
"""
# An automatic analysis may hold the lock: then there are statistics soon.
_LONGEST_WAIT = "2s"


def collect_missing_statistics() -> list[str]:
    """Analyse the tables that PostgreSQL knows nothing about. Others may read and write them meanwhile.

    A sample is enough, so this takes a few seconds at most. If it fails, the run goes on without it.

    Returns: the names of these tables.
    """
    unknown = _unknown()
    began = time.monotonic()
    try:
        for name in unknown:
            _analyse(name)
    except OperationalError as error:
        logger.warning("a bulk run goes on without new statistics about the tables: %s", str(error).partition("\n")[0])
    else:
        if unknown:
            _tell(unknown, took=time.monotonic() - began)
    return unknown


def _unknown() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(_UNKNOWN, [list(_TABLES), _SMALL])
        return [name for (name,) in cursor.fetchall()]


def _tell(analysed: list[str], *, took: float) -> None:
    # PostgreSQL raises no error if the role may not analyse a table.
    if left := _unknown():
        told = "there are no statistics about %s: the service's role does not own it, or all of its rows are deleted"
        logger.warning(told, ", ".join(left))
    if done := [name for name in analysed if name not in left]:
        logger.info("collected statistics about %s before a bulk run, in %.1f s", ", ".join(done), took)


def _analyse(table: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [_LONGEST_WAIT])
        cursor.execute(f"ANALYZE {connection.ops.quote_name(table)} {_TABLES[table]}")
