"""The small client: what it decides, and how it behaves on connections that break."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Any, TypeAlias

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidURI
from websockets.typing import Subprotocol

from sessions_app.client import (
    SUBPROTOCOL,
    CallFailed,
    Outbox,
    Position,
    Reconnects,
    SessionsClient,
    Stopped,
    Verdict,
    backoff,
    is_final,
)

SESSION = "01970000-0000-7000-8000-000000000001"

# -- decisions -------------------------------------------------------------------------------------


def test_the_first_delay_is_up_to_half_a_second() -> None:
    """After the first failure one waits from 0 to 500 ms, and chance decides how long."""
    assert [backoff(0, chance) for chance in (0.0, 0.5, 1.0)] == [0.0, 0.25, 0.5]


def test_delays_double_up_to_twenty_seconds() -> None:
    """The longest delay doubles with every failure, up to 20 s, however many there are."""
    assert [backoff(attempt, 1.0) for attempt in range(8)] == [0.5, 1, 2, 4, 8, 16, 20, 20]
    assert backoff(10**9, 1.0) == 20


def test_the_delay_grows_until_a_connection_lasts() -> None:
    """Every failure in a row doubles the delay; after a connection of five seconds it is short."""
    reconnects = Reconnects()
    assert [reconnects.delay(lived, 1.0) for lived in (0, 0.1, 4.9, 5.0, 0)] == [0.5, 1, 2, 0.5, 1]


@pytest.mark.parametrize(
    ("code", "final"),
    [
        *((code, False) for code in (None, 1000, 1006, 1012, 4000, 4499, 5000)),
        *((code, True) for code in (4500, 4501, 4999)),
    ],
)
def test_a_close_code_is_the_verdict(code: int | None, *, final: bool) -> None:
    """Codes from 4500 to 4999 mean stop; after all others, and after none, one connects again."""
    assert is_final(code) is final


def test_the_next_event_moves_the_position() -> None:
    """Only the event after the last one is taken, and moves the position."""
    position = Position(2)
    assert position.judge(3) is Verdict.NEXT
    assert position.last == 3
    assert position.judge(4) is Verdict.NEXT
    assert position.last == 4


@pytest.mark.parametrize(
    ("seq", "verdict"),
    [(1, Verdict.KNOWN), (2, Verdict.KNOWN), (4, Verdict.GAP), (9, Verdict.GAP)],
)
def test_any_other_event_does_not(seq: int, verdict: Verdict) -> None:
    """An event that was there before, or that leaves a gap, leaves the position where it is."""
    position = Position(2)
    assert position.judge(seq) is verdict
    assert position.last == 2


def test_the_outbox_keeps_what_is_not_answered() -> None:
    """Calls wait in the order in which they were made, under the ids they have, until answered."""
    outbox = Outbox()
    first = outbox.add("send_message", {"key": "a"})
    second = outbox.add("send_message", {"key": "b"})
    third = outbox.add("ping", {})
    assert [json.loads(frame)["id"] for frame in outbox.frames()] == [first, second, third]

    outbox.answered(second)
    outbox.answered(second)
    assert [json.loads(frame) for frame in outbox.frames()] == [
        {"jsonrpc": "2.0", "id": first, "method": "send_message", "params": {"key": "a"}},
        {"jsonrpc": "2.0", "id": third, "method": "ping", "params": {}},
    ]
    assert outbox.frame(second) is None
    assert outbox.frame(first) == outbox.frames()[0]


def test_an_id_is_not_used_again() -> None:
    """An id that was answered is given to no other call."""
    outbox = Outbox()
    first = outbox.add("ping", {})
    outbox.answered(first)
    assert outbox.add("ping", {}) != first


def test_patience_ends() -> None:
    """A call is repeated twenty times at the server's wish, and one that is answered is not."""
    outbox = Outbox()
    id_ = outbox.add("ping", {})
    assert [outbox.may_retry(id_) for _ in range(21)] == [True] * 20 + [False]
    outbox.answered(id_)
    assert not outbox.may_retry(id_)


