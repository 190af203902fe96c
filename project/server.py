"""The production server: uvicorn, set up for many long-lived sockets."""

import logging
import socket

import uvicorn
from django.conf import settings

logger = logging.getLogger(__name__)

#: How long a stop may take, in seconds (protocol, section 8).
STOP_WITHIN = 30


def serve(*, host: str, listen_port: int, fd: int | None = None) -> None:
    """Serve until SIGTERM or SIGINT. Raises OSError if the address cannot be had."""
    config = uvicorn.Config(
        "project.asgi:application",
        lifespan="on",
        ws="websockets-sansio",
        # Frames larger than 64 KiB are refused by code 4514; beyond this uvicorn itself cuts.
        ws_max_size=1024 * 1024,
        # Twice the sockets in the same memory: 31 instead of 65 KB each.
        ws_per_message_deflate=False,
        # Dead peers are the application's affair: its own ping carries heads.
        ws_ping_interval=None,
        timeout_graceful_shutdown=STOP_WITHIN - 5,
        proxy_headers=bool(settings.TRUSTED_PROXIES),
        forwarded_allow_ips=settings.TRUSTED_PROXIES or None,
        server_header=False,
        log_config=None,
        access_log=False,
    )
    listener = socket.socket(fileno=fd) if fd is not None else _listen(host, listen_port)
    address = listener.getsockname()
    logger.info("listening on %s port %s", *address[:2])
    uvicorn.Server(config).run(sockets=[listener])


def _listen(host: str, listen_port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Many clients may come at once, for example when they all come back after a restart.
    return socket.create_server((host, listen_port), family=family, backlog=2048)
