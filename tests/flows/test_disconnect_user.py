"""Closing all connections of a user."""

import pytest

from flows.actor import Right
from flows.atoms.audit import Act
from flows.disconnect_user import DisconnectUser, disconnect_user
from flows.errors import Forbidden, Unavailable, UnknownUser
from tests.flows.people import come, staff, without
from tests.flows.stage import Stage

BOSS = staff(Right.ACT)


@pytest.mark.parametrize(
    ("reconnect", "done"), [(False, "Disconnected"), (True, "Asked to reconnect")]
)
async def test_works(stage: Stage, reconnect: bool, done: str) -> None:  # noqa: FBT001
    """All nodes are asked; how many connections there were is told, and who did it and why kept."""
    come(stage)
    input = DisconnectUser(user="ann", reconnect=reconnect, reason="Spam")
    told = await stage.run(disconnect_user, input, by=BOSS)
    assert told.connections == 2
    assert stage.connections.asked == [("user", "ann", reconnect)]
    assert stage.connections.acts == [
        Act(by="boss", done=done, kind="user", id="ann", reason="Spam")
    ]


async def test_who_is_not_connected(stage: Stage) -> None:
    """Nodes are asked all the same: a connection may have come a moment ago."""
    told = await stage.run(disconnect_user, DisconnectUser(user="dan"), by=BOSS)
    assert told.connections == 0
    assert stage.connections.asked == [("user", "dan", False)]


async def test_not_found(stage: Stage) -> None:
    """There must be such a user."""
    error = await stage.refused(
        UnknownUser, disconnect_user, DisconnectUser(user="nobody"), by=BOSS
    )
    assert error.path == "$.user"


async def test_bad_input(stage: Stage) -> None:
    """What cannot be is refused by path."""
    await stage.invalid("$.user", disconnect_user, {"user": ""}, by=BOSS)
    raw = {"user": "ann", "reason": "x" * 1001}
    await stage.invalid("$.reason", disconnect_user, raw, by=BOSS)


async def test_who_may(stage: Stage) -> None:
    """It takes the right to act, also for one's own connections."""
    come(stage)
    for by in without(Right.ACT):
        await stage.refused(Forbidden, disconnect_user, DisconnectUser(user="ann"), by=by)


async def test_unavailable(stage: Stage) -> None:
    """When the store cannot be reached, nobody is asked."""
    stage.connections.available = False
    await stage.refused(Unavailable, disconnect_user, DisconnectUser(user="ann"), by=BOSS)