# -- connections -----------------------------------------------------------------------------------


class Peer:
    """One connection, seen from a server that does what the test says."""

    def __init__(self, socket: ServerConnection) -> None:
        self.socket = socket

    async def welcome(self, epoch: str = "e1") -> None:
        await self.tell("welcome", {"user": "ann", "epoch": epoch})

    async def tell(self, method: str, params: object) -> None:
        await self.send({"jsonrpc": "2.0", "method": method, "params": params})

    async def event(self, *seqs: int) -> None:
        for seq in seqs:
            await self.tell("event", {"session_id": SESSION, "seq": seq, "kind": "message_sent"})

    async def take(self, method: str) -> dict[str, Any]:
        """The next request, which must be for `method`."""
        request: dict[str, Any] = json.loads(await self.socket.recv())
        assert request["method"] == method
        return request

    async def take_watch(self, after: int, *, epoch: str = "e1") -> None:
        """A request to watch after `after`, which is granted."""
        request = await self.take("watch_sessions")
        place = {"session_id": SESSION, "after": after}
        assert request["params"] == {"sessions": [place], "epoch": epoch}
        await self.answer(request, {"watching": [{**place, "head": 9}], "refused": []})

    async def answer(self, request: dict[str, Any], result: object) -> None:
        await self.send({"jsonrpc": "2.0", "id": request["id"], "result": result})

    async def refuse(self, request: dict[str, Any], **data: object) -> None:
        error = {"code": -32000, "message": "No", "data": {"retry": False, **data}}
        await self.send({"jsonrpc": "2.0", "id": request["id"], "error": error})

    async def send(self, message: object) -> None:
        await self.socket.send(json.dumps(message))


Scene: TypeAlias = Callable[[Peer], Awaitable[None]]


@asynccontextmanager
async def served(*scenes: Scene) -> AsyncIterator[SessionsClient]:
    """A client of a server that plays a scene for each connection, the last one again and again.

    A scene that ends closes its connection. The client waits for no chance.
    """
    left = list(scenes)
    failures: list[BaseException] = []

    async def play(socket: ServerConnection) -> None:
        scene = left.pop(0) if len(left) > 1 else left[0]
        try:
            await scene(Peer(socket))
        except ConnectionClosed:
            return
        except AssertionError as failure:
            failures.append(failure)

    async with serve(play, "127.0.0.1", 0, subprotocols=[Subprotocol(SUBPROTOCOL)]) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with SessionsClient(f"ws://127.0.0.1:{port}/ws/", "t", chance=lambda: 0.0) as client:
            yield client
    assert failures == []


def playing(*scenes: Scene) -> AbstractAsyncContextManager[SessionsClient]:
    """`served`, for at most ten seconds."""

    @asynccontextmanager
    async def bounded() -> AsyncIterator[SessionsClient]:
        async with asyncio.timeout(10), served(*scenes) as client:
            yield client

    return bounded()


async def stay(peer: Peer) -> None:
    """Say nothing more until the client has gone."""
    await peer.socket.wait_closed()


async def test_says_who_it_is() -> None:
    """The client offers the subprotocol and shows its token."""

    async def scene(peer: Peer) -> None:
        assert peer.socket.request
        assert peer.socket.subprotocol == SUBPROTOCOL
        assert peer.socket.request.headers["Authorization"] == "Bearer t"
        await peer.welcome()
        await peer.answer(await peer.take("ping"), {})
        await stay(peer)

    async with playing(scene) as client:
        assert await client.call("ping", {}) == {}


