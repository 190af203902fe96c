"""TCP proxies that can cut, silence, slow down and half-close what goes through them."""

import asyncio
import random
import socket
import struct
from contextlib import suppress
from typing import Self

#: How much is passed on at a time; little, so that who does not read is noticed soon.
PIECE = 16_384

#: With it, closing a socket resets the connection.
_RESET = struct.pack("ii", 1, 0)


class Link:
    """One connection through a proxy: from a client to a server."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.client = client
        self.server = server
        #: Cleared: what is sent goes nowhere, and nobody is told.
        self.passing = asyncio.Event()
        self.passing.set()

    def cut(self) -> None:
        """Reset both sides."""
        reset(self.client)
        reset(self.server)

    def drop_client(self) -> None:
        """Reset the client's side; the server is not told."""
        self.passing.clear()
        reset(self.client)

    def drop_server(self) -> None:
        """Reset the server's side; the client is not told."""
        self.passing.clear()
        reset(self.server)


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection without a word."""
    handle = writer.get_extra_info("socket")
    if handle is not None:
        with suppress(OSError):
            handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


class Proxy:
    """Passes connections on to a port on this machine."""

    def __init__(self, target: int) -> None:
        self._target = target
        self.links: set[Link] = set()
        #: Bytes per second and direction of each link; None: as fast as it goes.
        self.speed: int | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=PIECE)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._link(reader, writer)
        except OSError:
            reset(writer)
        except asyncio.CancelledError:
            # The end of the proxy, which asyncio's server would take for an error.
            reset(writer)
        finally:
            self._tasks.discard(task)

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection(
            "127.0.0.1", self._target, limit=PIECE
        )
        link = Link(writer, to_server)
        self.links.add(link)
        pumps = [
            asyncio.create_task(self._pump(link, reader, to_server)),
            asyncio.create_task(self._pump_back(link, from_server, writer)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            if link.passing.is_set():
                # Whoever ended it has said all there was; what is on its way still arrives.
                await asyncio.wait(pumps, timeout=0.2)
            else:
                # One side is gone and the other one is not told.
                await asyncio.wait(pumps)
        finally:
            self.links.discard(link)
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            for each in (writer, to_server):
                each.close()

    async def _pump(
        self, link: Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError):
            while piece := await reader.read(PIECE):
                await self._pass(link, writer, piece)
        if link.passing.is_set():
            writer.close()

    async def _pump_back(
        self, link: Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await self._pump(link, reader, writer)

    async def _pass(self, link: Link, writer: asyncio.StreamWriter, piece: bytes) -> None:
        if self.speed is not None:
            await asyncio.sleep(len(piece) / self.speed)
        await link.passing.wait()
        writer.write(piece)
        await writer.drain()


class DoorbellProxy(Proxy):
    """Stands before a Redis, and drops, doubles and reorders what it publishes to subscribers."""

    def __init__(self, target: int, chance: random.Random) -> None:
        super().__init__(target)
        self._chance = chance
        #: The share of what is published that gets lost, comes twice, and comes after the next.
        self.lost = 0.0
        self.doubled = 0.0
        self.reordered = 0.0

    async def _pump_back(
        self, link: Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        held: bytes | None = None
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                reply = await read_reply(reader)
                if is_published(reply):
                    if self._chance.random() < self.lost:
                        continue
                    if held is None and self._chance.random() < self.reordered:
                        held = reply
                        continue
                    if self._chance.random() < self.doubled:
                        reply += reply
                await self._pass(link, writer, reply)
                if held is not None:
                    await self._pass(link, writer, held)
                    held = None
        if link.passing.is_set():
            writer.close()


async def read_reply(reader: asyncio.StreamReader) -> bytes:
    """One whole reply of Redis (RESP 2 and 3) as it stands."""
    line = await reader.readuntil(b"\r\n")
    kind, rest = line[:1], line[1:-2]
    if kind in b"$=!" and int(rest) >= 0:
        return line + await reader.readexactly(int(rest) + 2)
    if kind in b"*>~%|":
        parts = max(0, int(rest)) * (2 if kind in b"%|" else 1)
        return line + b"".join([await read_reply(reader) for _ in range(parts)])
    return line


def is_published(reply: bytes) -> bool:
    """Whether a reply is a message to a subscriber."""
    return reply[:1] in b"*>" and b"$7\r\nmessage\r\n" in reply[:32]
