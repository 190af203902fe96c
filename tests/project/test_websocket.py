"""Tests of the production server's WebSocket, of its short way and of all that goes by another."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import uvicorn
from uvicorn.server import ServerState
from websockets.frames import Frame, Opcode

from project.websocket import Protocol
from sessions_app.consumers import TEXTS

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class Peer:
    """A client on a raw socket, and what the application was given."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.given: list[dict[str, Any]] = []

    def texts(self) -> list[str]:
        return [
            text for each in self.given for text in each.get("texts") or [each.get("text")] if text
        ]

    def write(self, data: bytes) -> None:
        self.writer.write(data)

    async def echoed(self, count: int) -> list[str]:
        """The next texts that come."""
        found = []
        for _ in range(count):
            first, size = await self.reader.readexactly(2)
            assert first == 0x81
            if size == 126:
                size = int.from_bytes(await self.reader.readexactly(2), "big")
            elif size == 127:
                size = int.from_bytes(await self.reader.readexactly(8), "big")
            found.append((await self.reader.readexactly(size)).decode())
        return found

    async def close_code(self) -> int:
        """The code with which the server closes; anything before it is skipped."""
        data = await self.reader.read()
        return int.from_bytes(data[data.index(b"\x88") + 2 :][:2], "big")


@pytest_asyncio.fixture
async def peer(request: pytest.FixtureRequest) -> AsyncIterator[Peer]:
    """A peer of an application that sends back what it gets; a parameter is said too early."""
    given: list[dict[str, Any]] = []

    async def echo(scope: Any, receive: Any, send: Any) -> None:
        assert TEXTS in scope["extensions"]
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            given.append(message)
            texts = message.get("texts") or [message["text"]]
            await send({"type": "websocket.send", "texts": list(texts)})

    config = uvicorn.Config(echo, ws_max_size=200_000, ws_per_message_deflate=False, lifespan="off")
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Protocol(config, state, {}), "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    reader, writer = await asyncio.open_connection(host, port)
    found = Peer(reader, writer)
    found.given = given
    found.write(HANDSHAKE + getattr(request, "param", b""))
    await reader.readuntil(b"\r\n\r\n")
    try:
        yield found
    finally:
        writer.close()
        server.close()
        while state.tasks:
            await asyncio.wait(state.tasks)


def frame(opcode: Opcode, data: bytes, *, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin=fin).serialize(mask=True)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 200_000])
async def test_a_text_of_any_size_comes_and_goes(peer: Peer, size: int) -> None:
    """What is sent in one frame arrives as it was, and so does what is sent back."""
    peer.write(frame(Opcode.TEXT, b"x" * size))
    assert await peer.echoed(1) == ["x" * size]


async def test_what_comes_at_once_is_given_at_once(peer: Peer) -> None:
    """Several frames in one piece of the stream are one message to the application."""
    peer.write(b"".join(frame(Opcode.TEXT, b"%d" % number) for number in range(5)))
    assert await peer.echoed(5) == ["0", "1", "2", "3", "4"]
    assert [len(each["texts"]) for each in peer.given] == [5]


async def test_a_frame_may_come_byte_by_byte(peer: Peer) -> None:
    """A frame counts once its last byte is there."""
    for byte in frame(Opcode.TEXT, "späť".encode()) + frame(Opcode.TEXT, b"y" * 200):
        peer.write(bytes((byte,)))
        await peer.writer.drain()
        await asyncio.sleep(0)
    assert await peer.echoed(2) == ["späť", "y" * 200]


async def test_a_message_in_pieces_is_put_together(peer: Peer) -> None:
    """Pieces with a ping between them are one message, and come in order with whole ones."""
    peer.write(frame(Opcode.TEXT, b"before"))
    peer.write(frame(Opcode.TEXT, b"one ", fin=False))
    peer.write(frame(Opcode.CONT, b"two ", fin=False))
    peer.write(frame(Opcode.CONT, b"three"))
    peer.write(frame(Opcode.TEXT, b"after"))
    assert await peer.echoed(3) == ["before", "one two three", "after"]


async def test_a_message_in_pieces_outlasts_what_comes_in_between(peer: Peer) -> None:
    """A piece is not forgotten over a ping, whenever the next one comes."""
    peer.write(frame(Opcode.TEXT, b"in ", fin=False) + frame(Opcode.PING, b"?"))
    assert await peer.reader.readexactly(3) == b"\x8a\x01?"
    peer.write(frame(Opcode.CONT, b"pieces") + frame(Opcode.TEXT, b"whole"))
    assert await peer.echoed(2) == ["in pieces", "whole"]


@pytest.mark.parametrize("peer", [frame(Opcode.TEXT, b"early")[:2]], indirect=True, ids=["header"])
async def test_who_speaks_before_the_answer_is_understood(peer: Peer) -> None:
    """What has come with the handshake belongs to what comes after it."""
    peer.write(frame(Opcode.TEXT, b"early")[2:] + frame(Opcode.TEXT, b"late"))
    assert await peer.echoed(2) == ["early", "late"]


async def test_a_ping_is_answered(peer: Peer) -> None:
    """A ping among texts is answered, and is no text."""
    peer.write(frame(Opcode.PING, b"there?"))
    assert await peer.reader.readexactly(8) == b"\x8a\x06there?"
    peer.write(frame(Opcode.TEXT, b"yes"))
    assert await peer.echoed(1) == ["yes"]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(b"\x81\x01x", 1002, id="no mask"),
        pytest.param(b"\xc1" + frame(Opcode.TEXT, b"x")[1:], 1002, id="a reserved bit"),
        pytest.param(frame(Opcode.CONT, b"x"), 1002, id="nothing to continue"),
        pytest.param(
            frame(Opcode.TEXT, b"x", fin=False) + frame(Opcode.TEXT, b"y"), 1002, id="not continued"
        ),
        pytest.param(frame(Opcode.TEXT, b"\xff"), 1007, id="no UTF-8"),
        pytest.param(b"\x81\xff" + (200_001).to_bytes(8, "big") + b"abcd", 1009, id="too large"),
    ],
)
async def test_what_is_wrong_closes_the_socket(peer: Peer, data: bytes, code: int) -> None:
    """A frame that RFC 6455 forbids ends the connection with its code; nothing after it counts."""
    peer.write(frame(Opcode.TEXT, b"good"))
    assert await peer.echoed(1) == ["good"]
    peer.write(data + frame(Opcode.TEXT, b"never"))
    assert await peer.close_code() == code
    assert peer.texts() == ["good"]
