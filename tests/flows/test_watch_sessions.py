"""Receiving what happens in sessions."""

from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from flows.actor import SYSTEM
from flows.atoms.limits import Limits
from flows.engine import MissingDependency
from flows.errors import InvalidValue, LimitReached, Unavailable
from flows.events import MessageSent, ParticipantRemoved
from flows.input import MAX_INT
from flows.watch_sessions import Watch, WatchResult, WatchSessions, watch_sessions
from tests.fakes import Follow
from tests.flows.stage import NOWHERE, Stage, on_stage


async def watch(
    stage: Stage, *wanted: tuple[UUID, int], by: Any = "ann", epoch: str | None = None
) -> WatchResult:
    input = WatchSessions(sessions=[Watch(*each) for each in wanted], epoch=epoch)
    return await stage.run(watch_sessions, input, by=by, connected=True)


async def test_works(stage: Stage) -> None:
    """What is watched is sent from the position asked for, up to the head and on."""
    one, two = await stage.begin(), await stage.begin()
    await stage.happen(two, MessageSent("x"))

    result = await watch(stage, (one, 0), (two, 3))

    assert {
        "watching": [{"session_id": str(one), "head": 3}, {"session_id": str(two), "head": 4}],
        "refused": [],
    } == msgspec.to_builtins(result)
    assert [Follow(one, after=0, head=3), Follow(two, after=3, head=4)] == stage.watcher.follows


async def test_registers_first(stage: Stage) -> None:
    """The head is read after the watch is in place, so that no event falls in between."""
    session_id = await stage.begin()
    stage.calls.clear()
    await watch(stage, (session_id, 0))
    assert stage.calls == ["register", "standings", "epoch", "follow"]


async def test_from_the_head(stage: Stage) -> None:
    """A client that is up to date gets only what comes."""
    session_id = await stage.begin()
    await watch(stage, (session_id, 3))
    assert [Follow(session_id, after=3, head=3)] == stage.watcher.follows


async def test_only_new_ones(stage: Stage) -> None:
    """`after: -1` is from the head, wherever that is, and belongs to any epoch."""
    session_id = await stage.begin()
    result = await watch(stage, (session_id, -1), epoch="e0")
    assert [Follow(session_id, after=3, head=3)] == stage.watcher.follows
    assert result.refused == []


async def test_again(stage: Stage) -> None:
    """Watching again moves the position, forward or back."""
    session_id = await stage.begin()
    for after in (3, 1):
        await watch(stage, (session_id, after))
    follows = [Follow(session_id, after=3, head=3), Follow(session_id, after=1, head=3)]
    assert follows == stage.watcher.follows


async def test_none(stage: Stage) -> None:
    """Watching no sessions is no mistake."""
    assert WatchResult([], []) == await watch(stage)


@pytest.mark.parametrize("by", ["ann", "bob", "cid", SYSTEM])
async def test_who_may(stage: Stage, by: Any) -> None:
    """Whoever takes part watches, also what has ended; so does who has the right to read."""
    session_id = await stage.ended()
    result = await watch(stage, (session_id, 0), by=by)
    assert [session_id] == [each.session_id for each in result.watching]


async def test_not_found(stage: Stage) -> None:
    """A session that one takes no part in, or no more, is refused just like none."""
    foreign, left = await stage.begin(), await stage.begin()
    await stage.happen(left, ParticipantRemoved("dan"))
    result = await watch(stage, (foreign, 0), (NOWHERE, 0), (left, 99), by="dan")
    assert [
        {"session_id": str(each), "code": "session_not_found"} for each in (foreign, NOWHERE, left)
    ] == msgspec.to_builtins(result.refused)
    assert stage.watcher.follows == []


async def test_one_of_two(stage: Stage) -> None:
    """A session that is refused does not hurt its neighbour."""
    session_id = await stage.begin()
    result = await watch(stage, (NOWHERE, 0), (session_id, 0))
    assert [each.session_id for each in result.refused] == [NOWHERE]
    assert [session_id] == [each.session_id for each in result.watching]
    assert {session_id} == stage.watcher.watching


@pytest.mark.parametrize(
    ("after", "epoch"),
    [(4, None), (4, "e1"), (MAX_INT, None), (0, "e0"), (3, "e0"), (4, "e0"), (0, "")],
)
async def test_unrecoverable_position(stage: Stage, after: int, epoch: str | None) -> None:
    """A position after the head, or of another epoch, is refused with what is true instead."""
    session_id = await stage.begin()
    result = await watch(stage, (session_id, after), epoch=epoch)
    assert [
        {"session_id": str(session_id), "code": "unrecoverable_position", "head": 3, "epoch": "e1"}
    ] == msgspec.to_builtins(result.refused)
    assert ([], set()) == (stage.watcher.follows, stage.watcher.watching)


