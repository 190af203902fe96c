"""A client's side of the vectors: a scripted server plays the server, and a driver the person."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.conformance.servers import SUBPROTOCOL
from tests.conformance.vectors import Mismatch, Step, Vector, Words

#: How long anything may take that is expected to happen, in seconds.
PATIENCE = 10.0

PEOPLE = {"ann": "ann", "bob": "bob", "carl": "carl"}


class Driver(Protocol):
    """A client under test, and whoever uses it.

    Commands are `{"do": "call", "ref", "method", "params"}` and `{"do": "watch", "session",
    "after"}`. It tells `{"told": "result", "ref", "result"}`, `{"told": "error", "ref", "code"}`,
    `{"told": "event", "event"}`, `{"told": "unwatched", "session", "code"}`, and once
    `{"told": "stopped", "code"}`.
    """

    async def do(self, command: dict[str, Any]) -> None:
        """Let the client do something; returns at once."""
        ...

    async def told(self) -> dict[str, Any]:
        """The next thing that the client tells."""
        ...


class Peer:
    """One connection of the client, seen from the scripted server."""

    def __init__(self, socket: ServerConnection) -> None:
        self.socket = socket
        self.frames: asyncio.Queue[Any] = asyncio.Queue()

    async def read(self) -> None:
        """Take what comes until the end. A ping is answered, whatever the script says."""
        try:
            async for text in self.socket:
                message = json.loads(text)
                for frame in message if isinstance(message, list) else [message]:
                    if frame["method"] == "ping":
                        await self.send({"jsonrpc": "2.0", "id": frame["id"], "result": {}})
                    else:
                        self.frames.put_nowait(frame)
        except ConnectionClosed:
            pass

    async def send(self, frame: object) -> None:
        """Send a frame."""
        await self.socket.send(json.dumps(frame))


class ScriptedServer:
    """A WebSocket server that says what a vector tells it to say."""

    def __init__(self, url: str, arrived: "asyncio.Queue[Peer]") -> None:
        self.url = url
        self.arrived = arrived


@asynccontextmanager
async def scripted_server() -> AsyncIterator[ScriptedServer]:
    """The server, on a free port of 127.0.0.1."""
    arrived: asyncio.Queue[Peer] = asyncio.Queue()

    async def take(socket: ServerConnection) -> None:
        peer = Peer(socket)
        arrived.put_nowait(peer)
        await peer.read()

    async with serve(take, "127.0.0.1", 0, subprotocols=[Subprotocol(SUBPROTOCOL)]) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield ScriptedServer(f"ws://127.0.0.1:{port}/ws/", arrived)


async def run(
    vector: Vector, server: ScriptedServer, driver: Driver, *, patience: float = PATIENCE
) -> None:
    """Play the story with a client; raises Mismatch with the step where it is another.

    No step takes longer than `patience`, in seconds.
    """
    told = _Played(server, driver)
    for number, step in enumerate(vector.steps):
        try:
            async with asyncio.timeout(patience):
                await told.take(step)
        except (Mismatch, TimeoutError, ConnectionClosed) as problem:
            raise Mismatch(f"{vector.name}, step {number}, {step}: {problem!r}") from problem
    if left := told.unread("event"):
        raise Mismatch(f"{vector.name}: told what was not expected: {left}")


class _Played:
    """A run under way."""

    def __init__(self, server: ScriptedServer, driver: Driver) -> None:
        self._server = server
        self._driver = driver
        self._words = Words(PEOPLE)
        self._peers: dict[str, Peer] = {}
        self._heard: list[dict[str, Any]] = []

    async def take(self, step: Step) -> None:  # noqa: C901 (one case per kind of step)
        match step:
            case {"open": name}:
                self._peers[name] = await self._server.arrived.get()
            case {"say": name, "frame": frame}:
                self._words.match(frame, await self._peers[name].frames.get())
            case {"hear": name, "frame": frame}:
                await self._peers[name].send(self._words.fill(frame))
            case {"do": _}:
                await self._driver.do(self._words.fill(step))
            case {"told": kind}:
                await self._expect_told(kind, step)
            case {"quiet": name}:
                await self._expect_quiet(self._peers[name])
            case {"cut": name}:
                self._peers[name].socket.transport.abort()
            case {"closed": name, "code": code}:
                await self._peers[name].socket.close(code)
            case {"left": name}:
                await self._peers[name].socket.wait_closed()
            case {"nobody": _}:
                if not self._server.arrived.empty():
                    raise Mismatch("the client has connected again")
            case _:
                raise Mismatch("no such step for a client")

    def unread(self, kind: str) -> list[dict[str, Any]]:
        """What the client has told of this kind and nobody has expected yet."""
        return [each for each in self._heard if each["told"] == kind]

    async def _expect_told(self, kind: str, step: Step) -> None:
        found = await self._until(
            lambda each: each["told"] == kind and each.get("ref") == step.get("ref")
        )
        self._heard.remove(found)
        self._words.match(step, found)

    async def _until(self, is_it: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        while True:
            for each in self._heard:
                if is_it(each):
                    return each
            self._heard.append(await self._driver.told())

    async def _expect_quiet(self, peer: Peer) -> None:
        """After a call has gone back and forth, nothing else was sent, and nothing else told."""
        await self._driver.do({"do": "call", "ref": "quiet", "method": "ping", "params": {}})
        await self._expect_told("result", {"told": "result", "ref": "quiet", "result": {}})
        if not peer.frames.empty():
            raise Mismatch(f"the client has sent {peer.frames.get_nowait()}")
        if self._heard:
            raise Mismatch(f"the client has told {self._heard}")
