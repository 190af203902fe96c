"""Who is connected, on all nodes, and what the nodes are asked to do about it.

What is listed is what each node has said within the last seconds. What is asked is noticed by every
node within a second or two. Every method raises `Unavailable` when the store cannot be reached.
"""

from typing import Protocol

from msgspec import Struct

from flows.atoms.audit import Act
from flows.engine import Port


class Connected(Struct, frozen=True, kw_only=True):
    """A connection. Times are as on the wire; `last_seen` is when its client last sent something,
    to the minute; `lag` is how many events it is behind, at most, in what it watches.
    """

    connection: str
    node: str
    user: str
    since: str
    last_seen: str
    watching: int
    observing: int
    lag: int


class NodeStatus(Struct, frozen=True, kw_only=True):
    """A process that serves; `clock` is what its clock said when it was `last_seen` by the store's.

    `draining`: it sends its clients elsewhere.
    """

    node: str
    host: str
    pid: int
    started: str
    last_seen: str
    clock: str
    draining: bool
    connections: int


class Connections(Protocol):
    """The connections of all nodes that are alive."""

    async def find(
        self, *, user: str | None, node: str | None, after: str | None, limit: int
    ) -> list[Connected]:
        """The first `limit` connections by id, after the id `after`, of a user, of a node."""
        ...

    async def nodes(self) -> list[NodeStatus]:
        """The nodes, by name."""
        ...

    async def close_user(self, user: str, *, reconnect: bool, act: Act) -> int | None:
        """Have all connections that `user` has now closed, on every node; about how many they are.

        With `reconnect`, their clients are asked to come back. None: there is no such user, and
        nothing was recorded.
        """
        ...

    async def close(self, connection: str, *, reconnect: bool, act: Act) -> bool:
        """Have a connection closed; False if there is none, and nothing was recorded."""
        ...

    async def drain(self, node: str, *, act: Act) -> bool:
        """Have a node send its clients elsewhere and end; False if there is none."""
        ...


connections = Port[Connections]("connections")
