"""Have a process send its clients elsewhere, and end."""

from msgspec import Struct

from flows.actor import Actor, Right
from flows.atoms.actor import actor
from flows.atoms.audit import Act
from flows.atoms.connections import Connections, connections
from flows.engine import Context, flow, need
from flows.errors import Forbidden, InvalidValue, Unavailable
from flows.input import Input, NodeName, Reason


class DrainNode(Input, frozen=True, kw_only=True):
    """Which, and why (for the audit)."""

    node: NodeName
    reason: Reason = ""


class Draining(Struct, frozen=True):
    """Nothing more to tell."""


@flow(faults=(Forbidden, InvalidValue, Unavailable))
async def drain_node(
    ctx: Context[DrainNode],
    *,
    connections: Connections = need(connections),
    actor: Actor = need(actor),
) -> Draining:
    """Drain a node as a SIGTERM does: its clients go elsewhere, and then it ends."""
    actor.require(Right.DRAIN)
    act = Act(
        by=actor.name, done="Drained", kind="node", id=ctx.input.node, reason=ctx.input.reason
    )
    if not await connections.drain(ctx.input.node, act=act):
        raise InvalidValue("$.node", "There is no such node")
    return Draining()
