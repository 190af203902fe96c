"""The list of somebody's sessions: whose, in which order, searched, and in pages."""

from uuid import UUID

import pytest

from flows.actor import SYSTEM, Actor, Right
from flows.atoms.sessions import Bookmark, Sessions, Summary
from flows.events import (
    MessageSent,
    ParticipantRemoved,
    Role,
    SessionEnded,
    SessionRenamed,
    SessionResumed,
)
from flows.session import Status
from tests.contracts.sessions.stage import (
    ANN,
    BOB,
    DAN,
    begin,
    listed,
    log,
    seen,
    session_id,
    write,
)
from tests.fakes import FixedClock


async def test_summary(sessions: Sessions) -> None:
    """A session is listed with its head, and with the role and the cursor of who asks."""
    id = await begin(sessions)
    await write(sessions, id, SessionEnded())
    await seen(sessions, id, 2)
    last = (await log(sessions, id))[-1].at
    assert [
        Summary(
            session_id=id,
            title="Roof repair",
            status=Status.ENDED,
            role=Role.MEMBER,
            head=3,
            seen=2,
            last_activity=last,
        )
    ] == await listed(sessions, BOB)


async def test_own_sessions(sessions: Sessions) -> None:
    """One lists the sessions one takes part in; by right all, where one may have no role."""
    one = await begin(sessions, 1)
    two = await begin(sessions, 2)
    await write(sessions, one, ParticipantRemoved("bob"))
    assert {one, two} == {each.session_id for each in await listed(sessions, ANN)}
    assert {two} == {each.session_id for each in await listed(sessions, BOB)}
    assert await listed(sessions, DAN) == []
    everything = await listed(sessions, Actor("bob", frozenset({Right.VIEW})))
    assert {one: None, two: Role.MEMBER} == {each.session_id: each.role for each in everything}
    assert [(each.role, each.seen) for each in await listed(sessions, SYSTEM)] == [(None, 0)] * 2


async def test_activity(sessions: Sessions, clock: FixedClock) -> None:
    """Newest activity first; of the same moment, the greater id. A write brings a session up."""
    two, one, three = [await begin(sessions, number) for number in (2, 1, 3)]
    assert [three, two, one] == [each.session_id for each in await listed(sessions)]
    clock.advance(seconds=0.001)
    await write(sessions, one, MessageSent("x"), key="1")
    assert [one, three, two] == [each.session_id for each in await listed(sessions)]
    clock.advance(seconds=0.001)
    await write(sessions, two, MessageSent("x"), key="2")
    assert [two, one, three] == [each.session_id for each in await listed(sessions)]
    everything = await listed(sessions, SYSTEM)
    assert [two, one, three] == [each.session_id for each in everything]


async def test_seen_is_no_activity(sessions: Sessions) -> None:
    """To have seen something leaves a session where it is in the list."""
    for number in (1, 2, 3):
        await begin(sessions, number)
    before = [(each.session_id, each.last_activity) for each in await listed(sessions)]
    await seen(sessions, session_id(1), 2, by=BOB)
    after = [(each.session_id, each.last_activity) for each in await listed(sessions)]
    assert before == after


async def test_status(sessions: Sessions) -> None:
    """The list can be narrowed to one status, as it is now."""
    one, two = await begin(sessions, 1), await begin(sessions, 2)
    await write(sessions, one, SessionEnded(), key="1")
    await write(sessions, two, SessionEnded(), SessionResumed(), key="2")
    assert [one] == [each.session_id for each in await listed(sessions, status=Status.ENDED)]
    assert [two] == [each.session_id for each in await listed(sessions, status=Status.OPEN)]


@pytest.mark.parametrize(
    ("search", "titles"),
    [
        ("", ["Roof 100 %", "roof_wall", "a\\b", "Dächer", "it's"]),
        ("oof", ["Roof 100 %", "roof_wall"]),
        ("ROOF", ["Roof 100 %", "roof_wall"]),
        ("f 1", ["Roof 100 %"]),
        ("%", ["Roof 100 %"]),
        ("_", ["roof_wall"]),
        ("f_w", ["roof_wall"]),
        ("f%w", []),
        ("\\", ["a\\b"]),
        ("\\%", []),
        ("ächer", ["Dächer"]),
        ("'", ["it's"]),
        (".*", []),
        (" ", ["Roof 100 %"]),
    ],
)
async def test_search(sessions: Sessions, search: str, titles: list[str]) -> None:
    """A search is a plain piece of the title, in any case of A to Z; no character is special."""
    for number, title in enumerate(["Roof 100 %", "roof_wall", "a\\b", "Dächer", "it's"], start=1):
        await begin(sessions, number, title=title)
    assert sorted(titles) == sorted(each.title for each in await listed(sessions, search=search))
    everything = await listed(sessions, SYSTEM, search=search)
    assert sorted(titles) == sorted(each.title for each in everything)


async def test_search_renamed(sessions: Sessions) -> None:
    """The title that is searched is the one of now."""
    id = await begin(sessions, title="Roof")
    await write(sessions, id, SessionRenamed("Wall"))
    assert await listed(sessions, search="Roof") == []
    assert len(await listed(sessions, search="Wall")) == 1


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
async def test_pages_of_sessions(sessions: Sessions, limit: int) -> None:
    """Who goes on after the last of each page sees every session once."""
    for number in range(1, 8):
        await begin(sessions, number)
    everything = await listed(sessions)
    read: list[Summary] = []
    before: Bookmark | None = None
    while page := await listed(sessions, before=before, limit=limit):
        assert len(page) <= limit
        read += page
        before = Bookmark(page[-1].last_activity, page[-1].session_id)
    assert len(read) == 7
    assert read == everything


@pytest.mark.parametrize("actor", [ANN, SYSTEM])
async def test_bookmarks_anywhere(sessions: Sessions, actor: Actor) -> None:
    """A bookmark need not be of a session that is listed, or that exists."""
    await begin(sessions)
    (one,) = await listed(sessions, actor)
    smallest, greatest = UUID(int=0), UUID(int=2**128 - 1)
    at = one.last_activity
    for bookmark, found in (
        (Bookmark("9999-12-31T23:59:59.999Z", smallest), [one]),
        (Bookmark(at, greatest), [one]),
        (Bookmark(at, one.session_id), []),
        (Bookmark(at, smallest), []),
        (Bookmark("0001-01-01T00:00:00.000Z", greatest), []),
    ):
        assert found == await listed(sessions, actor, before=bookmark)


async def test_all_conditions(sessions: Sessions) -> None:
    """Status, search, bookmark and limit hold together."""
    for number in range(1, 7):
        id = await begin(sessions, number, title="Roof" if number % 2 else "Wall")
        if number < 6:
            await write(sessions, id, SessionEnded(), key=f"end-{number}")
    found = await listed(sessions, status=Status.ENDED, search="roof", limit=2)
    assert len(found) == 2
    before = Bookmark(found[-1].last_activity, found[-1].session_id)
    found += await listed(sessions, status=Status.ENDED, search="roof", limit=2, before=before)
    assert {session_id(number) for number in (1, 3, 5)} == {each.session_id for each in found}
    assert len(found) == 3
