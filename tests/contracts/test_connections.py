"""Every sentence of the port `Connections`, asked of each thing that stands behind it.

On two nodes, Ann is connected twice and Bob once; a third node has no connections.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeAlias

import pytest
import pytest_asyncio
from django.contrib.admin.models import LogEntry

from flows.atoms.audit import Act
from flows.atoms.connections import Connected, Connections, NodeStatus
from flows.atoms.sessions import Sessions
from flows.events import timestamp
from sessions_app.adapters import nodes
from sessions_app.adapters.connections import StoredConnections
from sessions_app.adapters.log import DjangoSessions
from sessions_app.adapters.nodes import Row
from sessions_app.models import Instruction, User
from tests.fakes import FakeConnections

AT = datetime(2026, 11, 22, 19, 3, 11, 412_000, UTC)

#: Id, user, node, and how far behind.
THERE = [("c1", "ann", "n1", 0), ("c3", "ann", "n2", 7), ("c2", "bob", "n1", 0)]

#: What nodes were asked, and what was kept of it.
Asked: TypeAlias = Callable[[], Awaitable[tuple[list[tuple[str, str, bool]], list[str]]]]


def connected(id_: str, user: str, node: str, lag: int) -> Connected:
    return Connected(
        connection=id_,
        node=node,
        user=user,
        since=timestamp(AT),
        last_seen=timestamp(AT),
        watching=2,
        observing=1,
        lag=lag,
    )


def write_down(using: str) -> None:
    """What the three nodes say."""
    ids = dict(User.objects.using(using).values_list("username", "pk"))
    for node in ("n2", "n1", "n3"):
        rows = [
            Row(id_, ids[user], AT, AT, 2, 1, lag)
            for id_, user, where, lag in THERE
            if where == node
        ]
        nodes.announce(node, using=using)
        nodes.write(node, rows, [], draining=node == "n3", using=using)


@pytest_asyncio.fixture
async def connections(sessions: Sessions, store: str | None) -> Connections:
    """The port, on each store."""
    if store is not None:
        assert isinstance(sessions, DjangoSessions)
        await sessions.run(write_down, store)
        return StoredConnections(sessions.run, using=store, on_asked=lambda: None)
    fake = FakeConnections()
    fake.connected = [connected(*each) for each in THERE]
    fake.there = [
        NodeStatus(
            node=node,
            host="h",
            pid=1,
            started=timestamp(AT),
            last_seen=timestamp(AT),
            clock=timestamp(AT),
            draining=node == "n3",
            connections=sum(where == node for _, _, where, _ in THERE),
        )
        for node in ("n2", "n1", "n3")
    ]
    return fake


@pytest.fixture
def asked(connections: Connections, sessions: Sessions, store: str | None) -> Asked:
    """Reads what nodes were asked."""

    def stored() -> tuple[list[tuple[str, str, bool]], list[str]]:
        rows = Instruction.objects.using(store).order_by("pk")
        entries = LogEntry.objects.using(store).order_by("pk")
        return (
            list(rows.values_list("subject", "target", "reconnect")),
            [each.get_change_message() for each in entries],
        )

    async def read() -> tuple[list[tuple[str, str, bool]], list[str]]:
        if isinstance(sessions, DjangoSessions):
            return await sessions.run(stored)
        assert isinstance(connections, FakeConnections)
        return connections.asked, [f"{each.done}: {each.reason}" for each in connections.acts]

    return read


def act(done: str) -> Act:
    return Act(by="bob", done=done, kind="user", id="ann", reason="Spam")


async def test_find(connections: Connections) -> None:
    """Connections are found by id: all, of a user, of a node, after one, so many."""
    found = await connections.find(user=None, node=None, after=None, limit=9)
    assert [connected(*each) for each in sorted(THERE)] == found
    for asked, ids in (
        (("ann", None, None, 9), ["c1", "c3"]),
        ((None, "n1", None, 9), ["c1", "c2"]),
        (("ann", "n2", None, 9), ["c3"]),
        ((None, None, "c1", 9), ["c2", "c3"]),
        ((None, None, None, 2), ["c1", "c2"]),
        (("nobody", None, None, 9), []),
        ((None, "n3", None, 9), []),
    ):
        user, node, after, limit = asked
        found = await connections.find(user=user, node=node, after=after, limit=limit)
        assert [each.connection for each in found] == ids


async def test_nodes(connections: Connections) -> None:
    """Nodes are listed by name, also those without connections."""
    assert [(each.node, each.draining, each.connections) for each in await connections.nodes()] == [
        ("n1", False, 2),
        ("n2", False, 1),
        ("n3", True, 0),
    ]


async def test_close_user(connections: Connections, asked: Asked) -> None:
    """Nodes are asked to close what a user has, and it is kept who wanted it."""
    assert await connections.close_user("ann", reconnect=False, act=act("Disconnected")) == 2
    assert await connections.close_user("dan", reconnect=True, act=act("Asked")) == 0
    assert await asked() == (
        [("user", "ann", False), ("user", "dan", True)],
        ["Disconnected: Spam", "Asked: Spam"],
    )


async def test_close(connections: Connections, asked: Asked) -> None:
    """Nodes are asked to close a connection."""
    assert await connections.close("c2", reconnect=True, act=act("Asked"))
    assert await asked() == ([("connection", "c2", True)], ["Asked: Spam"])


async def test_drain(connections: Connections, asked: Asked) -> None:
    """A node is asked to drain."""
    assert await connections.drain("n3", act=act("Drained"))
    assert await asked() == ([("node", "n3", False)], ["Drained: Spam"])


async def test_of_nobody(connections: Connections, asked: Asked) -> None:
    """Where there is no such user, connection or node, nobody is asked and nothing is kept."""
    assert await connections.close_user("nobody", reconnect=False, act=act("Asked")) is None
    assert not await connections.close("c9", reconnect=False, act=act("Asked"))
    assert not await connections.drain("n9", act=act("Asked"))
    assert await asked() == ([], [])
