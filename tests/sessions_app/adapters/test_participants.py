"""Who takes part and how far they have read, as the batches of a lane write it."""

from typing import Any

import pytest

from flows.errors import UnknownUser
from flows.events import Body, ParticipantAdded, ParticipantRemoved, Role
from flows.session import Participant
from sessions_app.models import User
from tests.sessions_app.adapters.nodes import BOB, CID, Node


async def test_a_seat_in_one_batch(lane: Node) -> None:
    """Whatever becomes of a participant within one transaction, the row is what the fold says."""
    id = await lane.begin()
    histories: list[list[Body]] = [
        [ParticipantAdded("cid", Role.OBSERVER), ParticipantAdded("cid", Role.MEMBER)],
        [ParticipantRemoved("cid"), ParticipantAdded("cid", Role.OBSERVER)],
        [ParticipantAdded("bob", Role.OBSERVER), ParticipantRemoved("bob")],
        [ParticipantAdded("dan", Role.MEMBER), ParticipantRemoved("dan")],
        [ParticipantAdded("bob", Role.MEMBER)],
        [ParticipantRemoved("nobody"), ParticipantRemoved("dan")],
        [
            ParticipantRemoved("bob"),
            ParticipantAdded("bob", Role.OBSERVER),
            ParticipantRemoved("bob"),
        ],
    ]
    for history in histories:
        await lane.write(id, *history)
        await lane.require_sound(id)
    await lane.together(id, *(lane.write(id, body) for each in histories for body in each))
    await lane.require_sound(id)


async def test_a_cursor_in_one_batch(lane: Node) -> None:
    """Cursors take part in the batch: they never go back, and begin anew with their owner."""
    id = await lane.begin()

    def seen(seq: int, user: Any = BOB) -> Any:
        return lane.log.mark_seen(id, by=user, decide=lambda session: seq)

    done = await lane.together(id, seen(2), seen(1), seen(2), seen(3), seen(1, CID))
    assert done == [True, False, False, True, False]
    assert await lane.log.mark_seen(id, by=BOB, decide=lambda _: 3) is False
    assert (await lane.cursors(id))["bob"] == 3

    await lane.together(
        id,
        seen(4),
        lane.write(id, ParticipantRemoved("bob")),
        seen(5),
        lane.write(id, ParticipantAdded("bob", Role.MEMBER)),
    )
    assert await lane.cursors(id) == {"ann": 0, "bob": 0}
    await lane.require_sound(id)
    await lane.together(
        id, lane.write(id, ParticipantAdded("cid", Role.MEMBER)), seen(2, CID), seen(1)
    )
    assert await lane.cursors(id) == {"ann": 0, "bob": 1, "cid": 2}


async def test_disabled_users(lane: Node) -> None:
    """Who is disabled cannot be added nor begin a session; who takes part already still does."""
    id = await lane.begin()

    def disable() -> None:
        User.objects.using(lane.alias).filter(username__in=["bob", "cid"]).update(is_active=False)

    await lane.log.run(disable)
    for user in ("bob", "cid"):
        with pytest.raises(UnknownUser):
            await lane.write(id, ParticipantAdded(user, Role.OBSERVER))
    with pytest.raises(UnknownUser):
        await lane.begin(by=CID)
    assert (await lane.require_sound(id)).participants["bob"] == Participant("bob", Role.MEMBER)
    assert len(lane.announced) == 1
