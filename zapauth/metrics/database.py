"""Figures that the main process reads from the database when Prometheus asks.

All servers of an installation report the same figures, because they share the database. So dashboards take the `max`
of all servers, and not the `sum`.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from django.db import Error, connection, connections, transaction
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from psycopg_pool import PoolTimeout

from sessions.jobs.table import NORMAL, URGENT
from users.database_use import Use, used_for
from zapauth.postgresql.pool import CannotConnect

# Seconds for each of the four statements. By default Prometheus waits for ten in all.
LIMIT = 2
# Most jobs of a queue that are counted.
MOST_JOBS = 100_000

_SESSIONS = """
SELECT (SELECT COALESCE(sum(count), 0) FROM user_sessions_figure WHERE kind = 'live'),
       (SELECT extract(epoch FROM clock_timestamp() - max(counted_at)) FROM user_sessions_figure WHERE kind = 'opened')
"""
_RUNS = """
SELECT source, COALESCE(sum(ended), 0),
       count(*) FILTER (WHERE finished_at IS NULL AND stopped_at IS NULL),
       count(*) FILTER (WHERE finished_at IS NULL AND stopped_at IS NOT NULL),
       COALESCE(sum(GREATEST(expected - ended, 0)) FILTER (WHERE finished_at IS NULL AND stopped_at IS NULL), 0),
       COALESCE(max(extract(epoch FROM clock_timestamp() - COALESCE(last_batch_at, as_of)))
                FILTER (WHERE finished_at IS NULL AND stopped_at IS NULL), 0)
  FROM user_sessions_bulkrun GROUP BY source ORDER BY source
"""
# Very many jobs may wait, for example while the mail server is away. So this looks only at the first ones in the index
# of migration 0013 of `user_sessions`, and counts no further than a limit. A job that was never tried is ready since it
# was stored, and another one since its `scheduled_at`. Finished jobs are deleted.
_QUEUE = """
WITH RECURSIVE queue(name) AS (
    (SELECT queue_name FROM procrastinate_jobs WHERE status = 'todo' ORDER BY queue_name LIMIT 1)
    UNION ALL
    SELECT (SELECT queue_name FROM procrastinate_jobs
             WHERE status = 'todo' AND queue_name > queue.name ORDER BY queue_name LIMIT 1)
      FROM queue WHERE queue.name IS NOT NULL
)
SELECT name, 'todo',
       (SELECT count(*) FROM (SELECT FROM procrastinate_jobs
                               WHERE status = 'todo' AND queue_name = name LIMIT %(most)s) AS counted),
       (SELECT extract(epoch FROM clock_timestamp() - min(LEAST(
                   (SELECT at FROM procrastinate_events WHERE job_id = never_tried.id AND type = 'deferred' LIMIT 1),
                   tried.scheduled_at)))
          FROM unnest(%(priorities)s) AS of(priority)
               LEFT JOIN LATERAL (
                   SELECT id FROM procrastinate_jobs AS job
                    WHERE status = 'todo' AND queue_name = name AND job.priority = of.priority
                      AND coalesce(scheduled_at, '-infinity') = '-infinity'
                    ORDER BY id LIMIT 1) AS never_tried ON true
               LEFT JOIN LATERAL (
                   SELECT scheduled_at FROM procrastinate_jobs AS job
                    WHERE status = 'todo' AND queue_name = name AND job.priority = of.priority
                      AND coalesce(scheduled_at, '-infinity') > '-infinity'
                      AND coalesce(scheduled_at, '-infinity') <= now()
                    ORDER BY coalesce(scheduled_at, '-infinity') LIMIT 1) AS tried ON true)
  FROM queue WHERE name IS NOT NULL
UNION ALL
SELECT queue_name, 'doing', count(*), NULL FROM procrastinate_jobs WHERE status = 'doing' GROUP BY queue_name
 ORDER BY 1, 2 LIMIT 40