async def test_calls_may_be_answered_in_any_order() -> None:
    """Each call gets its own answer, in whatever order and array they come."""

    async def scene(peer: Peer) -> None:
        await peer.welcome()
        first, second = await peer.take("ping"), await peer.take("ping")
        await peer.send(
            [
                {"jsonrpc": "2.0", "id": each["id"], "result": each["params"]}
                for each in (second, first)
            ]
        )
        await stay(peer)

    async with playing(scene) as client:
        answers = await asyncio.gather(*(client.call("ping", {"n": each}) for each in (1, 2)))
        assert answers == [{"n": 1}, {"n": 2}]


async def test_a_refusal_is_raised() -> None:
    """A refused call raises the code, the text and the path, and the next call goes on."""

    async def scene(peer: Peer) -> None:
        await peer.welcome()
        await peer.refuse(await peer.take("send_message"), code="invalid_input", path="$.text")
        await peer.answer(await peer.take("ping"), {})
        await stay(peer)

    async with playing(scene) as client:
        with pytest.raises(CallFailed, match=r"^invalid_input: No - at `\$\.text`$") as caught:
            await client.call("send_message", {})
        assert (caught.value.code, caught.value.path) == ("invalid_input", "$.text")
        assert await client.call("ping", {}) == {}


async def test_what_is_not_answered_is_sent_again() -> None:
    """A call whose answer was lost is sent again, with its key and its id."""
    seen: list[dict[str, Any]] = []

    async def cut_off(peer: Peer) -> None:
        await peer.welcome()
        seen.append(await peer.take("send_message"))

    async def again(peer: Peer) -> None:
        await peer.welcome()
        request = await peer.take("send_message")
        seen.append(request)
        await peer.answer(request, {"seq": 2, "duplicate": True})
        await stay(peer)

    async with playing(cut_off, cut_off, again) as client:
        done = await client.call("send_message", {"text": "x", "key": "k"})
    assert done == {"seq": 2, "duplicate": True}
    assert seen == [seen[0]] * 3
    assert seen[0]["params"] == {"text": "x", "key": "k"}


async def test_calls_are_sent_again_in_order() -> None:
    """What waited while there was no connection is sent in the order in which it was called."""
    order: list[int] = []

    async def cut_off(peer: Peer) -> None:
        await peer.socket.close(4001)

    async def scene(peer: Peer) -> None:
        await peer.welcome()
        for _ in range(5):
            request = await peer.take("ping")
            order.append(request["params"]["n"])
            await peer.answer(request, {})
        await stay(peer)

    async with playing(cut_off, scene) as client:
        await asyncio.gather(*(client.call("ping", {"n": number}) for number in range(5)))
    assert order == [0, 1, 2, 3, 4]


async def test_an_answered_call_is_not_sent_again() -> None:
    """On the next connection only what has no answer is sent."""

    async def first(peer: Peer) -> None:
        await peer.welcome()
        await peer.answer(await peer.take("ping"), {"n": 1})

    async def second(peer: Peer) -> None:
        await peer.welcome()
        request = await peer.take("ping")
        await peer.answer(request, request["params"])
        await stay(peer)

    async with playing(first, second) as client:
        assert await client.call("ping", {"n": 1}) == {"n": 1}
        assert await client.call("ping", {"n": 2}) == {"n": 2}


async def test_the_server_may_ask_to_repeat() -> None:
    """A call is repeated, unchanged, when the server says so and after the time it says."""
    seen: list[dict[str, Any]] = []

    async def scene(peer: Peer) -> None:
        await peer.welcome()
        for _ in range(2):
            seen.append(await peer.take("send_message"))
            await peer.refuse(seen[-1], code="unavailable", retry=True, retry_after_ms=1)
        seen.append(await peer.take("send_message"))
        await peer.answer(seen[-1], {"seq": 2})
        await stay(peer)

    async with playing(scene) as client:
        assert await client.call("send_message", {"key": "k"}) == {"seq": 2}
    assert seen == [seen[0]] * 3


