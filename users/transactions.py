"""Try a transaction again when PostgreSQL has aborted it, for example because of a deadlock."""

import logging
import random
import time
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from django.db import DatabaseError, connection, transaction

P = ParamSpec("P")
R = TypeVar("R")

logger = logging.getLogger("zapauth.database")

TRIES = 6
_LONGEST_PAUSE = 0.02  # in seconds, times the number of tries so far
# Error codes of PostgreSQL (appendix A): nothing was done, and the same work may succeed now.
_AGAIN = {
    "40001",  # serialization_failure
    "40P01",  # deadlock_detected
    "26000",  # invalid_sql_statement_name: the server has lost a prepared statement
    "0A000",  # feature_not_supported: a migration has changed a column that a prepared statement returns
}


def tried_again(function: Callable[P, R]) -> Callable[P, R]:
    """Call ``function`` again if PostgreSQL aborted its work because of a deadlock or the like.

    Only for a function whose work is one transaction or one statement, so that nothing is done twice. Inside
    a caller's transaction the error goes to the caller, because the whole transaction is lost.
    """

    @wraps(function)
    def again(*args: P.args, **kwargs: P.kwargs) -> R:
        if connection.in_atomic_block:
            return function(*args, **kwargs)
        for tries in range(1, TRIES):
            try:
                return function(*args, **kwargs)
            except DatabaseError as error:
                if _sqlstate(error) not in _AGAIN:
                    raise
                logger.info("%s is tried again: %s", function.__qualname__, str(error).partition("\n")[0])
            # Not all at the same moment: otherwise they would block each other again.
            time.sleep(random.uniform(0, _LONGEST_PAUSE * tries))  # noqa: S311
        return function(*args, **kwargs)

    return again


def in_transaction(function: Callable[P, R]) -> Callable[P, R]:
    """Run ``function`` in one transaction: all of its work or none. It is tried again as by `tried_again`."""
    return tried_again(transaction.atomic(function))


def _sqlstate(error: DatabaseError) -> str | None:
    return getattr(error.__cause__, "sqlstate", None)
