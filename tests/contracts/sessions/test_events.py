"""The log of a session, read in pages."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from flows.actor import SYSTEM
from flows.atoms.sessions import EventPage, Sessions, Standing
from flows.events import Kind, MessageSent, Role, SessionRenamed
from flows.input import MAX_INT
from tests.contracts.sessions.stage import ANN, BOB, DAN, NOWHERE, begin, log, write


async def talk(sessions: Sessions) -> UUID:
    """A session whose head is 10: a creation, Bob, 7 messages, a title."""
    id = await begin(sessions)
    said = [MessageSent(f"{number}") for number in range(7)]
    await write(sessions, id, *said, SessionRenamed("x"), by=BOB)
    return id


async def page(
    sessions: Sessions,
    id: UUID,
    *,
    after: int | None = None,
    before: int | None = None,
    kinds: Sequence[Kind] | None = None,
    limit: int = 100,
) -> tuple[list[int], bool]:
    found = await sessions.events(id, of=ANN, after=after, before=before, kinds=kinds, limit=limit)
    assert found is not None
    assert found.standing == Standing(10, Role.OWNER)
    return [each.seq for each in found.events], found.more


MESSAGES = [Kind.MESSAGE_SENT]


@pytest.mark.parametrize(
    ("asked", "seqs", "more"),
    [
        ({}, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], False),
        ({"limit": 10}, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], False),
        ({"limit": 3}, [8, 9, 10], True),
        ({"after": 0, "limit": 3}, [1, 2, 3], True),
        ({"after": 7, "limit": 3}, [8, 9, 10], False),
        ({"after": 6, "limit": 3}, [7, 8, 9], True),
        ({"after": 10}, [], False),
        ({"after": MAX_INT}, [], False),
        ({"before": 8, "limit": 3}, [5, 6, 7], True),
        ({"before": 4, "limit": 3}, [1, 2, 3], False),
        ({"before": 5, "limit": 3}, [2, 3, 4], True),
        ({"before": MAX_INT, "limit": 1}, [10], True),
        ({"before": 1}, [], False),
        ({"before": 0}, [], False),
        ({"kinds": MESSAGES}, [3, 4, 5, 6, 7, 8, 9], False),
        ({"kinds": MESSAGES, "limit": 2}, [8, 9], True),
        ({"kinds": MESSAGES, "limit": 7}, [3, 4, 5, 6, 7, 8, 9], False),
        ({"kinds": MESSAGES, "after": 0, "limit": 2}, [3, 4], True),
        ({"kinds": MESSAGES, "after": 7, "limit": 2}, [8, 9], False),
        ({"kinds": MESSAGES, "before": 5, "limit": 2}, [3, 4], False),
        ({"kinds": [*MESSAGES, Kind.SESSION_RENAMED], "after": 7}, [8, 9, 10], False),
        ({"kinds": [Kind.SESSION_ENDED]}, [], False),
        ({"kinds": []}, [], False),
        ({"kinds": [], "after": 0}, [], False),
    ],
)
async def test_events(
    sessions: Sessions, asked: dict[str, Any], seqs: list[int], *, more: bool
) -> None:
    """`after` reads the first ones after, `before` and neither the last ones; always ascending;
    `more` are beyond, in that direction and of these kinds.
    """
    assert (seqs, more) == await page(sessions, await talk(sessions), **asked)


async def test_event_of_ones_own(sessions: Sessions) -> None:
    """An author's key is on the events of that author only, when that author reads."""
    id = await talk(sessions)
    for reader, keys in ((BOB, {"k"}), (ANN, {"begin-1"}), (SYSTEM, set())):
        events = await log(sessions, id, of=reader)
        shown = {each.key for each in events if isinstance(each.key, str)}
        assert keys == shown
        assert all((each.actor == reader.name) == isinstance(each.key, str) for each in events)


async def test_events_to_strangers(sessions: Sessions) -> None:
    """The standing of who asks comes with the events, so that the asker can be refused."""
    id = await talk(sessions)
    for actor, role in ((BOB, Role.MEMBER), (DAN, None), (SYSTEM, None)):
        found = await sessions.events(id, of=actor, after=10, limit=1)
        assert EventPage(Standing(10, role), [], more=False) == found


async def test_events_nowhere(sessions: Sessions) -> None:
    """Where there is no session there is no page."""
    assert await sessions.events(NOWHERE, of=ANN, limit=1) is None
    assert await sessions.events(NOWHERE, of=ANN, after=0, kinds=[], limit=1) is None
