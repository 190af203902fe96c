"""What is found by its id: sessions, standings, and the name of the log."""

from flows.actor import SYSTEM
from flows.atoms.sessions import Sessions, Standing
from flows.events import MessageSent, ParticipantRemoved, Role
from tests.contracts.sessions.stage import (
    ANN,
    BOB,
    CID,
    DAN,
    NOWHERE,
    adds,
    begin,
    session_id,
    write,
)

# -- find and standings ----------------------------------------------------------------------------


async def test_find_nothing(sessions: Sessions) -> None:
    """There is nothing to find where there is no session."""
    await begin(sessions)
    assert await sessions.find(NOWHERE) is None


async def test_standings(sessions: Sessions) -> None:
    """A standing is the head and the role of who asks; unknown sessions are left out."""
    one = await begin(sessions, 1)
    two = await begin(sessions, 2, adds("cid", Role.OBSERVER))
    await write(sessions, two, MessageSent("x"), ParticipantRemoved("bob"))
    ids = [one, two, NOWHERE]
    assert await sessions.standings(ids, of=ANN) == {
        one: Standing(2, Role.OWNER),
        two: Standing(5, Role.OWNER),
    }
    assert await sessions.standings(ids, of=BOB) == {
        one: Standing(2, Role.MEMBER),
        two: Standing(5, None),
    }
    assert await sessions.standings(ids, of=CID) == {
        one: Standing(2, None),
        two: Standing(5, Role.OBSERVER),
    }
    nothing = {one: Standing(2, None), two: Standing(5, None)}
    assert await sessions.standings(ids, of=DAN) == nothing
    assert await sessions.standings(ids, of=SYSTEM) == nothing
    assert await sessions.standings([NOWHERE], of=ANN) == {}
    assert await sessions.standings([], of=ANN) == {}


async def test_many_standings(sessions: Sessions) -> None:
    """A thousand sessions can be asked for at once."""
    id = await begin(sessions)
    ids = [id, *(session_id(number) for number in range(2, 1001))]
    assert await sessions.standings(ids, of=ANN) == {id: Standing(2, Role.OWNER)}


# -- epoch -----------------------------------------------------------------------------------------


async def test_epoch(sessions: Sessions) -> None:
    """The log has a name, and keeps it whatever is written."""
    epoch = await sessions.epoch()
    assert 0 < len(epoch) <= 32
    await begin(sessions)
    assert epoch == await sessions.epoch()
