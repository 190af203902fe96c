"""Listing the processes that serve."""

from flows.actor import Right
from flows.errors import Forbidden, Unavailable
from flows.list_nodes import ListNodes, list_nodes
from tests.flows.people import come, staff, without
from tests.flows.stage import Stage


async def test_works(stage: Stage) -> None:
    """The nodes are listed by name."""
    come(stage)
    found = await stage.run(list_nodes, ListNodes(), by=staff(Right.VIEW))
    assert [(each.node, each.connections) for each in found.nodes] == [("n1", 2), ("n2", 1)]


async def test_bad_input(stage: Stage) -> None:
    """There is nothing to choose."""
    await stage.invalid("$.node", list_nodes, {"node": "n1"}, by=staff(Right.VIEW))


async def test_who_may(stage: Stage) -> None:
    """It takes the right to view."""
    for by in without(Right.VIEW):
        await stage.refused(Forbidden, list_nodes, ListNodes(), by=by)


async def test_unavailable(stage: Stage) -> None:
    """When the store cannot be reached, this is said."""
    stage.connections.available = False
    await stage.refused(Unavailable, list_nodes, ListNodes(), by=staff(Right.VIEW))
