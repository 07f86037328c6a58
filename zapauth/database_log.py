"""Check that PostgreSQL does not log the data of requests.

Django puts values into the text of a statement. So a log of statements contains emails, password hashes and device
tokens. The detail of an error contains the values of its row.
"""

import logging
from collections.abc import Sequence
from typing import Any

import psycopg
from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.db import connection

from zapauth.local.embedded_postgres import QUIET

logger = logging.getLogger("zapauth.database")

# Other settings that can log statements, with the values that disable this.
_OFF = {
    "log_statement": {"none", "ddl"},
    "log_min_duration_statement": {"-1"},
    "log_min_duration_sample": {"-1"},
    "log_transaction_sample_rate": {"0"},
}
_SAFE = {name: {value} for name, value in QUIET.items()} | _OFF
_HINT = "In postgresql.conf, or as options of `postgres`: " + ", ".join(
    f"{name}={value}" for name, value in QUIET.items()
)


def revealing_settings() -> dict[str, str]:
    """Return the database settings that would log data, by name. Empty if the database can't be reached."""
    try:
        # Without the pool, which would keep trying if the database does not answer.
        with psycopg.connect(**connection.get_connection_params() | {"connect_timeout": 5}) as link:
            found = link.execute(
                "SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", (list(_SAFE),)
            ).fetchall()
    except psycopg.OperationalError:
        return {}
    return {name: value for name, value in found if value not in _SAFE[name]}


def warn_of_revealing_settings() -> None:
    """Log a warning if the database would log the data of requests. The server calls this at its start."""
    for warning in check_database_log(None):
        logger.warning("%s %s", warning.msg, warning.hint)


@checks.register("security", deploy=True)
def check_database_log(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[checks.CheckMessage]:
    """Warn if the database would log the data of requests. Skip the embedded PostgreSQL, whose settings we choose."""
    found = {} if settings.IS_LOCAL else revealing_settings()
    if not found:
        return []
    given = ", ".join(f"{name}={value}" for name, value in sorted(found.items()))
    return [
        checks.Warning(
            f"PostgreSQL's log would have emails, password hashes and tokens in it: {given}.",
            hint=_HINT,
            id="zapauth.W001",
        )
    ]
