"""Close a connection."""

from msgspec import Struct

from flows.actor import Actor, Right
from flows.atoms.actor import actor
from flows.atoms.audit import Act
from flows.atoms.connections import Connections, connections
from flows.engine import Context, flow, need
from flows.errors import Forbidden, InvalidValue, Unavailable
from flows.input import ConnectionId, Input, Reason


class DisconnectConnection(Input, frozen=True, kw_only=True):
    """Which, and why (for the audit); with `reconnect` its client is asked to come back."""

    connection: ConnectionId
    reconnect: bool = False
    reason: Reason = ""


class Closing(Struct, frozen=True):
    """Nothing more to tell."""


@flow(faults=(Forbidden, InvalidValue, Unavailable))
async def disconnect_connection(
    ctx: Context[DisconnectConnection],
    *,
    connections: Connections = need(connections),
    actor: Actor = need(actor),
) -> Closing:
    """Close a connection, on whatever node it is: with 4511, or 4002 to reconnect."""
    actor.require(Right.ACT)
    connection = ctx.input.connection
    done = "Asked to reconnect" if ctx.input.reconnect else "Disconnected"
    act = Act(by=actor.name, done=done, kind="connection", id=connection, reason=ctx.input.reason)
    if not await connections.close(connection, reconnect=ctx.input.reconnect, act=act):
        raise InvalidValue("$.connection", "There is no such connection")
    return Closing()
