"""Listing the sessions one takes part in."""

import base64
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flows.actor import SYSTEM
from flows.atoms.sessions import Bookmark
from flows.errors import InvalidValue
from flows.events import MessageSent, ParticipantRemoved, SessionEnded, SessionRenamed, timestamp
from flows.list_sessions import ListSessions, list_sessions, read_cursor, write_cursor
from flows.mark_seen import MarkSeen, mark_seen
from flows.session import Status
from tests.flows.stage import NOWHERE, Stage

AT = "2026-11-22T19:03:11.412Z"


async def titles(stage: Stage, *, by: Any = "ann", **asked: Any) -> list[str]:
    found = await stage.run(list_sessions, ListSessions(**asked), by=by)
    return [each.title for each in found.sessions]


async def begin(stage: Stage, *names: str) -> list[UUID]:
    """Sessions of these titles, a second after one another."""
    made: list[UUID] = []
    for name in names:
        stage.clock.advance(seconds=1)
        made.append(await stage.begin(title=name))
    return made


async def test_works(stage: Stage) -> None:
    """A session in the list is told with its head and with the role and cursor of who asks."""
    (session_id,) = await begin(stage, "Roof repair")
    await stage.run(mark_seen, MarkSeen(session_id=session_id, seq=2), by="cid")

    found = await stage.run(list_sessions, ListSessions(), by="cid")

    assert {
        "sessions": [
            {
                "session_id": str(session_id),
                "title": "Roof repair",
                "status": "open",
                "role": "observer",
                "head": 3,
                "seen": 2,
                "last_activity": "2026-11-22T19:03:12.412Z",
            }
        ],
        "next": None,
    } == msgspec.to_builtins(found)


async def test_newest_activity_first(stage: Stage) -> None:
    """Whatever happens in a session brings it to the top; to have seen it is no activity."""
    first, second, _ = await begin(stage, "a", "b", "c")
    assert await titles(stage) == ["c", "b", "a"]
    stage.clock.advance(seconds=1)
    await stage.run(mark_seen, MarkSeen(session_id=second, seq=3))
    assert await titles(stage) == ["c", "b", "a"]
    await stage.happen(first, MessageSent("x"))
    assert await titles(stage) == ["a", "c", "b"]


async def test_the_same_moment(stage: Stage) -> None:
    """Of sessions with activity in the same millisecond, the later id comes first."""
    for name in "abc":
        await stage.begin(title=name)
    assert await titles(stage) == ["c", "b", "a"]
    found = await stage.run(list_sessions, ListSessions(limit=2))
    assert await titles(stage, before=found.next) == ["a"]


async def test_only_ones_own(stage: Stage) -> None:
    """Who takes part in none, or no more, sees none; by right one sees all."""
    a, _ = await begin(stage, "a", "b")
    assert await titles(stage, by="dan") == []
    stage.clock.advance(seconds=1)
    await stage.happen(a, ParticipantRemoved("bob"))
    assert await titles(stage, by="bob") == ["b"]
    assert await titles(stage, by=SYSTEM) == ["a", "b"]
    found = await stage.run(list_sessions, ListSessions(), by=SYSTEM)
    assert [(each.role, each.seen) for each in found.sessions] == [(None, 0)] * 2


async def test_status(stage: Stage) -> None:
    """The list can be narrowed to the open or to the ended ones."""
    a, _ = await begin(stage, "a", "b")
    stage.clock.advance(seconds=1)
    await stage.happen(a, SessionEnded())
    assert await titles(stage, status=Status.OPEN) == ["b"]
    assert await titles(stage, status=Status.ENDED) == ["a"]
    assert await titles(stage) == ["a", "b"]


async def test_search(stage: Stage) -> None:
    """A search is a plain piece of the title as it is now: no character of it is special."""
    a, _, _ = await begin(stage, "Roof repair", "100 % wet", "under_score")
    assert await titles(stage, search="Roof") == ["Roof repair"]
    assert await titles(stage, search="f r") == ["Roof repair"]
    assert await titles(stage, search="%") == ["100 % wet"]
    assert await titles(stage, search="_") == ["under_score"]
    assert len(await titles(stage, search="")) == 3
    assert await titles(stage, search="\\") == []
    await stage.happen(a, SessionRenamed("Gutter"))
    assert await titles(stage, search="Roof") == []


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7, 8])
async def test_pages(stage: Stage, limit: int) -> None:
    """Who follows `next` to the end has read every session once; the last page has none."""
    await begin(stage, *"abcdefg")
    read: list[str] = []
    before: str | None = None
    while True:
        found = await stage.run(list_sessions, ListSessions(limit=limit, before=before))
        assert 0 < len(found.sessions) <= limit
        read += [each.title for each in found.sessions]
        if found.next is None:
            break
        before = found.next
    assert [*"gfedcba"] == read


