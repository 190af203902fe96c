"""What the small client watches, on connections that break."""

import asyncio
from contextlib import aclosing

import pytest

from sessions_app.client import CallFailed, SessionsClient
from tests.sessions_app.scenes import SESSION, Peer, playing, stay


async def read(client: SessionsClient, after: int, number: int) -> list[int]:
    """The seqs of the next `number` events after `after`."""
    got: list[int] = []
    async with aclosing(client.watch(SESSION, after)) as events:
        async for event in events:
            got.append(event["seq"])
            if len(got) == number:
                break
    return got


async def test_events_come_in_order() -> None:
    """A watch yields the events after its position; others are ignored."""

    async def scene(peer: Peer) -> None:
        await peer.welcome()
        await peer.take_watch(2)
        await peer.tell("event", {"session_id": "another", "seq": 3})
        await peer.tell("live", {"session_id": SESSION, "head": 2})
        await peer.tell("something_new", {"whatever": True})
        await peer.event(3, 4, 5)
        await stay(peer)

    async with playing(scene) as client:
        assert await read(client, 2, 3) == [3, 4, 5]


async def test_an_event_comes_once() -> None:
    """An event that comes twice, or late, is yielded once."""

    async def scene(peer: Peer) -> None:
        await peer.welcome()
        await peer.take_watch(0)
        await peer.event(1, 1, 2, 1, 2, 3)
        await stay(peer)

    async with playing(scene) as client:
        assert await read(client, 0, 3) == [1, 2, 3]


async def test_a_gap_is_asked_for() -> None:
    """When an event is missing, the client watches again from its last one, once."""

    async def scene(peer: Peer) -> None:
        await peer.welcome()
        await peer.take_watch(0)
        await peer.event(1, 4, 5)
        await peer.take_watch(1)
        await peer.event(2, 3, 4, 5)
        await peer.answer(await peer.take("ping"), {})
        await stay(peer)

    async with playing(scene) as client:
        assert await read(client, 0, 5) == [1, 2, 3, 4, 5]
        # Nothing else was asked before this.
        assert await client.call("ping", {}) == {}


async def test_a_second_gap_is_asked_for() -> None:
    """A gap after one that was repaired is asked for, too."""

    async def scene(peer: Peer) -> None:
        await peer.welcome()
        await peer.take_watch(0)
        await peer.event(2)
        await peer.take_watch(0)
        await peer.event(1, 3)
        await peer.take_watch(1)
        await peer.event(2, 3)
        await stay(peer)

    async with playing(scene) as client:
        assert await read(client, 0, 3) == [1, 2, 3]


async def test_a_missing_end_is_asked_for() -> None:
    """When the server tells a head that has not come, and only then, the client watches again."""

    async def scene(peer: Peer) -> None:
        await peer.welcome()
        await peer.take_watch(0)
        await peer.event(1)
        await peer.tell("ping", {"heads": {SESSION: 1, "another": 9}})
        await peer.tell("ping", {"heads": {}})
        await peer.tell("ping", {"heads": {SESSION: 3}})
        await peer.tell("ping", {"heads": {SESSION: 3}})
        await peer.take_watch(1)
        await peer.event(2, 3)
        await peer.answer(await peer.take("ping"), {})
        await stay(peer)

    async with playing(scene) as client:
        assert await read(client, 0, 3) == [1, 2, 3]
        assert await client.call("ping", {}) == {}


async def test_it_resumes_where_it_was() -> None:
    """After a reconnect a watch goes on from its last event, in the epoch of the first welcome."""

    async def cut_off(peer: Peer) -> None:
        await peer.welcome("e1")
        await peer.take_watch(0)
        await peer.event(1, 2)

    async def again(peer: Peer) -> None:
        await peer.welcome("e2")
        await peer.take_watch(2)
        await peer.event(3)
        await stay(peer)

    async with playing(cut_off, again) as client:
        assert await read(client, 0, 3) == [1, 2, 3]


