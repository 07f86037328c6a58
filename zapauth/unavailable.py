"""Which errors of the database mean "not now": too busy, too slow, or away. They are answered 503, and never 500."""

import logging

from django.db import DatabaseError, InterfaceError, OperationalError
from psycopg import DatabaseError as PsycopgDatabaseError
from psycopg_pool import PoolTimeout

logger = logging.getLogger("zapauth.database")

# A request whose answer the database still owed may have been carried out: nobody knows.
UNAVAILABLE = "The service can't answer now. Try again later: it is not known whether this request was carried out."
RETRY_AFTER = 2  # seconds
_TOO_COMPLEX = "54"  # PostgreSQL's class of errors for what no second try cures


class Unavailable(Exception):
    """The database can't be asked now; worth another try after `retry_after` seconds."""

    retry_after = RETRY_AFTER


def find_unavailable(error: BaseException) -> Unavailable | None:
    """What to answer instead of ``error``, if the database was too busy, too slow or away; else None.

    It is logged, but for a pool without a free connection: that is one line of the pool's, however many ask.
    """
    if not isinstance(error, DatabaseError | InterfaceError):
        return None
    sqlstate = getattr(error.__cause__, "sqlstate", None) or ""
    # Over a Unix socket the end of a connection may come as the base class, without a code.
    is_nameless = type(error.__cause__) is PsycopgDatabaseError and not sqlstate
    if not isinstance(error, OperationalError | InterfaceError) and not is_nameless:
        return None
    if sqlstate.startswith(_TOO_COMPLEX):
        return None
    if not isinstance(error.__cause__, PoolTimeout):
        logger.warning("a request is answered 503: %s", str(error).strip().partition("\n")[0])
    return Unavailable()
