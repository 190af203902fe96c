"""Pages for tables that are large and are only read."""

import uuid
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from django.conf import settings
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import BadRequest, ValidationError
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.functional import cached_property

M = TypeVar("M", bound=Model)

if TYPE_CHECKING:
    _Paginator = Paginator[Any]
else:  # not subscriptable at run time
    _Paginator = Paginator


class BoundedPaginator(_Paginator):
    """Counts no further than ADMIN_REACHABLE: a million rows take longer than the page."""

    @cached_property
    def _counted(self) -> int:
        rows: QuerySet[Any] = self.object_list  # type: ignore[assignment]
        return rows.order_by().values("pk")[: settings.ADMIN_REACHABLE + 1].count()

    @cached_property
    def count(self) -> int:
        """How many rows the pages hold."""
        return min(self._counted, int(settings.ADMIN_REACHABLE))

    @property
    def is_cut(self) -> bool:
        """Whether there are more rows than the pages hold."""
        return self._counted > int(settings.ADMIN_REACHABLE)


if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin
else:

    class _ModelAdmin(admin.ModelAdmin):
        # Django 5.2's can be subscripted by type checkers only.
        def __class_getitem__(cls, model: object) -> type:
            return cls


class CheckingKeysAdmin(_ModelAdmin[M]):
    """Does actions on nothing but keys that can be somebody's."""

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[Any], *args: Any, **options: Any
    ) -> HttpResponse | None:
        """Do an action; Django's own fails with a ValueError for keys that can be nobody's."""
        for key in request.POST.getlist(ACTION_CHECKBOX_NAME):
            try:
                self.opts.pk.clean(key, None)
            except ValidationError as error:
                raise BadRequest(f"Not a key of {self.opts.verbose_name_plural}") from error
        return super().response_action(request, queryset, *args, **options)


class ReadOnlyAdmin(CheckingKeysAdmin[M]):
    """Rows can be looked at, by those who may, and nothing else; no list counts or selects all."""

    actions: Any = None
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = BoundedPaginator
    list_per_page = 100
    list_max_show_all = 100
    # Only the orders that an index serves.
    sortable_by: ClassVar[Any] = ()

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Only what a filter of the list asks for: no probing of digests, no search of all data."""
        return any(_asks(each, lookup) for each in self.list_filter)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False


def _asks(list_filter: Any, lookup: str) -> bool:
    """Whether `lookup` is what a filter asks for; those of fields have none that is a relation."""
    match list_filter:
        case str(field):
            return lookup.partition("__")[0] == field
        case _:
            return bool(lookup == list_filter.parameter_name)


class SessionFilter(admin.SimpleListFilter):
    """Narrows a list to one session. It offers none to choose: links and searches lead here."""

    title = "session"
    parameter_name = "session"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        session_id = self.value()
        return [(session_id, session_id)] if session_id else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[M]) -> QuerySet[M]:
        if not self.value():
            return queryset
        session_id = as_uuid(self.value())
        return queryset.filter(session=session_id) if session_id else queryset.none()


def as_uuid(word: str | None) -> uuid.UUID | None:
    """The UUID that `word` spells, if it spells one."""
    try:
        return uuid.UUID(word)
    except (TypeError, ValueError):
        return None
