"""List the processes that serve."""

from msgspec import Struct

from flows.actor import Actor, Right
from flows.atoms.actor import actor
from flows.atoms.connections import Connections, NodeStatus, connections
from flows.engine import Context, flow, need
from flows.errors import Forbidden, Unavailable
from flows.input import Input


class ListNodes(Input, frozen=True, kw_only=True):
    """All of them."""


class NodeList(Struct, frozen=True):
    """The nodes that are alive, by name."""

    nodes: list[NodeStatus]


@flow(faults=(Forbidden, Unavailable))
async def list_nodes(
    ctx: Context[ListNodes],
    *,
    connections: Connections = need(connections),
    actor: Actor = need(actor),
) -> NodeList:
    """List the nodes that are alive, and how many connections each has."""
    actor.require(Right.VIEW)
    return NodeList(await connections.nodes())
