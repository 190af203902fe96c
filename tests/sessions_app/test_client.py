"""The small client's calls, on connections that break."""

import asyncio
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import InvalidURI
from websockets.typing import Subprotocol

from sessions_app.client import SUBPROTOCOL, CallFailed, SessionsClient, Stopped
from tests.sessions_app.scenes import SESSION, Peer, playing, stay


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
