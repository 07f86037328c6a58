"""Figures that the main process reads from the database when Prometheus asks.

All servers of an installation report the same figures, because they share the database. So dashboards take the `max`
of all servers, and not the `sum`.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from django.db import DatabaseError, InterfaceError, connection, connections, transaction
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from users.database_use import Use, used_for

LIMIT = 3  # seconds for each statement. By default Prometheus waits for ten.

_FIGURES = """
SELECT (SELECT COALESCE(sum(count), 0) FROM user_sessions_figure WHERE kind = 'live'),
       (SELECT extract(epoch FROM clock_timestamp() - max(counted_at)) FROM user_sessions_figure WHERE kind = 'opened'),
       (SELECT count(*) FROM user_sessions_bulkrun WHERE finished_at IS NULL AND stopped_at IS NULL),
       (SELECT count(*) FROM user_sessions_bulkrun WHERE finished_at IS NULL AND stopped_at IS NOT NULL),
       (SELECT COALESCE(sum(GREATEST(expected - ended, 0)), 0) FROM user_sessions_bulkrun
         WHERE finished_at IS NULL AND stopped_at IS NULL),
       (SELECT COALESCE(max(extract(epoch FROM clock_timestamp() - COALESCE(last_batch_at, as_of))), 0)
          FROM user_sessions_bulkrun WHERE finished_at IS NULL AND stopped_at IS NULL)
"""
_RUNS = "SELECT source, sum(ended) FROM user_sessions_bulkrun GROUP BY source ORDER BY source"
# The queue's table, if there is one: https://procrastinate.readthedocs.io. Finished jobs are not counted.
_HAS_QUEUE = "SELECT to_regclass('procrastinate_jobs') IS NOT NULL"
_QUEUE = """
SELECT queue_name, status::text, count(*)
  FROM procrastinate_jobs WHERE status IN ('todo', 'doing', 'failed')
 GROUP BY queue_name, status ORDER BY queue_name, status LIMIT 60
"""
# How long the oldest job has been ready to begin.
_OLDEST = """
SELECT j.queue_name, extract(epoch FROM clock_timestamp() - min(GREATEST(e.at, j.scheduled_at)))
  FROM procrastinate_jobs j JOIN procrastinate_events e ON e.job_id = j.id AND e.type = 'deferred'
 WHERE j.status = 'todo' AND (j.scheduled_at IS NULL OR j.scheduled_at <= clock_timestamp())
 GROUP BY j.queue_name ORDER BY j.queue_name LIMIT 20
"""


class _Known(NamedTuple):
    live: int
    swept: float | None
    running: int
    stopped: int
    left: int
    stalled: float
    by_source: list[tuple[str, int]]
    jobs: list[tuple[str, str, int]]
    oldest: list[tuple[str, float]]


class DatabaseFigures(Collector):
    """Collects the figures in the calling thread. Without the database only `zapauth_database_up` is there, as 0."""

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        known = _read()
        up = [((), float(known is not None))]
        yield _gauge("zapauth_database_up", "Whether the database answers the main process.", up)
        if known is None:
            return
        yield from _of_sessions(known)
        yield from _of_queue(known)


def _of_sessions(known: _Known) -> Iterator[Metric]:
    if known.swept is not None:
        yield _gauge("zapauth_live_sessions", "Live sessions at the last sweep.", [((), known.live)])
        yield _gauge("zapauth_sweep_age_seconds", "The time since the last sweep.", [((), known.swept)])
    runs = [(("running",), known.running), (("stopped",), known.stopped)]
    yield _gauge("zapauth_bulk_runs", "Unfinished bulk runs.", runs, ["state"])
    yield _gauge("zapauth_bulk_sessions_left", "Sessions that running bulk runs will still end.", [((), known.left)])
    yield _gauge("zapauth_bulk_stalled_seconds", "The longest time since a run's last batch.", [((), known.stalled)])
    ended = [((source,), count) for source, count in known.by_source]
    yield _gauge("zapauth_bulk_sessions_ended", "Sessions that all bulk runs have ended.", ended, ["source"])


def _of_queue(known: _Known) -> Iterator[Metric]:
    jobs = [((queue, status), count) for queue, status, count in known.jobs]
    yield _gauge("zapauth_queue_jobs", "Jobs that wait, run, or have failed for good.", jobs, ["queue", "status"])
    oldest = [((queue,), seconds) for queue, seconds in known.oldest]
    yield _gauge("zapauth_queue_oldest_seconds", "How long the oldest job has been ready to begin.", oldest, ["queue"])


def _gauge(name: str, text: str, rows: Iterable[tuple[tuple[str, ...], float]], labels: Iterable[str] = ()) -> Metric:
    family = GaugeMetricFamily(name, text, labels=list(labels))
    for values, number in rows:
        family.add_metric(list(values), float(number))
    return family


def _read() -> _Known | None:
    """Read all figures. None: the database does not answer, or its tables are not there yet."""
    try:
        with used_for(Use.REQUEST), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = '{LIMIT}s'; SET LOCAL lock_timeout = '{LIMIT}s'")
            cursor.execute(_FIGURES)
            live, swept, running, stopped, left, stalled = cursor.fetchone()
            by_source, (jobs, oldest) = _rows(cursor, _RUNS), _read_queue(cursor)
            return _Known(live, swept, running, stopped, left, stalled, by_source, jobs, oldest)
    except (DatabaseError, InterfaceError):
        return None
    finally:
        connections.close_all()  # return the connection to the pool


def _read_queue(cursor: Any) -> tuple[list[Any], list[Any]]:
    ((has_queue,),) = _rows(cursor, _HAS_QUEUE)
    return (_rows(cursor, _QUEUE), _rows(cursor, _OLDEST)) if has_queue else ([], [])


def _rows(cursor: Any, statement: str) -> list[Any]:
    cursor.execute(statement)
    return list(cursor.fetchall())
