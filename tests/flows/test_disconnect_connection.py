"""Closing a connection."""

import pytest

from flows.actor import Right
from flows.atoms.audit import Act
from flows.disconnect_connection import DisconnectConnection, disconnect_connection
from flows.errors import Forbidden, InvalidValue, Unavailable
from tests.flows.people import come, staff, without
from tests.flows.stage import Stage

BOSS = staff(Right.ACT)


@pytest.mark.parametrize(
    ("reconnect", "done"), [(False, "Disconnected"), (True, "Asked to reconnect")]
)
async def test_works(stage: Stage, reconnect: bool, done: str) -> None:  # noqa: FBT001
    """Its node is asked, and who did it and why is kept."""
    come(stage)
    input = DisconnectConnection(connection="c2", reconnect=reconnect, reason="Stuck")
    await stage.run(disconnect_connection, input, by=BOSS)
    assert stage.connections.asked == [("connection", "c2", reconnect)]
    assert stage.connections.acts == [
        Act(by="boss", done=done, kind="connection", id="c2", reason="Stuck")
    ]


async def test_not_found(stage: Stage) -> None:
    """There must be such a connection."""
    input = DisconnectConnection(connection="c2")
    error = await stage.refused(InvalidValue, disconnect_connection, input, by=BOSS)
    assert error.path == "$.connection"


async def test_bad_input(stage: Stage) -> None:
    """What cannot be is refused by path."""
    raw = {"connection": "x" * 33}
    await stage.invalid("$.connection", disconnect_connection, raw, by=BOSS)


async def test_who_may(stage: Stage) -> None:
    """It takes the right to act."""
    come(stage)
    for by in without(Right.ACT):
        input = DisconnectConnection(connection="c2")
        await stage.refused(Forbidden, disconnect_connection, input, by=by)


async def test_unavailable(stage: Stage) -> None:
    """When the store cannot be reached, nobody is asked."""
    come(stage)
    stage.connections.available = False
    input = DisconnectConnection(connection="c2")
    await stage.refused(Unavailable, disconnect_connection, input, by=BOSS)