async def test_it_does_not_repeat_for_ever() -> None:
    """A call that the server asks to repeat twenty-one times fails."""

    async def scene(peer: Peer) -> None:
        await peer.welcome()
        while True:
            request = await peer.take("ping")
            await peer.refuse(request, code="internal_error", retry=True, retry_after_ms=0)

    async with playing(scene) as client:
        with pytest.raises(CallFailed, match="internal_error"):
            await client.call("ping", {})


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (4501, "The server does not know this token (4501)"),
        (4520, "This account is disabled (4520)"),
        (4599, "The server wants no more (4599)"),
    ],
)
async def test_a_final_code_stops_it(code: int, says: str) -> None:
    """After a close code from 4500 on nothing is tried again: every call and watch says why."""
    connections: list[Peer] = []

    async def scene(peer: Peer) -> None:
        connections.append(peer)
        await peer.socket.close(code)

    async with playing(scene) as client:
        with pytest.raises(Stopped) as caught:
            await client.call("ping", {})
        assert str(caught.value) == says
        with pytest.raises(Stopped):
            await client.call("ping", {})
        with pytest.raises(Stopped):
            await anext(client.watch(SESSION, 0))
    assert len(connections) == 1


async def test_a_watch_is_told_of_a_final_code() -> None:
    """A watch that was waiting for events is told that there will be no more."""

    async def scene(peer: Peer) -> None:
        await peer.welcome()
        await peer.take_watch(0)
        await peer.socket.close(4511)

    async with playing(scene) as client:
        with pytest.raises(Stopped, match="4511"):
            await anext(client.watch(SESSION, 0))


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_refused_handshake_stops_it(status: int) -> None:
    """Where there is no server for this client, it does not knock again."""

    async def refuse(connection: ServerConnection, request: object) -> Any:
        return connection.respond(status, "No\n")

    async def nobody(socket: ServerConnection) -> None:
        raise AssertionError("nobody gets here")

    async with asyncio.timeout(10), serve(nobody, "127.0.0.1", 0, process_request=refuse) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with SessionsClient(f"ws://127.0.0.1:{port}/", "t") as client:
            with pytest.raises(Stopped, match=str(status)):
                await client.call("ping", {})


async def test_a_server_that_is_busy_is_asked_again() -> None:
    """A handshake that is refused with 503, as by a server that drains, is tried again."""
    asked: list[object] = []

    async def refuse_once(connection: ServerConnection, request: object) -> Any:
        asked.append(request)
        return connection.respond(503, "Draining\n") if len(asked) == 1 else None

    async def play(socket: ServerConnection) -> None:
        peer = Peer(socket)
        await peer.welcome()
        await peer.answer(await peer.take("ping"), {})
        await stay(peer)

    told: list[str | None] = []
    async with (
        asyncio.timeout(10),
        serve(
            play, "127.0.0.1", 0, process_request=refuse_once,
            subprotocols=[Subprotocol(SUBPROTOCOL)],
        ) as server,
    ):  # fmt: skip
        port = next(iter(server.sockets)).getsockname()[1]
        async with SessionsClient(
            f"ws://127.0.0.1:{port}/", "t", chance=lambda: 0.0, on_change=told.append
        ) as client:
            assert await client.call("ping", {}) == {}
    assert told == ["the server answers 503", None]


async def test_a_wrong_url_is_told() -> None:
    """What is no URL of a socket is said at the first call."""
    async with SessionsClient("http://127.0.0.1/", "t") as client:
        with pytest.raises(InvalidURI):
            await client.call("ping", {})


async def test_closing_it_leaves_nobody_waiting() -> None:
    """When the client is closed, a call that another task waits for fails."""

    async def scene(peer: Peer) -> None:
        await peer.welcome()
        await stay(peer)

    async with asyncio.timeout(10):
        async with playing(scene) as client:
            waiting = asyncio.create_task(client.call("ping", {}))
            await asyncio.sleep(0)
        with pytest.raises(ConnectionError):
            await waiting


# -- watching --------------------------------------------------------------------------------------


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
