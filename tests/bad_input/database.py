"""What must not change."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, models, transaction
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from sessions.models import Session
from users.models import App, Device, DeviceToken, OneTimeCode, User

# Not `Throttle`, which is there to change.
_WATCHED = (App, User, Device, DeviceToken, OneTimeCode, Session, OutstandingToken, BlacklistedToken)


def everything(*, but: type[models.Model] | None = None) -> dict[str, Any]:
    """Each row of each table that a request could change, in one statement."""
    watched = [model._meta for model in _WATCHED if model is not but]
    # Names of tables and columns only, and those from the models.
    rows = [f'(SELECT json_agg(t ORDER BY "{meta.pk.column}") FROM "{meta.db_table}" t)' for meta in watched]  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(rows)}")
        return dict(zip([meta.db_table for meta in watched], cursor.fetchone(), strict=True))


class Untouched:
    """Called after bad input: no row has changed since this was made."""

    def __init__(self, *, but: type[models.Model] | None = None) -> None:
        self.but = but
        self.before = everything(but=but)

    def __call__(self) -> None:
        assert everything(but=self.but) == self.before


@contextmanager
def undone() -> Iterator[None]:
    """What happens inside is taken back, and an error in the database spoils nothing after it."""
    block = transaction.atomic()
    block._from_testcase = True  # as Django's own: what is to be committed in any case may go on inside
    with block:
        yield
        transaction.set_rollback(True)
