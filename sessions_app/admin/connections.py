"""Who is connected, and the processes that serve them, as these have said a moment ago."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import Count, Model, QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.formats import date_format
from django.utils.timezone import localtime

from flows.actor import Right
from flows.disconnect_connection import disconnect_connection
from flows.drain_node import drain_node
from sessions_app.adapters.connections import alive, connected
from sessions_app.admin.deeds import AT_ONCE, Deed, ask_or_do
from sessions_app.admin.read_only import ReadOnlyAdmin
from sessions_app.admin.rights import may_act, may_view
from sessions_app.models import Connection, Node
from sessions_app.staff import rights_of


def moment(at: datetime) -> str:
    """A moment of the last days, to the second; the year would only take room."""
    return date_format(localtime(at), "j M H:i:s")


DISCONNECT = Deed(
    name="disconnect",
    flow=disconnect_connection,
    title="Disconnect",
    warning="Their sockets are closed, wherever they are, and their clients are told not to come "
    "back by themselves. Whoever has them may sign in again: to keep somebody out, make the user "
    "inactive or revoke their tokens.",
    button="Disconnect",
    done="is being closed",
    params=lambda connection, reason: {"connection": connection.pk, "reason": reason},
    details=lambda connection: f"on {connection.node_id}, since {moment(connection.since)}",
    keyed=False,
)
RECONNECT = DISCONNECT._replace(
    name="reconnect",
    title="Have them reconnect",
    warning="Their sockets are closed, and their clients come back by themselves and go on where "
    "they were, perhaps on another node.",
    button="Have them reconnect",
    done="is asked to reconnect",
    params=lambda connection, reason: {
        "connection": connection.pk, "reason": reason, "reconnect": True,
    },
)  # fmt: skip
DRAIN = Deed(
    name="drain",
    flow=drain_node,
    title="Drain nodes",
    warning="Each takes no more clients, sends those that it has elsewhere, and ends. Where "
    "nothing starts it again, there is one less.",
    button="Drain",
    done="is draining",
    params=lambda node, reason: {"node": node.pk, "reason": reason},
    details=lambda node: f"connections: {node.number}",
    keyed=False,
)


class OfNodesAdmin(ReadOnlyAdmin[Any]):
    """What nodes write down: for whoever may know what sessions there are."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_view(request) or super().has_view_permission(request, obj)

    def ask_or_do(
        self, request: HttpRequest, deed: Deed, queryset: QuerySet[Any]
    ) -> HttpResponseBase | None:
        """Ask why, or do it; what has gone since it was chosen is told of."""
        chosen = list(queryset[: AT_ONCE + 1])
        for key in gone(request, chosen):
            messages.error(request, f"“{key}”: There is no such {self.opts.verbose_name} any more.")
        return ask_or_do(self, request, deed, chosen) if chosen else None


def gone(request: HttpRequest, found: Sequence[Model]) -> list[str]:
    """The keys that were chosen and are not among what was found; no more than can be chosen."""
    if len(found) > AT_ONCE:
        return []
    keys = {each.pk for each in found}
    return [key for key in request.POST.getlist(ACTION_CHECKBOX_NAME) if key not in keys][:AT_ONCE]


@admin.register(Connection)
class ConnectionAdmin(OfNodesAdmin):
    """Open sockets. Those of a node that has died are not shown."""

    actions = ("disconnect", "reconnect")
    list_display = (
        "user",
        "of_node",
        "opened",
        "heard",
        "watching",
        "observing",
        "lag",
        "id",
    )
    list_filter = ("node",)
    list_select_related = ("user",)
    ordering = ("pk",)
    search_fields = ("=pk", "=user__username")
    search_help_text = "The id of a connection, or the whole name of a user"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Connection]:
        return connected("default")

    @admin.display(description="node")
    def of_node(self, connection: Connection) -> str:
        """Its node; where that runs, the list of nodes says."""
        return connection.node_id

    @admin.display(description="since")
    def opened(self, connection: Connection) -> str:
        """Since when it is open."""
        return moment(connection.since)

    @admin.display(description="last seen")
    def heard(self, connection: Connection) -> str:
        """When its client last sent something."""
        return moment(connection.last_seen)

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Whether who asks may act."""
        return may_act(request)

    @admin.action(description="Disconnect selected connections…", permissions=["act"])
    def disconnect(
        self, request: HttpRequest, queryset: QuerySet[Connection]
    ) -> HttpResponseBase | None:
        """Ask why, then close each of them for good."""
        return self.ask_or_do(request, DISCONNECT, queryset)

    @admin.action(description="Have selected connections reconnect…", permissions=["act"])
    def reconnect(
        self, request: HttpRequest, queryset: QuerySet[Connection]
    ) -> HttpResponseBase | None:
        """Ask why, then close each of them so that its client comes back."""
        return self.ask_or_do(request, RECONNECT, queryset)


@admin.register(Node)
class NodeAdmin(OfNodesAdmin):
    """Processes that serve, and how many sockets each has."""

    actions = ("drain",)
    list_display = ("name", "host", "pid", "begun", "heard", "state", "connections_now")
    ordering = ("pk",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Node]:
        return alive("default").annotate(number=Count("connections"))

    @admin.display(description="started")
    def begun(self, node: Node) -> str:
        """When it began."""
        return moment(node.started)

    @admin.display(description="last seen")
    def heard(self, node: Node) -> str:
        """When it last said that it is there: every few seconds."""
        return moment(node.last_seen)

    @admin.display
    def state(self, node: Node) -> str:
        """Whether it takes clients."""
        return "draining" if node.draining else "serving"

    @admin.display(description="connections")
    def connections_now(self, node: Node) -> int:
        """How many sockets it has."""
        number: int = node.number  # type: ignore[attr-defined]
        return number

    def has_drain_permission(self, request: HttpRequest) -> bool:
        """Whether who asks may drain nodes."""
        return Right.DRAIN in rights_of(request.user)

    @admin.action(description="Drain selected nodes…", permissions=["drain"])
    def drain(self, request: HttpRequest, queryset: QuerySet[Node]) -> HttpResponseBase | None:
        """Ask why, then have each of them send its clients elsewhere and end."""
        return self.ask_or_do(request, DRAIN, queryset)
