"""The WebSocket consumer: a handshake, and then a `Connection` until the socket is gone."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeAlias

import structlog
from channels.consumer import AsyncConsumer
from django.conf import settings
from django.db import DatabaseError

from flows.atoms.limits import Limits, limits
from flows.engine import Scope
from flows.errors import Unavailable
from sessions_app import __version__, close_codes
from sessions_app.adapters.wiring import door
from sessions_app.auth import Identity, WrongOrigin, recognise_handshake
from sessions_app.connection import Connection
from sessions_app.counts import counts
from sessions_app.outbox import Send
from sessions_app.protocol import SUBPROTOCOL, notification
from sessions_app.staff import rights_of_id

logger = structlog.get_logger(__name__)

#: The server's extension of ASGI: several text frames may come, and be sent, in one message.
TEXTS = "sessions.texts"

#: The close code of what ended without one (RFC 6455, section 7.1.5).
ABNORMAL = 1006

Receive: TypeAlias = Callable[[], Awaitable[dict[str, Any]]]


class SessionsConsumer(AsyncConsumer):  # type: ignore[misc]  # Channels has no types
    """One WebSocket.

    It reads its socket itself: Channels' dispatch would hop to a thread for every frame, and a
    channel of its own would make every socket a subscriber of the channel layer. The hub is one
    for the whole process.
    """

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Serve a socket from its handshake to its end."""
        self.scope = scope
        self.flows: Scope = scope["flows"]
        self.door = await self.flows.resolve(door)
        await receive()  # websocket.connect
        if (identity := await self._shake_hands(send)) is not None:
            await self._serve(await self._open(identity, send), receive)

    async def _shake_hands(self, send: Send) -> Identity | None:
        """Who has opened the socket, which is accepted then; None if it was refused."""
        if self.door.keeper.draining:
            counts.refused["draining"] += 1
            await self._send_elsewhere(send)
            return None
        try:
            identity: Identity | None = await self.door.log.run(recognise_handshake, self.scope)
        except WrongOrigin as error:
            counts.refused["wrong_origin"] += 1
            logger.info("handshake_refused", reason=str(error))
            await send({"type": "websocket.close"})  # before it is accepted: HTTP 403
            return None
        except (Unavailable, DatabaseError):
            logger.warning("handshake_failed", exc_info=True)
            await self._refuse(send, close_codes.INTERNAL)
            return None
        offered = self.scope.get("subprotocols", [])
        if offered and SUBPROTOCOL not in offered:
            await self._refuse(send, close_codes.NO_SUBPROTOCOL)
        elif identity is None:
            await self._refuse(send, close_codes.NOT_AUTHENTICATED)
        elif self.door.keeper.by_user[identity.user] >= settings.LIMIT_CONNECTIONS:
            await self._refuse(send, close_codes.TOO_MANY_CONNECTIONS)
        else:
            subprotocol = SUBPROTOCOL if offered else None
            await send({"type": "websocket.accept", "subprotocol": subprotocol})
            return identity
        return None

    async def _send_elsewhere(self, send: Send) -> None:
        """HTTP 503, where the server can say so, else 403: a balancer asks another process."""
        if "websocket.http.response" not in self.scope.get("extensions", {}):
            await send({"type": "websocket.close"})
            return
        await send({"type": "websocket.http.response.start", "status": 503, "headers": []})
        await send({"type": "websocket.http.response.body", "body": b"draining"})

    async def _refuse(self, send: Send, why: close_codes.Close) -> None:
        counts.refused[why[1]] += 1
        # Accepted first: a browser cannot read the status of a refused handshake. With what it has
        # offered: a browser that is answered without reads no close code either.
        offered = self.scope.get("subprotocols", [])
        subprotocol = SUBPROTOCOL if SUBPROTOCOL in offered else None
        await send({"type": "websocket.accept", "subprotocol": subprotocol})
        await send({"type": "websocket.close", "code": why[0], "reason": why[1]})

    async def _open(self, identity: Identity, send: Send) -> Connection:
        granted = await self.flows.resolve(limits)
        clock = asyncio.get_running_loop().time
        query = self.scope["query_string"].split(b"&")
        connection = Connection(
            identity,
            flows=self.flows,
            hub=self.door.hub,
            limits=granted,
            user_bucket=self.door.bucket_of(identity.user, granted, clock),
            arrays=b"batch=1" in query,
            hears_added=b"added=1" in query,
            together=TEXTS in self.scope.get("extensions", {}),
            clock=clock,
            rights=partial(self.door.log.run, rights_of_id, identity.user_id),
        )
        connection.epoch = await self._epoch()
        connection.outbox.put(self._welcome(connection, granted))
        connection.open(send)
        self.door.keeper.add(connection)
        counts.open(connection)
        logger.info("connection_opened", **self._who(connection))
        return connection

    def _who(self, connection: Connection) -> dict[str, str]:
        return {
            "connection": connection.id,
            "user": connection.user.name,
            "node": self.door.hub.node,
        }

    async def _serve(self, connection: Connection, receive: Receive) -> None:
        """Read until the socket is gone."""
        # An idle socket holds a frame of this and of what calls it: few, and small ones.
        code = ABNORMAL
        try:
            while (message := await receive())["type"] != "websocket.disconnect":
                # Several, where the server gives them together.
                for text in message.get("texts") or (message.get("text"),):
                    if text is None:
                        connection.outbox.close(close_codes.BINARY_FRAME)
                    else:
                        await connection.receive(text)
            code = int(message.get("code") or ABNORMAL)
        finally:
            # Not on any `disconnect`: that is not always sent.
            await self._close(connection, code)

    async def _close(self, connection: Connection, code: int) -> None:
        self.door.keeper.remove(connection)
        await connection.close()
        code = connection.outbox.verdict or code
        counts.close(connection, code)
        logger.info(
            "connection_closed",
            **self._who(connection),
            code=code,
            seconds=round(asyncio.get_running_loop().time() - connection.opened_at, 3),
            received=connection.received,
            sent=connection.sent,
            delivered=connection.delivered,
        )

    async def _epoch(self) -> str:
        try:
            epoch: str = await self.door.log.epoch()
        except Unavailable:
            # Nobody knows it: the keeper has this socket come again when it does.
            return ""
        return epoch

    def _welcome(self, connection: Connection, granted: Limits) -> str:
        params = {
            "connection": connection.id,
            "user": connection.user.name,
            "epoch": connection.epoch,
            "node": self.door.hub.node,
            "server": __version__,
            "limits": granted,
            "ping_seconds": settings.PING_SECONDS,
        }
        return notification("welcome", params)
