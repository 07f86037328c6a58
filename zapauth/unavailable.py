"""Recognise errors of a database that is too busy, too slow or unreachable. The answer to them is 503, not 500."""

import logging

from django.db import DatabaseError, InterfaceError, OperationalError
from psycopg import DatabaseError as PsycopgDatabaseError
from psycopg_pool import PoolTimeout

from zapauth.postgresql.pool import CannotConnect

logger = logging.getLogger("zapauth.database")

# If the connection broke before the database answered, nobody knows whether it carried out the request.
UNAVAILABLE = "The service can't answer now. Try again later: it is not known whether this request was carried out."
RETRY_AFTER = 2  # seconds
_TOO_COMPLEX = "54"  # PostgreSQL's class of errors for a statement that is too complex; a second try won't help


class Unavailable(Exception):
    """The database can't answer now. Clients should try again after `retry_after` seconds."""

    retry_after = RETRY_AFTER


def is_away(error: BaseException) -> bool:
    """Return whether ``error`` means that the database can't be reached. It is not away if it is only busy or slow."""
    if not isinstance(error, DatabaseError | InterfaceError):
        return False
    cause = error.__cause__
    if isinstance(cause, PoolTimeout):
        return isinstance(cause, CannotConnect)
    sqlstate = getattr(cause, "sqlstate", None) or ""
    # 57P: the server is being stopped or started. Without a code the connection broke.
    is_lost = not sqlstate and (
        isinstance(error, OperationalError | InterfaceError) or type(cause) is PsycopgDatabaseError
    )
    return is_lost or sqlstate.startswith("57P")


def find_unavailable(error: BaseException) -> Unavailable | None:
    """Return `Unavailable` if ``error`` means that the database is too busy, too slow or unreachable; otherwise None.

    Logs a warning, unless the pool has no free connection: the pool itself logs that once.
    """
    if not isinstance(error, DatabaseError | InterfaceError):
        return None
    sqlstate = getattr(error.__cause__, "sqlstate", None) or ""
    # When a Unix socket closes, psycopg may raise its base class without a code.
    is_nameless = type(error.__cause__) is PsycopgDatabaseError and not sqlstate
    if not isinstance(error, OperationalError | InterfaceError) and not is_nameless:
        return None
    if sqlstate.startswith(_TOO_COMPLEX):
        return None
    if not isinstance(error.__cause__, PoolTimeout):
        logger.warning("a request is answered 503: %s", str(error).strip().partition("\n")[0])
    return Unavailable()
