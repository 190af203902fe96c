"""What is stored is what was said, and when."""

from typing import Any

import pytest

from flows.atoms.sessions import Sessions
from flows.events import MessageSent, SessionEnded
from flows.input import MAX_INT
from tests.contracts.sessions.stage import begin, listed, log, now, write
from tests.fakes import FixedClock


@pytest.mark.parametrize(
    "text",
    [
        " ",
        "  a  ",
        "null",
        "é",
        "e\u0301",
        "田中さん",
        "👩\u200d👩\u200d👧",
        "a\tb\nc\r\nd",
        "\x01\b\x1f\x7f\x85\u2028",
        "\ufeffa\ufeffb",
        "'; DROP TABLE x; --",
        "\\u0000 \\x00 %s {} %(a)s",
        "💥" * 16_384,
    ],
)
async def test_text(sessions: Sessions, text: str) -> None:
    """Text comes back character for character, from events, sessions and lists."""
    id = await begin(sessions, title=text[:200])
    await write(sessions, id, MessageSent(text))
    created, _, sent = await log(sessions, id)
    assert text[:200] == created.data["title"] == (await now(sessions, id)).title
    assert sent.data == {"text": text}
    assert [text[:200]] == [each.title for each in await listed(sessions)]


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        0,
        MAX_INT,
        -MAX_INT,
        0.1,
        -1.5e-7,
        1e-300,
        123456789.123,
        9e15,
        "💥\x01\\",
        [],
        {},
        [[{"": [1, "1", 1.5]}], None],
        {"b": 1, "a": {"\\": "'", "ключ": "\u2028"}},
    ],
)
async def test_metadata(sessions: Sessions, value: Any) -> None:
    """JSON comes back as it was: numbers as numbers, bools as bools, null as null."""
    metadata = {"value": value}
    id = await begin(sessions, metadata=metadata)
    await write(sessions, id, MessageSent("x", metadata=metadata))
    created, _, sent = await log(sessions, id)
    assert metadata == created.data["metadata"] == sent.data["metadata"]
    session = await now(sessions, id)
    assert metadata == session.metadata
    assert repr(sorted(value) if isinstance(value, dict) else value) == repr(
        sorted(session.metadata["value"]) if isinstance(value, dict) else session.metadata["value"]
    )


async def test_times(sessions: Sessions, clock: FixedClock) -> None:
    """Times are those of the clock, to the millisecond, and the same wherever they are told."""
    id = await begin(sessions)
    clock.advance(seconds=1.0005)
    await write(sessions, id, MessageSent("x"), MessageSent("y"), key="1")
    clock.advance(seconds=1)
    await write(sessions, id, SessionEnded(), key="2")
    times = [each.at for each in await log(sessions, id)]
    begun, written, ended = (f"2026-11-22T19:03:1{second}.412Z" for second in (1, 2, 3))
    assert [begun, begun, written, written, ended] == times
    session = await now(sessions, id)
    assert (begun, ended) == (session.created_at, session.ended_at)
    assert [ended] == [each.last_activity for each in await listed(sessions)]
