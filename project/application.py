"""The process's scope, as long as the process: opened first of all, closed last of all."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from flows.atoms.actor import actor
from flows.atoms.announcer import announcer
from flows.atoms.sessions import sessions
from flows.atoms.watcher import watcher
from flows.engine import Scope
from sessions_app.adapters.wiring import door, heartbeat
from sessions_app.protocol import PUBLIC
from sessions_app.scope import make_scope

Asgi: TypeAlias = Callable[[dict[str, Any], Any, Any], Awaitable[None]]


class Application:
    """Hands every connection the scope, as `scope["flows"]`.

    It is opened in the lifespan where the server has one (uvicorn), else with the first connection
    (daphne), and then closed before Twisted's reactor stops.
    """

    def __init__(self, *, http: Asgi, websocket: Asgi) -> None:
        self._doors = {"http": http, "websocket": websocket}
        self._flows: Scope | None = None
        self._opening = asyncio.Lock()
        #: Ends the process, where the server can: after it was asked to drain, and has.
        self.end: Callable[[], None] = lambda: None

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Serve one connection, or the lifespan."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        if self._flows is None:
            await self._open_late()
        # In place: a copy would be kept as long as a socket is open.
        scope["flows"] = self.flows
        await self._doors[scope["type"]](scope, receive, send)

    @property
    def flows(self) -> Scope:
        """The scope, while it is open."""
        if self._flows is None:
            raise RuntimeError("the application is not open")
        return self._flows

    async def open(self) -> None:
        """Open the scope, refuse to start with a flow that cannot run, and make what is shared."""
        flows = make_scope()
        await flows.__aenter__()
        try:
            flows.check(PUBLIC.values(), provided=(actor, watcher))
            await flows.resolve(sessions)
            await flows.resolve(announcer)
            (await flows.resolve(heartbeat)).end = lambda: self.end()
        except BaseException:
            await flows.close()
            raise
        self._flows = flows

    async def drain(self) -> None:
        """Send all clients elsewhere; returns when they are gone, or time is up."""
        if self._flows is not None:
            await (await self._flows.resolve(door)).keeper.drain()

    async def close(self) -> None:
        """Close the scope, if it was opened."""
        if self._flows is not None:
            flows, self._flows = self._flows, None
            await flows.close()

    async def _open_late(self) -> None:
        async with self._opening:
            if self._flows is None:
                await self.open()
                _before_reactor_stops(self.close)

    async def _lifespan(self, receive: Any, send: Any) -> None:
        await receive()  # lifespan.startup
        try:
            await self.open()
        except Exception as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            raise
        await send({"type": "lifespan.startup.complete"})
        await receive()  # lifespan.shutdown
        await self.close()
        await send({"type": "lifespan.shutdown.complete"})


def _before_reactor_stops(close: Callable[[], Awaitable[None]]) -> None:
    """Have `close` awaited when Twisted's reactor, daphne's, is about to stop."""
    from twisted.internet import reactor
    from twisted.internet.defer import Deferred

    # "before", not "during": only that one is waited for.
    stopping: Any = reactor  # its types leave the phase out
    stopping.addSystemEventTrigger(
        "before", "shutdown", lambda: Deferred.fromFuture(asyncio.ensure_future(close()))
    )
