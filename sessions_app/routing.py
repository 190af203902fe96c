"""Where sockets are: `/ws/`, and nowhere else."""

from typing import Any

from channels.routing import URLRouter
from django.urls import path, re_path

from sessions_app.consumers import Receive, SessionsConsumer
from sessions_app.outbox import Send


async def refuse(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Refuse the handshake (HTTP 403); without this, Channels raises for an unknown path."""
    await receive()
    await send({"type": "websocket.close"})


websocket = URLRouter([path("ws/", SessionsConsumer.as_asgi()), re_path(r"", refuse)])
