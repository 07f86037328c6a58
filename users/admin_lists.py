"""Lists of the admin that open quickly with any number of rows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, ClassVar

from django.contrib.admin.options import IncorrectLookupParameters, ShowFacets
from django.db import OperationalError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseRedirect
from django.utils.http import urlencode
from unfold.admin import ModelAdmin

from users.bounded_look import at_most, is_timeout
from users.keyset import in_batches
from users.keyset_list import KeysetList

# The longest statement of a list. PostgreSQL cancels it, even if the browser has left.
LIST_MS = 2_000
EXPORT_BATCH = 1_000
_LIST = "_kind_of_list"  # attribute of a request

TOO_SLOW = (
    "This takes too long, so the search was stopped. Narrow it: choose a user, an app or a shorter time, or search for "
    "a whole name, address or id. Your filters are still set."
)


def as_it_is(moment: datetime) -> datetime:
    """Return the value of a column of times at ``moment``, for `KeysetAdmin.jumps`."""
    return moment


class WrongFilter(IncorrectLookupParameters):
    """The value of a filter can't be understood. The text tells staff why."""


class UnansweredList(KeysetList):
    """A list without rows: the filters stay in the form, and the page says what is wrong with them."""

    def __init__(self, *args: Any, problem: str, **kwargs: Any) -> None:
        self.problem = problem
        super().__init__(*args, **kwargs)

    def get_filters(self, request: HttpRequest) -> Any:
        try:
            return super().get_filters(request)
        except IncorrectLookupParameters:
            return [], False, {}, False, True

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        self._begin(request)
        self.filter_specs, self.has_filters, _, _, self.has_active_filters = self.get_filters(request)
        return self.root_queryset.none()

    def get_results(self, request: HttpRequest) -> None:
        self.result_list, self.count, self.looked_to = [], 0, None
        self.has_previous = self.has_next = False
        self._set_links([], is_backwards=False)
        self._set_what_the_admin_reads()


class _Unpaged(KeysetList):
    """All matching rows, without a page of them."""

    def get_results(self, request: HttpRequest) -> None:
        self.result_list = []


class KeysetAdmin(ModelAdmin):
    """Base class of admin pages whose list is a `KeysetList`."""

    show_full_result_count = False
    show_facets = ShowFacets.NEVER  # off: it would count rows for each choice of each filter
    change_list_template = "users/change_list.html"
    # Only columns whose order an index carries. Any other order would read all rows.
    sortable_by: ClassVar[Sequence[str] | None] = ()
    # Columns of the order that are a time, each with a function that turns a time into a value of the column.
    jumps: ClassVar[Mapping[str, Callable[[datetime], Any]]] = {}
    # The value of a column for an export, if the list shows less.
    exported: ClassVar[Mapping[str, Callable[[Any], Any]]] = {}

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        return getattr(request, _LIST, KeysetList)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Show the list. The form of the filters sends its empty fields, too: remove them from the URL."""
        if request.method == "GET" and not all(request.GET.values()):
            given = [(name, value) for name, values in request.GET.lists() for value in values if value]
            return HttpResponseRedirect(f"{request.path}?{urlencode(given)}")
        return super().changelist_view(request, extra_context)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Return the list. If a filter is wrong or the search takes too long, it has no rows and says so."""
        try:
            with at_most(LIST_MS):
                return self._list(request, KeysetList)
        except WrongFilter as error:
            problem = str(error)
        except IncorrectLookupParameters:
            problem = "A filter in the address of this page can't be understood. Remove it to go on."
        except OperationalError as error:
            if not is_timeout(error):
                raise
            problem = TOO_SLOW
        return self._list(request, partial(UnansweredList, problem=problem))

    def matching(self, request: HttpRequest) -> QuerySet[Any]:
        """Return all rows that match the filters and the search in the URL. Raises: like `iterate_matching`."""
        return self._list(request, _Unpaged).queryset

    def iterate_matching(self, request: HttpRequest) -> Iterator[Any]:
        """Iterate over all rows that match the filters and the search in the URL, in the order of the list.

        They are read in batches by keys, each with the list's related rows. The filters are checked at once.
        Raises: IncorrectLookupParameters, DisallowedModelAdminLookup.
        """
        found = self._list(request, _Unpaged)
        return in_batches(found.queryset, found.order, size=EXPORT_BATCH)

    def _list(self, request: HttpRequest, kind: Callable[..., KeysetList]) -> KeysetList:
        setattr(request, _LIST, kind)
        found: KeysetList = super().get_changelist_instance(request)
        return found
