"""A list of the admin in pages by keys, with a bounded count."""

from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from time import monotonic
from typing import Any

from django.contrib import messages
from django.contrib.admin.views.main import ORDER_VAR
from django.db import OperationalError
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.views import ChangeList

from users.admin_filters import Chip, Control, chips_of, controls_of, hidden_of
from users.bounded_look import Found, at_most, is_timeout, look
from users.keyset import NoSuchPlace, Order, Place

MOST_COUNTED = 10_000
# The rows and the count together may take this long, in milliseconds.
COUNTED_WITHIN_MS = 200
# Parameters of the URL. They name a place in the list and are no filters.
AFTER, BEFORE, AT, FURTHER, PANEL = "after", "before", "at", "further", "panel"


class KeysetList(ChangeList):
    """A list whose pages start right after a row of another page.

    No page counts all rows or reads the rows of earlier pages. Its admin class is a `users.admin_lists.KeysetAdmin`.
    """

    queryset: QuerySet[Any]
    root_queryset: QuerySet[Any]
    problem: str = ""
    place: Place | None = None
    day: date | None = None

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        self._begin(request)
        return super().get_queryset(request, exclude_parameters)

    def _begin(self, request: HttpRequest) -> None:
        """Take the parameters that are no filters out of the others, and set the order."""
        for name in (AFTER, BEFORE, AT, FURTHER, PANEL):
            self.params.pop(name, None)
            self.filter_params.pop(name, None)
        self.is_panel_open = PANEL in request.GET
        self.order = Order.of(self.model, self.get_ordering(request, self.root_queryset))
        if nullable := {f"{name}__isnull": False for name in self.order.nullable_names}:
            self.root_queryset = self.root_queryset.filter(**nullable)

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[str]:
        """Sort by one column that an index carries, or as the list does by itself."""
        column = str(self.params.get(ORDER_VAR, "")).removeprefix("-")
        if not (column.isdecimal() and len(column) < 3 and self._is_sortable(int(column))):
            self.params.pop(ORDER_VAR, None)
            self.filter_params.pop(ORDER_VAR, None)
        return super().get_ordering(request, queryset)

    def _is_sortable(self, column: int) -> bool:
        return column < len(self.list_display) and self.list_display[column] in (self.sortable_by or ())

    # --- one page ---

    def get_results(self, request: HttpRequest) -> None:
        started = monotonic()
        found, is_backwards = self._look(request)
        places = found.places[: self.list_per_page]
        has_more = len(found.places) > self.list_per_page or found.looked_to is not None
        if is_backwards:
            places.reverse()
        self.result_list = self._rows_at(places)
        self.looked_to = found.looked_to
        self.has_previous = has_more if is_backwards else self.place is not None
        self.has_next = is_backwards or has_more
        self._set_links(places, is_backwards=is_backwards)
        left = COUNTED_WITHIN_MS - int(1000 * (monotonic() - started))
        self.count = self._count(left) if self.has_next or self.has_previous else len(places)
        self._set_what_the_admin_reads()

    def _look(self, request: HttpRequest) -> tuple[Found, bool]:
        """Find the places of the page's rows and of one more. The other value: whether they are in reversed order."""
        self.place, is_backwards = self._asked_place(request)
        most, by_steps = self.list_per_page + 1, FURTHER in request.GET
        order = self.order.reversed() if is_backwards else self.order
        found = look(self.queryset, self.root_queryset, order, after=self.place, most=most, by_steps=by_steps)
        if is_backwards and len(found.places) < most and found.looked_to is None:  # this is the first page: fill it
            self.place = None
            return look(self.queryset, self.root_queryset, self.order, after=None, most=most), False
        return found, is_backwards

    def _asked_place(self, request: HttpRequest) -> tuple[Place | None, bool]:
        try:
            if text := request.GET.get(BEFORE):
                return self.order.read(text), True
            if text := request.GET.get(AFTER):
                return self.order.read(text), False
            if text := request.GET.get(AT):
                return self._place_of_day(text), False
        except NoSuchPlace:
            told = "There is no such place in this list. This is its first page; your filters are still set."
            messages.warning(request, told)
        return None, False

    def _place_of_day(self, text: str) -> Place:
        """Return the place where a day begins, in the order of the list. Raises: NoSuchPlace."""
        first = self.order.columns[0]
        try:
            day = min(max(date.fromisoformat(text), date(1970, 1, 2)), date(9000, 1, 1))
        except ValueError as error:
            raise NoSuchPlace from error
        if first.name not in self.model_admin.jumps:
            raise NoSuchPlace
        self.day = day
        start = datetime(day.year, day.month, day.day, tzinfo=UTC)
        moment = start + timedelta(days=1) if first.is_descending else start - timedelta(microseconds=1)
        return (self.model_admin.jumps[first.name](moment),)

    def _rows_at(self, places: list[Place]) -> list[Any]:
        keys = [place[-1] for place in places]
        rows = {row.pk: row for row in self.apply_select_related(self.root_queryset).filter(pk__in=keys)}
        return [rows[key] for key in keys if key in rows]

    def _count(self, milliseconds: int) -> int | None:
        """Return the number of matching rows, at most 10,001. None: counting would take too long."""
        if milliseconds <= 0:
            return None
        try:
            with at_most(milliseconds):
                return self.queryset.order_by().values("pk")[: MOST_COUNTED + 1].count()
        except OperationalError as error:
            if not is_timeout(error):
                raise
            return None

    def _set_what_the_admin_reads(self) -> None:
        self.result_count = MOST_COUNTED + 1 if self.count is None else self.count
        self.multi_page = self.has_next or self.has_previous
        self.show_admin_actions = True
        self.show_full_result_count = self.can_show_all = False
        self.full_result_count = self.result_count  # if they differed, the theme would show a number of its own
        self.paginator = None

    # --- what the template shows ---

    def _set_links(self, places: list[Place], *, is_backwards: bool) -> None:
        self.first_url = self.get_query_string() if self.has_previous or self.place is not None else ""
        self.previous_url = self.next_url = ""
        start = places[0] if places else None
        end = places[-1] if places else None
        further: dict[str, str] = {}
        if self.looked_to is not None:
            further = {FURTHER: "1"}
            start, end = (self.looked_to, end) if is_backwards else (start, self.looked_to)
        if self.has_previous and start is not None:
            more = further if is_backwards else {}
            self.previous_url = self.get_query_string({BEFORE: self.order.write(start)} | more)
        if self.has_next and end is not None:
            more = {} if is_backwards else further
            self.next_url = self.get_query_string({AFTER: self.order.write(end)} | more)

    @property
    def noun(self) -> str:
        return str(self.opts.verbose_name if self.count == 1 else self.opts.verbose_name_plural)

    @property
    def count_in_words(self) -> str:
        """The number of matching rows: exact up to 10,000."""
        if self.count is None:
            return f"{self.noun[:1].upper()}{self.noun[1:]} are not counted"
        if self.count > MOST_COUNTED:
            return f"Over {MOST_COUNTED:,} {self.noun}"
        return f"{self.count:,} {self.noun}"

    @property
    def all_in_words(self) -> str:
        """What "select all" selects. The page that asks for a confirmation counts it."""
        if self.count is None:
            return "that match"
        return f"(over {MOST_COUNTED:,} {self.noun})" if self.count > MOST_COUNTED else self.count_in_words

    @property
    def asked_day(self) -> str:
        return self.day.isoformat() if self.day else ""

    @property
    def jumps_to_days(self) -> bool:
        return self.order.columns[0].name in self.model_admin.jumps

    @cached_property
    def chips(self) -> list[Chip]:
        return chips_of(self)

    @cached_property
    def controls(self) -> list[Control]:
        return controls_of(self)

    @property
    def hidden_with_panel(self) -> list[tuple[str, str]]:
        """Parameters that the form of the filters must send again, as name and value."""
        return hidden_of(self, without={control.name for control in self.controls})

    @property
    def hidden_with_search(self) -> list[tuple[str, str]]:
        return hidden_of(self, without={"q"})

    @property
    def hidden_with_jump(self) -> list[tuple[str, str]]:
        return hidden_of(self, without=set())
