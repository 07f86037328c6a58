"""Check that nothing in the database changes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, models, transaction
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from sessions.models import Session
from users.models import App, CrashReport, Device, DeviceToken, OneTimeCode, User

# Without `Throttle`, which bad input does change.
_WATCHED = (App, User, Device, CrashReport, DeviceToken, OneTimeCode, Session, OutstandingToken, BlacklistedToken)


def everything(*, but: type[models.Model] | None = None) -> dict[str, Any]:
    """Select every row of every table that a request could change, in one statement."""
    watched = [model._meta for model in _WATCHED if model is not but]
    # The names of tables and columns come from the models, so they are safe.
    rows = [f'(SELECT json_agg(t ORDER BY "{meta.pk.column}") FROM "{meta.db_table}" t)' for meta in watched]  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(rows)}")
        return dict(zip([meta.db_table for meta in watched], cursor.fetchone(), strict=True))


class Untouched:
    """Call it after bad input: it checks that no row has changed since it was made."""

    def __init__(self, *, but: type[models.Model] | None = None) -> None:
        self.but = but
        self.before = everything(but=but)

    def __call__(self) -> None:
        assert everything(but=self.but) == self.before


@contextmanager
def undone() -> Iterator[None]:
    """Roll back the block. A database error in the block does not affect later statements."""
    block = transaction.atomic()
    block._from_testcase = True  # like Django's own savepoints: commits inside the block still work
    with block:
        yield
        transaction.set_rollback(True)
