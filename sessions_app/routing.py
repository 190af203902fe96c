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


# Django's types know views only; what Channels routes are ASGI applications.
_consumer: Any = SessionsConsumer.as_asgi()
_refuse: Any = refuse

websocket = URLRouter([path("ws/", _consumer), re_path(r"", _refuse)])
