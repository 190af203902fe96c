"""Close all connections of a user."""

from msgspec import Struct

from flows.actor import Actor, Right
from flows.atoms.actor import actor
from flows.atoms.audit import Act
from flows.atoms.connections import Connections, connections
from flows.engine import Context, flow, need
from flows.errors import Forbidden, Unavailable, UnknownUser
from flows.input import Input, Reason, UserName


class DisconnectUser(Input, frozen=True, kw_only=True):
    """Whom, and why (for the audit); with `reconnect` their clients are asked to come back."""

    user: UserName
    reconnect: bool = False
    reason: Reason = ""


class Disconnecting(Struct, frozen=True):
    """So many connections were known a moment ago; all there are will be closed."""

    connections: int


@flow(faults=(Forbidden, UnknownUser, Unavailable))
async def disconnect_user(
    ctx: Context[DisconnectUser],
    *,
    connections: Connections = need(connections),
    actor: Actor = need(actor),
) -> Disconnecting:
    """Close all connections that a user has now, on every node: with 4511, or 4002 to reconnect.

    They may connect again; to keep them out, take their credentials back.
    """
    actor.require(Right.ACT)
    user = ctx.input.user
    done = "Asked to reconnect" if ctx.input.reconnect else "Disconnected"
    act = Act(by=actor.name, done=done, kind="user", id=user, reason=ctx.input.reason)
    number = await connections.close_user(user, reconnect=ctx.input.reconnect, act=act)
    if number is None:
        raise UnknownUser(user)
    return Disconnecting(number)
