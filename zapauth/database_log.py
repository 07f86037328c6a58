"""Keeps what requests send to PostgreSQL out of PostgreSQL's log.

Django puts the values into the text of a statement. So a log that has statements has emails, password hashes
and device tokens; the detail of an error has the values of its row.
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

# Other settings that can log statements, and their values that do not.
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
    """The database's settings that would write data to its log, by name; empty when it can't be reached."""
    try:
        # Not from the pool, which would try for a while when nobody answers.
        with psycopg.connect(**connection.get_connection_params() | {"connect_timeout": 5}) as link:
            found = link.execute(
                "SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", (list(_SAFE),)
            ).fetchall()
    except psycopg.OperationalError:
        return {}
    return {name: value for name, value in found if value not in _SAFE[name]}


def warn_of_revealing_settings() -> None:
    """Log a warning at the start of the server, if the database would log data."""
    for warning in check_database_log(None):
        logger.warning("%s %s", warning.msg, warning.hint)


@checks.register("security", deploy=True)
def check_database_log(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[checks.CheckMessage]:
    """Ask the database. The embedded one is started as it should be."""
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
