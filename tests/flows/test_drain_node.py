"""Draining a node."""

from flows.actor import Right
from flows.atoms.audit import Act
from flows.drain_node import DrainNode, drain_node
from flows.errors import Forbidden, InvalidValue, Unavailable
from tests.flows.people import come, staff, without
from tests.flows.stage import Stage

BOSS = staff(Right.DRAIN)


async def test_works(stage: Stage) -> None:
    """The node is asked, and who did it and why is kept."""
    come(stage)
    await stage.run(drain_node, DrainNode(node="n2", reason="New kernel"), by=BOSS)
    assert stage.connections.asked == [("node", "n2", False)]
    assert stage.connections.acts == [
        Act(by="boss", done="Drained", kind="node", id="n2", reason="New kernel")
    ]


async def test_not_found(stage: Stage) -> None:
    """There must be such a node."""
    error = await stage.refused(InvalidValue, drain_node, DrainNode(node="n2"), by=BOSS)
    assert error.path == "$.node"


async def test_bad_input(stage: Stage) -> None:
    """What cannot be is refused by path."""
    await stage.invalid("$.node", drain_node, {"node": ""}, by=BOSS)


async def test_who_may(stage: Stage) -> None:
    """It takes a right of its own: who moderates sessions does not end servers."""
    come(stage)
    for by in without(Right.DRAIN):
        await stage.refused(Forbidden, drain_node, DrainNode(node="n2"), by=by)


async def test_unavailable(stage: Stage) -> None:
    """When the store cannot be reached, nobody is asked."""
    come(stage)
    stage.connections.available = False
    await stage.refused(Unavailable, drain_node, DrainNode(node="n2"), by=BOSS)
