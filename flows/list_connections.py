"""List who is connected."""

from typing import Annotated, TypeAlias

from msgspec import Meta, Struct

from flows.actor import Actor, Right
from flows.atoms.actor import actor
from flows.atoms.connections import Connected, Connections, connections
from flows.engine import Context, flow, need
from flows.errors import Forbidden, Unavailable
from flows.input import ConnectionId, Input, NodeName, UserName

Limit: TypeAlias = Annotated[int, Meta(ge=1, le=1000)]


class ListConnections(Input, frozen=True, kw_only=True):
    """Which connections: of a user, of a node, after a page's `next`."""

    user: UserName | None = None
    node: NodeName | None = None
    after: ConnectionId | None = None
    limit: Limit = 200


class ConnectionList(Struct, frozen=True):
    """A page; `next` is for `after`, None on the last page."""

    connections: list[Connected]
    next: str | None


@flow(faults=(Forbidden, Unavailable))
async def list_connections(
    ctx: Context[ListConnections],
    *,
    connections: Connections = need(connections),
    actor: Actor = need(actor),
) -> ConnectionList:
    """List the connections of all nodes, by id."""
    actor.require(Right.VIEW)
    input = ctx.input
    found = await connections.find(
        user=input.user,
        node=input.node,
        after=input.after,
        # One more than asked for tells whether there is another page.
        limit=input.limit + 1,
    )
    shown = found[: input.limit]
    return ConnectionList(shown, shown[-1].connection if len(found) > input.limit else None)
