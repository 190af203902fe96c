"""The production server: uvicorn, set up for many long-lived sockets that are never cut off."""

import gc
import signal
import socket
import sys
from contextlib import suppress
from typing import NoReturn

import structlog
import uvicorn
from django.conf import settings

from project.websocket import Protocol

logger = structlog.get_logger(__name__)

#: What is left to HTTP requests after the sockets are drained, in seconds.
LAST_REQUESTS = 5

#: So many more objects than there were, and the garbage collector looks.
GARBAGE = 100_000


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
        # It would hold more for each socket than all the rest: another 35 KB.
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
    config.load()
    leave_alone_what_stays()
    # uvicorn raises the signal once more when it has shut down: a stop as asked for is no failure.
    signal.signal(signal.SIGTERM, _exit)
    with suppress(KeyboardInterrupt):
        Server(config).run(sockets=[listener])


def _exit(*_: object) -> NoReturn:
    sys.exit(0)


def leave_alone_what_stays() -> None:
    """Spare the garbage collector what is there for as long as the process.

    A message makes a few hundred objects, nearly all of which go by their counts. With the usual
    threshold, every seventh message has the collector look, and now and then at all of Django.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE)


def _listen(host: str, listen_port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Many clients may come at once, for example when they all come back after a restart.
    return socket.create_server((host, listen_port), family=family, backlog=2048)
