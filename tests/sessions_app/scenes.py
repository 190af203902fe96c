"""A server that plays scenes for the small client, one for each connection."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeAlias

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from sessions_app.client import SUBPROTOCOL, SessionsClient

SESSION = "01970000-0000-7000-8000-000000000001"


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
