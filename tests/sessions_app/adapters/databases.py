"""Databases in trouble: with other settings, or behind a proxy that stops."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

from django.db import connections


@contextmanager
def settings_of(
    alias: str, *, options: dict[str, Any] | None = None, **settings: Any
) -> Iterator[None]:
    """Other settings for the connections of threads that begin meanwhile."""
    config = connections.settings[alias]
    before = dict(config)
    config |= {**settings, "OPTIONS": {**config["OPTIONS"], **(options or {})}}
    try:
        yield
    finally:
        config.clear()
        config |= before


def backend(alias: str) -> int:
    """Which process of PostgreSQL serves this thread."""
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid: int = cursor.fetchone()[0]
        return pid


def kill(alias: str, pid: int) -> None:
    """End a process of PostgreSQL, and with it a connection."""
    with connections[alias].cursor() as cursor:
        # The second argument waits until it is gone.
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


def is_waiting(alias: str) -> bool:
    """Whether somebody waits for a lock in this database."""
    with connections[alias].cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock')"
        )
        found: bool = cursor.fetchone()[0]
        return found


class Proxy:
    """A TCP proxy to a database server, which can be stopped and started again."""

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self.listen_port = 0

    @classmethod
    @asynccontextmanager
    async def to(cls, alias: str) -> AsyncIterator["Proxy"]:
        """A proxy to the server of a database, running."""
        settings = connections[alias].settings_dict
        proxy = cls(settings["HOST"], int(settings["PORT"] or 5432))
        await proxy.start()
        try:
            yield proxy
        finally:
            await proxy.stop()

    async def start(self) -> None:
        """Listen, on the same port as before."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.listen_port)
        self.listen_port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Refuse connections and cut those that there are."""
        if self._server is not None:
            self._server.close()
            for writer in self._writers:
                writer.transport.abort()
            await asyncio.gather(*self._pumps, return_exceptions=True)
            self._server, self._writers, self._pumps = None, set(), set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, to_there = await asyncio.open_connection(*self._target)
        self._writers |= {writer, to_there}
        for source, sink in ((reader, to_there), (there, writer)):
            self._pumps.add(asyncio.create_task(self._pump(source, sink)))

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65_536):
                sink.write(data)
                await sink.drain()
        sink.close()
