"""Who is connected, and the processes that serve them, as these have said a moment ago."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from flows.actor import Right
from sessions_app.adapters.connections import alive, connected
from sessions_app.admin.read_only import ReadOnlyAdmin
from sessions_app.models import Connection, Node
from sessions_app.staff import rights_of


class OfNodesAdmin(ReadOnlyAdmin[Any]):
    """What nodes write down: for whoever may know what sessions there are."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return Right.VIEW in rights_of(request.user) or super().has_view_permission(request, obj)


@admin.register(Connection)
class ConnectionAdmin(OfNodesAdmin):
    """Open sockets. Those of a node that has died are not shown."""

    list_display = ("id", "user", "node", "since", "last_seen", "watching", "observing", "lag")
    list_filter = ("node",)
    list_select_related = ("user", "node")
    ordering = ("pk",)
    search_fields = ("=pk", "=user__username")
    search_help_text = "The id of a connection, or the whole name of a user"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Connection]:
        return connected("default")


@admin.register(Node)
class NodeAdmin(OfNodesAdmin):
    """Processes that serve, and how many sockets each has."""

    list_display = ("name", "host", "pid", "started", "last_seen", "draining", "connections_now")
    ordering = ("pk",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Node]:
        return alive("default").annotate(number=Count("connections"))

    @admin.display(description="connections")
    def connections_now(self, node: Node) -> int:
        """How many sockets it has."""
        number: int = node.number  # type: ignore[attr-defined]
        return number