async def test_a_drain_is_left_for_another_connection_first() -> None:
    """The old connection is closed when the new one is; nothing is missed or doubled in between."""
    opened = asyncio.Event()

    async def draining(peer: Peer) -> None:
        await peer.welcome()
        await peer.take_watch(0)
        await peer.event(1)
        await peer.tell("draining", {"reconnect_in_ms": [0, 10], "deadline_ms": 5000})
        await opened.wait()
        # Still served, until the client goes by itself.
        await peer.event(2)
        await peer.socket.wait_closed()
        assert peer.socket.close_code == 1000

    async def another(peer: Peer) -> None:
        opened.set()
        await peer.welcome()
        watched = await peer.take("watch_sessions")
        after = watched["params"]["sessions"][0]["after"]
        assert after in {1, 2}
        await peer.answer(watched, {"watching": [], "refused": []})
        await peer.event(*range(after + 1, 4))
        await stay(peer)

    async with playing(draining, another) as client:
        assert await read(client, 0, 3) == [1, 2, 3]


async def test_a_drain_with_nowhere_to_go_yet_is_tried_again() -> None:
    """When no other process answers before the old one has ended, the client goes on trying."""

    async def draining(peer: Peer) -> None:
        await peer.welcome()
        await peer.take_watch(0)
        await peer.event(1)
        await peer.tell("draining", {"reconnect_in_ms": [0, 0], "deadline_ms": 5000})

    async def not_yet(peer: Peer) -> None:
        await peer.socket.close(4001)

    async def another(peer: Peer) -> None:
        await peer.welcome()
        await peer.take_watch(1)
        await peer.event(2)
        await stay(peer)

    async with playing(draining, not_yet, another) as client:
        assert await read(client, 0, 2) == [1, 2]


@pytest.mark.parametrize("code", ["session_not_found", "unrecoverable_position"])
async def test_a_refused_watch_is_told(code: str) -> None:
    """A session that cannot be watched says so, and the client can go on with others."""

    async def scene(peer: Peer) -> None:
        await peer.welcome()
        request = await peer.take("watch_sessions")
        refused = [{"session_id": SESSION, "code": code}]
        await peer.answer(request, {"watching": [], "refused": refused})
        await peer.take_watch(7)
        await peer.event(8)
        await stay(peer)

    async with playing(scene) as client:
        with pytest.raises(CallFailed, match=code):
            await anext(client.watch(SESSION, 0))
        assert await read(client, 7, 1) == [8]


async def test_a_watch_may_be_repeated() -> None:
    """A watch is asked for again when the server says so, and told when it is refused."""

    async def scene(peer: Peer) -> None:
        await peer.welcome()
        request = await peer.take("watch_sessions")
        await peer.refuse(request, code="unavailable", retry=True, retry_after_ms=1)
        await peer.refuse(await peer.take("watch_sessions"), code="limit_reached")
        await stay(peer)

    async with playing(scene) as client:
        with pytest.raises(CallFailed, match="limit_reached"):
            await anext(client.watch(SESSION, 0))


async def test_the_end_of_a_watch_is_told() -> None:
    """Who is removed from a session reads what was before, and then that it is over."""

    async def scene(peer: Peer) -> None:
        await peer.welcome()
        await peer.take_watch(0)
        await peer.event(1)
        await peer.tell("unwatched", {"session_id": SESSION, "reason": "removed"})
        await stay(peer)

    async with playing(scene) as client, aclosing(client.watch(SESSION, 0)) as events:
        assert (await anext(events))["seq"] == 1
        with pytest.raises(CallFailed, match="removed"):
            await anext(events)


async def test_a_session_is_watched_once() -> None:
    """A session that is watched already cannot be watched beside it."""

    async def scene(peer: Peer) -> None:
        await peer.welcome()
        await peer.take_watch(0)
        await peer.event(1)
        await stay(peer)

    async with playing(scene) as client, aclosing(client.watch(SESSION, 0)) as events:
        await anext(events)
        with pytest.raises(ValueError, match="watched already"):
            await anext(client.watch(SESSION, 0))
