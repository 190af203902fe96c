"""HTTP and RFC 6455 by the byte, so that what no client library would send can be sent."""

import asyncio
import base64
import json
import os
import struct
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeAlias

from tests.wire import Inbox

#: Header values: one, several of the same name, or None for none at all.
Headers: TypeAlias = Mapping[str, str | Sequence[str] | None]

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10

#: RFC 6455, section 7.4.1: ended without a closing frame, or by one without a code.
CUT = 1006
NO_CODE = 1005


@dataclass
class Answer:
    """An HTTP response."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""


def request_bytes(method: str, path: str, headers: Headers, body: bytes = b"") -> bytes:
    """An HTTP request with exactly these headers."""
    lines = [f"{method} {path} HTTP/1.1"]
    for name, value in headers.items():
        values = [value] if isinstance(value, str) else value or ()
        lines += [f"{name}: {each}" for each in values]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def handshake_bytes(host: str, path: str, headers: Headers, method: str = "GET") -> bytes:
    """A WebSocket's opening request; `headers` add to or replace the usual ones."""
    usual: Headers = {
        "Host": host,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        "Sec-WebSocket-Version": "13",
    }
    return request_bytes(method, path, {**usual, **headers})


def frame_bytes(
    opcode: int, payload: bytes = b"", *, fin: bool = True, mask: bool = True, rsv: int = 0
) -> bytes:
    """A frame of RFC 6455, section 5.2; `rsv` is the number of its three bits."""
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    masked = 0x80 if mask else 0
    length = len(payload)
    if length < 126:
        head = struct.pack("!BB", first, masked | length)
    elif length < 65_536:
        head = struct.pack("!BBH", first, masked | 126, length)
    else:
        head = struct.pack("!BBQ", first, masked | 127, length)
    if not mask:
        return head + payload
    key = os.urandom(4)
    return head + key + bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))


class Connection(Inbox):
    """A TCP connection to a server: what is sent and what comes is up to the caller."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super().__init__()
        self._reader = reader
        self._writer = writer
        self._listener: asyncio.Task[None] | None = None
        self.pongs = 0

    async def send(self, data: bytes) -> None:
        """Send bytes as they are. That nobody takes them any more shows in what comes."""
        with suppress(ConnectionError):
            self._writer.write(data)
            await self._writer.drain()

    async def answer(self) -> Answer | None:
        """Read one HTTP response; None if the connection ends without one."""
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
            status, *lines = head.decode("latin-1").split("\r\n")[:-2]
            pairs = (line.partition(":") for line in lines)
            headers = {name.lower(): value.strip() for name, _, value in pairs}
            answer = Answer(int(status.split()[1]), headers)
            if answer.status != 101:
                answer.body = (await self._body(headers)).decode(errors="replace")
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        return answer

    async def _body(self, headers: Mapping[str, str]) -> bytes:
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int((await self._reader.readline()).split(b";")[0], 16):
                body += (await self._reader.readexactly(size + 2))[:-2]
            return body
        if "content-length" in headers:
            return await self._reader.readexactly(int(headers["content-length"]))
        return await self._reader.read()

    def listen(self) -> None:
        """From now on, what comes are the frames of a WebSocket."""
        self._listener = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        try:
            while True:
                opcode, payload = await self._frame()
                if opcode == TEXT:
                    await self._keep(json.loads(payload))
                elif opcode == PONG:
                    self.pongs += 1
                    await self._keep({"method": "(pong)"})
                elif opcode == CLOSE:
                    code = struct.unpack("!H", payload[:2])[0] if payload else NO_CODE
                    return await self._end(code)
        except (asyncio.IncompleteReadError, ConnectionError):
            await self._end(CUT)

    async def _frame(self) -> tuple[int, bytes]:
        first, second = await self._reader.readexactly(2)
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack("!H", await self._reader.readexactly(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", await self._reader.readexactly(8))
        return first & 0x0F, await self._reader.readexactly(length)

    async def close(self) -> None:
        """End the connection."""
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()
        if self._listener:
            await self._listener


@asynccontextmanager
async def connection(host: str, port: int) -> AsyncIterator[Connection]:
    """A new connection, closed afterwards."""
    connection = Connection(*await asyncio.open_connection(host, port, limit=2**20))
    try:
        yield connection
    finally:
        await connection.close()
