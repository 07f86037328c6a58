"""The figures that the server's processes count. `zapauth.metrics.database` has those that are read from the database.

docs/monitoring.md describes each of them, and a test compares the two. Dashboards and alerts use the names and labels:
add, never rename. A label has few values, which the code lists. No value is a path, an id or a text from a client.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, values

from zapauth.canary.figures import Figures
from zapauth.metrics import files
from zapauth.metrics.values import SlotValue

if files.folder() is not None:
    values.ValueClass = SlotValue

REGISTRY = CollectorRegistry()
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)

REQUEST_SECONDS = Histogram(
    "zapauth_request_seconds",
    "The time from a whole request to its answer, by the class of the status.",
    ["dialect", "method", "route", "status"],
    buckets=_SECONDS,
    registry=REGISTRY,
)
LOGINS = Counter("zapauth_logins", "Log-ins of users.", ["door"], registry=REGISTRY)
LOGINS_REFUSED = Counter("zapauth_logins_refused", "Attempts that failed.", ["reason"], registry=REGISTRY)
RECORD_ENTRIES = Counter("zapauth_record_entries", "Entries of the security record.", ["event"], registry=REGISTRY)
SESSIONS_OPENED = Counter("zapauth_sessions_opened", "Sessions that began.", ["door"], registry=REGISTRY)
SESSIONS_ENDED = Counter("zapauth_sessions_ended", "Sessions that ended.", ["reason", "door"], registry=REGISTRY)
TOKENS_REFUSED = Counter("zapauth_tokens_refused", "Refused tokens.", ["rule", "door"], registry=REGISTRY)
JOBS_DROPPED = Counter("zapauth_jobs_dropped", "Jobs that were dropped.", ["queue", "why"], registry=REGISTRY)
QUEUE_PAUSED = Gauge(
    "zapauth_queue_paused",
    "Whether a queue pauses, because none of its jobs can be done.",
    ["queue"],
    registry=REGISTRY,
    multiprocess_mode="livemax",
)
CANARY = Figures.declare(REGISTRY)

POOL_CONNECTIONS = Gauge(
    "zapauth_pool_connections",
    "Connections to the database of all workers.",
    ["state"],
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
POOL_WAITING = Gauge(
    "zapauth_pool_waiting", "Requests that wait for a connection.", registry=REGISTRY, multiprocess_mode="livesum"
)
POOL_WAITS = Counter("zapauth_pool_waits", "How often a connection was not free at once.", registry=REGISTRY)
POOL_WAIT_SECONDS = Counter("zapauth_pool_wait_seconds", "The time of these waits.", registry=REGISTRY)
POOL_REFUSALS = Counter("zapauth_pool_refusals", "How often no connection came free.", registry=REGISTRY)
WORKERS = Gauge("zapauth_workers", "Worker processes that live.", registry=REGISTRY, multiprocess_mode="livesum")
WORKERS_CONFIGURED = Gauge(
    "zapauth_workers_configured", "The setting WORKERS.", registry=REGISTRY, multiprocess_mode="livemax"
)
WORKER_DEATHS = Counter("zapauth_worker_deaths", "Workers that died and were started again.", registry=REGISTRY)
WORKER_CPU_SECONDS = Counter("zapauth_worker_cpu_seconds", "CPU time of all workers.", registry=REGISTRY)
WORKER_MEMORY_BYTES = Gauge(
    "zapauth_worker_memory_bytes",
    "Resident memory of all workers.",
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
