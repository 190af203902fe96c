"""A peer that is there and says nothing is found out, by an answer it does not give."""

import asyncio
import struct
from collections.abc import Iterator

import pytest

from tests.bad_input.raw import CLOSE, PING, handshake_bytes
from tests.servers import Database, Server, serving
from tests.wire import Client


@pytest.fixture(scope="module")
def impatient(sqlite: Database) -> Iterator[Server]:
    """A server that asks for a sign of life every second."""
    with serving(sqlite, PING_SECONDS="1", PONG_SECONDS="1") as server:
        yield server


async def frames(reader: asyncio.StreamReader) -> list[tuple[int, bytes]]:
    """Every frame until the connection ends: opcode and payload."""
    await reader.readuntil(b"\r\n\r\n")
    found: list[tuple[int, bytes]] = []
    while head := await reader.read(2):
        size = head[1]
        if size == 126:
            (size,) = struct.unpack("!H", await reader.readexactly(2))
        found.append((head[0] & 0x0F, await reader.readexactly(size)))
    return found


async def test_who_answers_no_ping_is_closed(impatient: Server) -> None:
    """Who does not answer is closed 4007 and cut; who does, as libraries do, may stay silent."""
    ann = impatient.people["owner0"]
    async with await Client.connect(impatient.url, ann.token) as alive:
        host, port = impatient.host.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        headers = {"Authorization": f"Bearer {ann.token}"}
        writer.write(handshake_bytes(impatient.host, "/ws/", headers))
        opcodes = await asyncio.wait_for(frames(reader), timeout=20)
        writer.close()
        assert PING in [opcode for opcode, _ in opcodes]
        (close,) = [payload for opcode, payload in opcodes if opcode == CLOSE]
        assert struct.unpack("!H", close[:2]) == (4007,)
        assert await alive.call("ping") == {}
    assert impatient.complaints() == []
