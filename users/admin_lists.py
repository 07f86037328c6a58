"""Lists of the admin that open at once, however many rows there are."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property

from django.core.paginator import Paginator
from django.db import OperationalError, connection, transaction
from django.db.models import QuerySet

COUNT_FOR_MS = 400


class BoundedPaginator(Paginator):
    """Counts for a moment at most; then it takes the planner's estimate, and says so in `is_estimate`."""

    template_name = "users/pagination.html"
    is_estimate = False

    @cached_property
    def count(self) -> int:
        if not isinstance(self.object_list, QuerySet):
            return super().count
        rows = self.object_list.order_by()
        try:
            with _at_most(COUNT_FOR_MS):
                return rows.count()
        except OperationalError:  # it took too long
            self.is_estimate = True
            plan = json.loads(rows.explain(format="json"))
            return max(1, int(plan[0]["Plan"]["Plan Rows"]))


@contextmanager
def _at_most(milliseconds: int) -> Iterator[None]:
    """PostgreSQL gives up a statement of this block that takes longer."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('statement_timeout')")
        before = cursor.fetchone()[0]
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", (str(milliseconds),))
        yield
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", (before,))