"""

_Rows = list[tuple[Any, ...]]


class DatabaseFigures(Collector):
    """Collects the figures in the calling thread. Without the database only `zapauth_database_up` is there, as 0.

    Each group of figures is read by itself. If its statement takes too long, or waits for a lock, only this group is
    missing. `zapauth_figures_missing` says so.
    """

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        try:
            with used_for(Use.REQUEST):
                is_up = _is_up()
                up = _gauge("zapauth_database_up", "Whether the database answers the main process.", [((), is_up)])
                return [up, *(_of_tables() if is_up else ())]
        finally:
            connections.close_all()  # return the connection to the pool


def _of_tables() -> Iterator[Metric]:
    missing = []
    for name, statement, families in (
        ("sessions", _SESSIONS, of_sessions),
        ("bulk", _RUNS, of_runs),
        ("queue", _QUEUE, of_queue),
    ):
        rows = _read(statement)
        missing.append(((name,), rows is None))
        if rows is not None:
            yield from families(rows)
    text = "Whether these figures are missing, because the database did not give them in time."
    yield _gauge("zapauth_figures_missing", text, missing, ["figures"])


def of_sessions(rows: _Rows) -> Iterator[Metric]:
    ((live, age),) = rows
    if age is not None:
        yield _gauge("zapauth_live_sessions", "Live sessions at the last sweep.", [((), live)])
        yield _gauge("zapauth_sweep_age_seconds", "The time since the last sweep.", [((), age)])


def of_runs(rows: _Rows) -> Iterator[Metric]:
    """Return the figures of all bulk runs. Each row has those of one source."""
    totals = [sum(column) for column in zip(*(row[2:5] for row in rows), strict=True)] or [0, 0, 0]
    running, stopped, left = totals
    states = [(("running",), running), (("stopped",), stopped)]
    yield _gauge("zapauth_bulk_runs", "Unfinished bulk runs.", states, ["state"])
    yield _gauge("zapauth_bulk_sessions_left", "Sessions that running bulk runs will still end.", [((), left)])
    stalled = max((row[5] for row in rows), default=0)
    yield _gauge("zapauth_bulk_stalled_seconds", "The longest time since a run's last batch.", [((), stalled)])
    ended = [((row[0],), row[1]) for row in rows]
    yield _gauge("zapauth_bulk_sessions_ended", "Sessions that all bulk runs have ended.", ended, ["source"])


def of_queue(rows: _Rows) -> Iterator[Metric]:
    jobs = [((queue, status), count) for queue, status, count, _ in rows]
    text = f"Jobs that wait (todo) and run (doing). {MOST_JOBS} that wait: so many or more."
    yield _gauge("zapauth_queue_jobs", text, jobs, ["queue", "status"])
    oldest = [((queue,), seconds) for queue, _, _, seconds in rows if seconds is not None]
    yield _gauge("zapauth_queue_oldest_seconds", "How long the oldest job has been ready to begin.", oldest, ["queue"])


def _gauge(name: str, text: str, rows: Iterable[tuple[tuple[str, ...], float]], labels: Iterable[str] = ()) -> Metric:
    family = GaugeMetricFamily(name, text, labels=list(labels))
    for values, number in rows:
        family.add_metric(list(values), float(number))
    return family


def _is_up() -> bool:
    """Return whether the database answers. It may also be up if this process's own work holds all connections."""
    try:
        return bool(_fetch("SELECT 1"))
    except Error as error:
        cause = error.__cause__
        return isinstance(cause, PoolTimeout) and not isinstance(cause, CannotConnect)


def _read(statement: str) -> _Rows | None:
    """Return the rows of a statement. None: the database does not answer in time, or has no such table yet."""
    try:
        return _fetch(statement)
    except Error:
        return None


def _fetch(statement: str) -> _Rows:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = '{LIMIT}s'; SET LOCAL lock_timeout = '{LIMIT}s'")
        cursor.execute(statement, {"most": MOST_JOBS, "priorities": [URGENT, NORMAL]})
        return list(cursor.fetchall())