async def test_limits(stage: Stage) -> None:
    """A page has at most 200 sessions, and 50 when nobody said how many."""
    await begin(stage, *(f"{number}" for number in range(201)))
    for raw, length in (({}, 50), ({"limit": 1}, 1), ({"limit": 200}, 200)):
        found = await stage.run_raw(list_sessions, raw)
        assert length == len(found.sessions)


@pytest.mark.parametrize(
    ("path", "raw"),
    [
        ("$.limit", {"limit": 0}),
        ("$.limit", {"limit": 201}),
        ("$.limit", {"limit": 10**9}),
        ("$.limit", {"limit": "10"}),
        ("$.limit", {"limit": True}),
        ("$.status", {"status": "deleted"}),
        ("$.search", {"search": "x" * 201}),
        ("$.search", {"search": "\x00"}),
        ("$.search", {"search": 7}),
        ("$.before", {"before": 7}),
        ("$.after", {"after": "x"}),
    ],
)
async def test_bad_input(stage: Stage, path: str, raw: dict[str, object]) -> None:
    """A value out of bounds, and a field that does not exist, are refused by path."""
    await stage.invalid(path, list_sessions, raw)


def coded(*parts: object) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(parts)).decode()


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "=",
        "'; DROP TABLE x;--",
        "a\x00",
        "\ud800",
        "💥",
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
        base64.urlsafe_b64encode(b'{"last_activity":1}').decode(),
        coded(),
        coded(AT),
        coded(7, str(NOWHERE)),
        coded(AT, "no uuid"),
        coded(AT, str(NOWHERE), "more"),
        coded(AT, str(NOWHERE).upper()),
        coded(AT, NOWHERE.hex),
        coded("", str(NOWHERE)),
        coded("yesterday", str(NOWHERE)),
        coded("' OR 1=1 --", str(NOWHERE)),
        coded("2026-11-22", str(NOWHERE)),
        coded("2026-11-22T19:03:11Z", str(NOWHERE)),
        coded("2026-11-22T19:03:11.412", str(NOWHERE)),
        coded("2026-11-22T19:03:11.412345Z", str(NOWHERE)),
        coded("2026-11-22T19:03:11.412+00:00", str(NOWHERE)),
        coded("2026-11-22T20:03:11.412+01:00", str(NOWHERE)),
        coded("2026-02-30T19:03:11.412Z", str(NOWHERE)),
        coded("0001-01-01T00:00:00.000+23:59", str(NOWHERE)),
        coded("9999-12-31T23:59:59.999-23:59", str(NOWHERE)),
        base64.urlsafe_b64encode(f'["{AT}", "{NOWHERE}"]'.encode()).decode(),
        coded(AT, str(NOWHERE)) + "\n",
        coded(AT, str(NOWHERE)).rstrip("=") + "====",
    ],
)
async def test_a_cursor_that_is_not_ours(stage: Stage, cursor: str) -> None:
    """What we did not write as a `next` is refused at `$.before`, however near it comes."""
    error = await stage.refused(InvalidValue, list_sessions, ListSessions(before=cursor))
    assert (error.code, error.fields()) == ("invalid_input", {"path": "$.before"})


@given(at=st.datetimes(timezones=st.just(UTC)), session_id=st.uuids())
def test_cursor_round_trip(at: datetime, session_id: UUID) -> None:
    """A bookmark that was written is read as it was."""
    bookmark = Bookmark(timestamp(at), session_id)
    assert bookmark == read_cursor(write_cursor(bookmark))


@given(st.text() | st.binary().map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
@example(coded(AT, str(NOWHERE)))
def test_any_word_as_a_cursor(word: str) -> None:
    """Any text is a cursor of ours or refused as none; none crashes."""
    with suppress(InvalidValue):
        assert word == write_cursor(read_cursor(word))
