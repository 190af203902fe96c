"""What a real process tells whoever supervises it."""

import asyncio
import http.client
import json
import time
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.servers import PATIENCE, Database, Server, serving
from tests.services import POSTGRES_URL
from tests.wire import Client


@pytest.fixture
def server(postgres: Database) -> Iterator[Server]:
    with serving(postgres) as server:
        yield server


def asked(server: Server, path: str) -> str:
    """The status and what it is about, in a word."""
    with closing(http.client.HTTPConnection("127.0.0.1", server.port)) as connection:
        return asked_on(connection, path)


def asked_on(connection: http.client.HTTPConnection, path: str) -> str:
    connection.request("GET", path)
    response = connection.getresponse()
    return f"{response.status} {json.loads(response.read())['status']}"


def becomes(server: Server, path: str, expected: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while (now := asked(server, path)) != expected:
        assert time.monotonic() < deadline, now
        time.sleep(0.05)


def let_in(database: Database, *, allowed: bool) -> None:
    """Whether the database takes connections; without, those that there are end, too."""
    name = urlsplit(database.url).path.lstrip("/")
    with psycopg.connect(POSTGRES_URL, autocommit=True) as connection:
        statement = f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS {str(allowed).lower()}'
        connection.execute(statement.encode())
        if not allowed:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
            )


@pytest.mark.postgres
def test_a_database_that_goes_away_and_comes_back(server: Server, postgres: Database) -> None:
    """The process is alive all the while, and ready when there is a database."""
    assert asked(server, "/healthz/ready") == "200 ready"
    let_in(postgres, allowed=False)
    try:
        becomes(server, "/healthz/ready", "503 unavailable")
        assert asked(server, "/healthz/live") == "200 live"
    finally:
        let_in(postgres, allowed=True)
    becomes(server, "/healthz/ready", "200 ready")
    assert "the database cannot be read" in server.log


@pytest.mark.postgres
async def test_a_process_that_drains_is_alive_and_not_ready(server: Server) -> None:
    """Whoever asks on a connection that was open before hears why; others are not let in."""
    with closing(http.client.HTTPConnection("127.0.0.1", server.port)) as before:
        assert asked_on(before, "/healthz/ready") == "200 ready"
        async with await Client.connect(server.url, server.people["owner0"].token) as client:
            await client.settle()
            stopping = asyncio.create_task(asyncio.to_thread(server.stop))
            await client.until(lambda: client.notifications("draining") or None)
            told = await asyncio.to_thread(asked_on, before, "/healthz/ready")
            assert told == "503 draining"
            assert await asyncio.to_thread(asked_on, before, "/healthz/live") == "200 live"
            assert await client.ended() == 4001
            assert await stopping == 0
    server.start()
