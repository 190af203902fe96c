"""Who is connected in the tests of staff flows: Ann twice, Bob once, on two nodes."""

from flows.actor import Actor, Right
from flows.atoms.connections import Connected, NodeStatus
from tests.flows.stage import Stage

AT = "2026-11-22T19:03:11.412Z"


def staff(*rights: Right) -> Actor:
    """The boss, with these rights."""
    return Actor("boss", frozenset(rights))


def without(right: Right) -> list[Actor]:
    """Everybody who lacks `right`: a user, and staff with all the others."""
    return [Actor("ann"), staff(*(each for each in Right if each is not right))]


def connected(connection: str, user: str, node: str) -> Connected:
    """A connection that has just begun."""
    return Connected(
        connection=connection,
        node=node,
        user=user,
        since=AT,
        last_seen=AT,
        watching=1,
        observing=0,
        lag=0,
    )


def status(node: str, connections: int) -> NodeStatus:
    """A node that has just begun."""
    return NodeStatus(
        node=node,
        host="h",
        pid=1,
        started=AT,
        last_seen=AT,
        clock=AT,
        draining=False,
        connections=connections,
    )


def come(stage: Stage) -> None:
    """Let them connect."""
    stage.connections.connected = [
        connected("c3", "ann", "n2"),
        connected("c1", "ann", "n1"),
        connected("c2", "bob", "n1"),
    ]
    stage.connections.there = [status("n2", 1), status("n1", 2)]
