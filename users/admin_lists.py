"""Admin lists that open quickly with any number of rows."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from django.core.paginator import Paginator
from django.db import OperationalError, connection, transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.views import ChangeList

COUNT_FOR_MS = 400
LOOK_FOR_MS = 1500
FEW = 500
MOST_PAGES = 200


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # generic for mypy only
    """Count rows for at most 0.4 s. After that, use the planner's estimate and set `is_estimate`.

    It offers at most 200 pages: for a later page PostgreSQL would read all rows before it.
    """

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
        except OperationalError:  # the count took too long
            self.is_estimate = True
            plan = json.loads(rows.explain(format="json"))
            return max(1, int(plan[0]["Plan"]["Plan Rows"]))

    @cached_property
    def num_pages(self) -> int:
        return min(super().num_pages, MOST_PAGES)


class BoundedList(ChangeList):
    """Look for up to 500 matching rows first, and sort them afterwards.

    PostgreSQL does not know how few rows match. It would follow the index of the sort order and check every row.
    """

    queryset: QuerySet[Any]

    def get_results(self, request: HttpRequest) -> None:
        if self.filter_params and (few := self._few()) is not None:
            rows = self.root_queryset.filter(pk__in=few).order_by(*self.queryset.query.order_by)
            self.queryset = self.apply_select_related(rows)
        super().get_results(request)
        if not self.filter_params:  # otherwise the page would offer to show all
            self.full_result_count = self.result_count

    def _few(self) -> list[Any] | None:
        """Return the keys of all matching rows. None if there are more than 500 or the search takes over 1.5 s."""
        try:
            with _at_most(LOOK_FOR_MS):
                keys = list(self.queryset.order_by().values_list("pk", flat=True)[: FEW + 1])
        except OperationalError:
            return None
        return keys if len(keys) <= FEW else None


@contextmanager
def _at_most(milliseconds: int) -> Iterator[None]:
    """Cancel a statement of the block that takes longer than this."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('statement_timeout')")
        before = cursor.fetchone()[0]
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", (str(milliseconds),))
        yield
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", (before,))
