"""Reading a session's log, a page at a time."""

from typing import Any
from uuid import UUID

import msgspec
import pytest

from flows.actor import SYSTEM
from flows.errors import SessionNotFound
from flows.events import Kind, MessageSent, SessionRenamed
from flows.input import MAX_INT
from flows.list_events import EventList, ListEvents, list_events
from flows.send_message import SendMessage, send_message
from tests.flows.stage import NOWHERE, Stage


async def talk(stage: Stage, messages: int = 7) -> UUID:
    """A session whose head is 3 + `messages`."""
    session_id = await stage.begin()
    await stage.happen(session_id, *(MessageSent(str(number)) for number in range(messages)))
    return session_id


async def page(
    stage: Stage, session_id: UUID, *, by: Any = "ann", **more: Any
) -> tuple[list[int], bool]:
    input = ListEvents(session_id=session_id, **more)
    found = await stage.run(list_events, input, by=by)
    return [event.seq for event in found.events], found.more


async def test_works(stage: Stage) -> None:
    """Events are listed as they were announced, whole and ascending, and the head beside them."""
    session_id = await stage.begin(title="Roof repair")
    input = SendMessage(session_id=session_id, text="It leaks.", key="c-2")
    await stage.run(send_message, input, by="bob")

    found = await stage.run(list_events, ListEvents(session_id=session_id, after=3), by="bob")

    assert EventList(events=stage.sessions.log(session_id)[3:], head=4, more=False) == found
    assert {
        "session_id": str(session_id),
        "seq": 4,
        "kind": "message_sent",
        "actor": "bob",
        "at": "2026-11-22T19:03:11.412Z",
        "key": "c-2",
        "data": {"text": "It leaks."},
    } == msgspec.to_builtins(found.events[0])


async def test_keys_of_others(stage: Stage) -> None:
    """A key is shown to its author only; for others the field is not there."""
    session_id = await stage.begin()
    input = SendMessage(session_id=session_id, text="x", key="c-2")
    await stage.run(send_message, input, by="bob")
    for reader in ("ann", "cid", SYSTEM):
        found = await stage.run(list_events, ListEvents(session_id=session_id, after=3), by=reader)
        assert "key" not in msgspec.to_builtins(found.events[0])


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
        ({"before": MAX_INT, "limit": 1}, [10], True),
        ({"before": 1}, [], False),
        ({"before": 0}, [], False),
    ],
)
async def test_pages(stage: Stage, asked: dict[str, int], seqs: list[int], *, more: bool) -> None:
    """`after` reads on, `before` reads back, neither reads the end; `more` are beyond the page."""
    assert (seqs, more) == await page(stage, await talk(stage), **asked)


async def test_kinds(stage: Stage) -> None:
    """With kinds, only events of these are listed and counted."""
    session_id = await talk(stage, 2)
    await stage.happen(session_id, SessionRenamed("x"), MessageSent("y"))
    sent = [Kind.MESSAGE_SENT]
    assert await page(stage, session_id, kinds=sent) == ([4, 5, 7], False)
    assert await page(stage, session_id, kinds=sent, after=0, limit=2) == ([4, 5], True)
    assert await page(stage, session_id, kinds=sent, limit=2) == ([5, 7], True)
    assert await page(stage, session_id, kinds=sent, before=7, limit=2) == ([4, 5], False)
    both = [*sent, Kind.SESSION_RENAMED]
    assert await page(stage, session_id, kinds=both) == ([4, 5, 6, 7], False)
    assert await page(stage, session_id, kinds=[Kind.SESSION_ENDED]) == ([], False)
    assert await page(stage, session_id, kinds=[]) == ([], False)


async def test_every_event_once(stage: Stage) -> None:
    """Who pages forward or back to the end has read every event once."""
    session_id = await talk(stage, 20)
    forward: list[int] = []
    more = True
    while more:
        seqs, more = await page(stage, session_id, after=forward[-1] if forward else 0, limit=4)
        forward += seqs
    back, more = await page(stage, session_id, limit=4)
    while more:
        seqs, more = await page(stage, session_id, before=back[0], limit=4)
        back = seqs + back
    assert list(range(1, 24)) == forward == back


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("$.limit", {"limit": 0}),
        ("$.limit", {"limit": 501}),
        ("$.limit", {"limit": -5}),
        ("$.limit", {"limit": True}),
        ("$.after", {"after": -1}),
        ("$.after", {"after": "1"}),
        ("$.after", {"after": MAX_INT + 1}),
        ("$.before", {"before": "9"}),
        ("$.before", {"before": -1}),
        ("$.before", {"before": True}),
        ("$.before", {"after": 1, "before": 3}),
        ("$.kinds", {"kinds": "message_sent"}),
        ("$.kinds[0]", {"kinds": [1]}),
        ("$.kinds[1]", {"kinds": ["message_sent", "message_deleted"]}),
        ("$.user", {"user": "bob"}),
        ("$.session_id", {"session_id": []}),
    ],
)
async def test_bad_input(stage: Stage, path: str, fields: dict[str, object]) -> None:
    """A value out of bounds, both directions at once, and a field that does not exist are
    refused by path.
    """
    await stage.invalid(path, list_events, {"session_id": str(await stage.begin())} | fields)


async def test_limits(stage: Stage) -> None:
    """A page has at most 500 events, and 100 when nobody said how many."""
    session_id = await talk(stage, 600)
    for asked, length in (({}, 100), ({"limit": 1}, 1), ({"limit": 500}, 500)):
        found = await stage.run_raw(list_events, {"session_id": str(session_id)} | asked)
        assert (length, 603, True) == (len(found.events), found.events[-1].seq, found.more)


async def test_who_may(stage: Stage) -> None:
    """Whoever takes part may read, also what has ended; so may who has the right."""
    session_id = await stage.ended()
    for by in ("ann", "bob", "cid", SYSTEM):
        assert await page(stage, session_id, by=by) == ([1, 2, 3, 4], False)


async def test_not_found(stage: Stage) -> None:
    """A session that one takes no part in looks like none; there is none for the system either."""
    await stage.hides(list_events, lambda id: ListEvents(session_id=id, after=0))
    nowhere = ListEvents(session_id=NOWHERE)
    await stage.refused(SessionNotFound, list_events, nowhere, by=SYSTEM)
