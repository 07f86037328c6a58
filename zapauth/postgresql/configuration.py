"""Make Django's settings of the database. `zapauth.settings` calls it, so it imports nothing that needs settings."""

from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured


def database_at(url: str) -> dict[str, Any]:
    """Return Django's settings of the database at that URL. Raises: ImproperlyConfigured."""
    try:
        database: dict[str, Any] = environ.Env.db_url_config(url)
    except Exception as error:
        raise ImproperlyConfigured(
            "DATABASE_URL is not a URL such as postgres://user:password@host:5432/name"
        ) from error
    if database.get("ENGINE") != "django.db.backends.postgresql":
        raise ImproperlyConfigured("DATABASE_URL must be a postgres:// URL: PostgreSQL is the only engine served.")
    return database


def with_our_backend(
    database: dict[str, Any], *, connections: int, threads: int, limits: tuple[float, float]
) -> dict[str, Any]:
    """Return the settings of ``database`` with our backend, its pool, and the time limits of requests.

    Args:
        connections: most connections of the pool.
        threads: the threads of a worker.
        limits: seconds that PostgreSQL waits for a lock, and seconds that a statement takes. 0: no limit.
    """
    options = dict(database.get("OPTIONS", {}))
    # "timeout" limits the wait while connections come back. `zapauth.postgresql.pool` handles the case that none does.
    options["pool"] = {
        "min_size": 1,
        "max_size": connections,
        "timeout": 5,
        "most_waiting": max(1, threads * 3 // 4),
    }
    # Each connection starts with the limits of requests, so a request sets none. DATABASE_URL's options come after
    # these, so they win. If both limits are 0, no `options` are sent, because PgBouncer may refuse them.
    if any(limits):
        lock, statement = limits
        times = f"-c lock_timeout={lock}s -c statement_timeout={statement}s"
        options["options"] = f"{times} {options.get('options', '')}".strip()
    return database | {"ENGINE": "zapauth.postgresql", "OPTIONS": options}
