"""Who is connected to a whole application is listed, and staff close what they must."""

from typing import Any

import pytest

from flows.actor import SYSTEM
from flows.atoms.actor import actor
from flows.disconnect_connection import disconnect_connection
from flows.disconnect_user import disconnect_user
from flows.drain_node import drain_node
from flows.engine import Flow
from flows.list_connections import list_connections
from flows.list_nodes import list_nodes
from project.application import Application
from sessions_app.models import Connection, Node
from tests.sessions_app.sockets import Client, Connect, serving, until

pytestmark = pytest.mark.django_db(transaction=True)


async def run(application: Application, flow: Flow[Any, Any], **raw: object) -> Any:
    return await application.flows.run_raw(flow, raw, tags=[actor(SYSTEM)])


async def connected(application: Application) -> dict[str, str]:
    """The users of the connections that are listed."""
    found = (await run(application, list_connections)).connections
    return {each.connection: each.user for each in found}


async def test_connections_are_listed(application: Application, connect: Connect) -> None:
    """A connection is listed while it is open, with its node and what it watches."""
    async with connect("ann") as ann:
        made = await ann.call("create_session", title="Roof", key="k")
        id_, node = ann.welcome["connection"], ann.welcome["node"]

        async def listed() -> bool:
            return await connected(application) == {id_: "ann"}

        await until(listed)
        assert made["seq"] == 1
        (told,) = (await run(application, list_nodes)).nodes
        assert (told.node, told.connections) == (node, 1)

    async def gone() -> bool:
        return await connected(application) == {}

    await until(gone)


async def test_staff_disconnect(application: Application, connect: Connect) -> None:
    """A user who is disconnected loses all connections; a connection goes alone."""
    async with (
        connect("ann") as first,
        connect("ann") as second,
        connect("bob") as bob,
    ):
        await run(application, disconnect_user, user="ann")
        assert [await first.closed(), await second.closed()] == [4511, 4511]
        id_ = bob.welcome["connection"]

        async def listed() -> bool:
            return id_ in await connected(application)

        await until(listed)
        assert await bob.call("ping") == {}
        await run(application, disconnect_connection, connection=id_, reconnect=True)
        assert await bob.closed() == 4002


async def test_a_node_drains(application: Application, connect: Connect) -> None:
    """A node that is asked to drain sends its clients away and takes no new ones."""
    async with connect("ann") as ann:
        await run(application, drain_node, node=ann.welcome["node"])
        assert (await ann.frame())["method"] == "draining"
        late = connect("bob")
        assert (await late.handshake())["type"] == "websocket.close"
        await late.asgi.wait(timeout=5)
        assert await ann.closed() == 4001


async def test_an_application_that_closes_leaves_nothing(tokens: dict[str, str]) -> None:
    """A process that ends in order is in no list afterwards."""
    async with serving() as application:
        assert await Node.objects.acount() == 1
        async with Client(application, token=tokens["ann"]):

            async def listed() -> bool:
                return len(await connected(application)) == 1

            await until(listed)
    assert (await Node.objects.acount(), await Connection.objects.acount()) == (0, 0)
