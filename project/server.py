"""The production server: uvicorn, set up for many long-lived sockets that are never cut off."""

import signal
import socket
import sys
from contextlib import suppress
from typing import Any, NoReturn

import structlog
import uvicorn
from django.conf import settings
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from sessions_app.close_codes import NO_PONG

logger = structlog.get_logger(__name__)

#: What is left to HTTP requests after the sockets are drained, in seconds.
LAST_REQUESTS = 5

#: How long a client has to answer a close before its connection is cut, in seconds.
CLOSE_SECONDS = 5.0


_NONSENSE = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Protocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket, which also answers to nonsense, and closes on a peer that is stuck.

    uvicorn waits for room in the peer's buffer before it sends anything, the close included, and
    its closing waits until everything has been read: a peer that is stuck would be kept for ever.
    """

    def data_received(self, data: bytes) -> None:
        """Take what the peer has sent; what is no request at all is answered, too."""
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            # A request line or a header beyond the library's limit: uvicorn would say nothing.
            self.handshake_initiated = True
            self.transport.write(_NONSENSE)
            self.transport.close()

    async def send(self, message: Any) -> None:
        """Send; a close does not wait, and is followed by a cut."""
        if message["type"] != "websocket.close":
            await super().send(message)
            return
        self.writable.set()
        await super().send(message)
        if self.close_timer is not None:
            self.close_timer.cancel()
            self.close_timer = self.loop.call_later(CLOSE_SECONDS, self.transport.abort)

    def keepalive_timeout(self) -> None:
        """Close on a peer that has not answered a ping: 4007, where uvicorn says 1011."""
        self.pong_timer = None
        self.pending_ping_payload = None
        if self.close_sent or self.transport.is_closing():
            return
        if self.read_paused:
            # The answer may be waiting behind requests that are not read yet.
            self.schedule_ping()
            return
        self.conn.fail(*NO_PONG)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.queue.put_nowait({"type": "websocket.disconnect", "code": NO_PONG[0]})
        self.close_timer = self.loop.call_later(CLOSE_SECONDS, self.transport.abort)


class Server(uvicorn.Server):
    """uvicorn, which closes sockets before replies in flight are out: so they are drained first."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve; who asks this process to drain has it end, too."""
        from project.asgi import application

        application.end = self.end
        await super().startup(sockets)

    def end(self) -> None:
        """Stop as on a SIGTERM."""
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no new connections, drain, and then stop as uvicorn does."""
        from project.asgi import application

        for server in self.servers:
            server.close()
        if not self.force_exit:
            logger.info("draining")
            await application.drain()
        await super().shutdown(sockets)


def serve(*, host: str, listen_port: int, fd: int | None = None) -> None:
    """Serve until SIGTERM or SIGINT. Raises OSError if the address cannot be had."""
    listener = socket.socket(fileno=fd) if fd is not None else _listen(host, listen_port)
    address = listener.getsockname()
    logger.info("listening", host=address[0], port=address[1])
    config = uvicorn.Config(
        "project.asgi:application",
        lifespan="on",
        ws=Protocol,
        # Frames larger than 64 KiB are refused by code 4514; beyond this uvicorn itself cuts.
        ws_max_size=1024 * 1024,
        # Twice the sockets in the same memory: 31 instead of 65 KB each.
        ws_per_message_deflate=False,
        # Every WebSocket library answers these by itself; the protocol's own `ping` carries heads.
        ws_ping_interval=float(settings.PING_SECONDS),
        ws_ping_timeout=float(settings.PONG_SECONDS),
        timeout_graceful_shutdown=LAST_REQUESTS,
        proxy_headers=bool(settings.TRUSTED_PROXIES),
        forwarded_allow_ips=settings.TRUSTED_PROXIES or None,
        server_header=False,
        log_config=None,
        access_log=False,
    )
    # uvicorn raises the signal once more when it has shut down: a stop as asked for is no failure.
    signal.signal(signal.SIGTERM, _exit)
    with suppress(KeyboardInterrupt):
        Server(config).run(sockets=[listener])


def _exit(*_: object) -> NoReturn:
    sys.exit(0)


def _listen(host: str, listen_port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Many clients may come at once, for example when they all come back after a restart.
    return socket.create_server((host, listen_port), family=family, backlog=2048)