async def test_the_same_epoch(stage: Stage) -> None:
    """A position of this epoch is good."""
    session_id = await stage.begin()
    result = await watch(stage, (session_id, 0), epoch="e1")
    assert result.refused == []


async def test_refused_while_watched(stage: Stage) -> None:
    """A session that is refused is watched no more, if it was."""
    session_id = await stage.begin()
    await watch(stage, (session_id, 0))
    await watch(stage, (session_id, 4))
    assert ([session_id], set()) == (stage.watcher.forgotten, stage.watcher.watching)


async def test_the_same_twice(stage: Stage) -> None:
    """A session named twice in one call is refused where it stands the second time."""
    one, two = await stage.begin(), await stage.begin()
    wanted = [Watch(one, 0), Watch(two, 0), Watch(one, 3)]
    error = await stage.refused(
        InvalidValue, watch_sessions, WatchSessions(sessions=wanted), connected=True
    )
    path = {"path": "$.sessions[2].session_id"}
    assert ("invalid_input", path) == (error.code, error.fields())


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("$.sessions", {"sessions": "x"}),
        ("$.sessions", {"sessions": None}),
        ("$.sessions[0]", {"sessions": [None]}),
        ("$.sessions[0].session_id", {"sessions": [{"session_id": 7, "after": 0}]}),
        ("$.epoch", {"epoch": 1}),
        ("$.epoch", {"epoch": "x" * 65}),
        ("$.epoch", {"epoch": "\x00"}),
        ("$.after", {"after": 1}),
    ],
)
async def test_bad_input(stage: Stage, path: str, fields: dict[str, object]) -> None:
    """A value of the wrong kind, and a field that does not exist, are refused by path."""
    await stage.invalid(path, watch_sessions, {"sessions": []} | fields, connected=True)


@pytest.mark.parametrize("after", ["5", True, None, {"a": 1}, -2, 1.5, MAX_INT + 1, -(2**63)])
async def test_bad_position(stage: Stage, after: object) -> None:
    """A position is -1 or a seq; one bad entry and nothing at all is watched."""
    good = {"session_id": str(await stage.begin()), "after": 0}
    bad = {"session_id": str(NOWHERE), "after": after}
    raw = {"sessions": [good, bad]}
    await stage.invalid("$.sessions[1].after", watch_sessions, raw, connected=True)
    assert stage.watcher.registered == []


async def test_unknown_field_of_an_entry(stage: Stage) -> None:
    """A typo in `after` must not silently replay everything."""
    raw = {"sessions": [{"session_id": str(NOWHERE), "after": 0, "user": "bob"}]}
    await stage.invalid("$.sessions[0].user", watch_sessions, raw, connected=True)
    raw = {"sessions": [{"session_id": str(NOWHERE), "afer": 0}]}
    await stage.invalid("$.sessions[0].afer", watch_sessions, raw, connected=True)


async def test_limit(stage: Stage) -> None:
    """The 1,001st session is one too many, whether asked for at once or after others."""
    wanted = [Watch(uuid4(), 0) for _ in range(1001)]
    error = await stage.refused(
        LimitReached, watch_sessions, WatchSessions(sessions=wanted), connected=True
    )
    assert (error.code, error.fields()) == ("limit_reached", {"limit": 1000})
    assert stage.watcher.registered == []
    result = await stage.run(watch_sessions, WatchSessions(sessions=wanted[:1000]), connected=True)
    assert len(result.refused) == 1000


async def test_limit_counts_a_session_once() -> None:
    """Whoever watches as much as they may can still move a position, but watch no other."""
    async with on_stage(Limits(watching=2)) as stage:
        one, two, three = [await stage.begin() for _ in range(3)]
        await watch(stage, (one, 0), (two, 0))
        await watch(stage, (one, 3), (two, 3))
        more = WatchSessions(sessions=[Watch(three, 0)])
        await stage.refused(LimitReached, watch_sessions, more, connected=True)


async def test_unavailable(stage: Stage) -> None:
    """When the log cannot be read, nothing is watched that was not watched before."""
    session_id = await stage.begin()
    stage.sessions.available = False
    wanted = WatchSessions(sessions=[Watch(session_id, 0)])
    await stage.refused(Unavailable, watch_sessions, wanted, connected=True)


async def test_no_connection(stage: Stage) -> None:
    """Without a connection there is no watching."""
    with pytest.raises(MissingDependency, match="watcher"):
        await stage.run(watch_sessions, WatchSessions(sessions=[]))
