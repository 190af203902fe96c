"""Where sockets are: `/ws/`, and nowhere else."""

from collections.abc import Awaitable
from typing import Any

from asgiref.sync import markcoroutinefunction

from sessions_app.consumers import Receive, SessionsConsumer
from sessions_app.outbox import Send


async def refuse(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Refuse the handshake: HTTP 403."""
    await receive()
    await send({"type": "websocket.close"})


def websocket(scope: dict[str, Any], receive: Receive, send: Send) -> Awaitable[None]:
    """The ASGI application for sockets.

    Channels' `URLRouter` would stay on the stack of every open socket, with a scope of its own.
    """
    path = scope["path"].removeprefix(scope.get("root_path", ""))
    if path != "/ws/":
        return refuse(scope, receive, send)
    consumer = SessionsConsumer()
    return consumer(scope, receive, send)


# It is none itself, but what it returns is to be awaited like what one returns.
markcoroutinefunction(websocket)
