"""Our server tells every story of the vectors: over real sockets, and in this process."""

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from http.client import HTTPConnection
from itertools import count
from typing import Any, Self

import pytest
from django.test import AsyncClient
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from project.application import Application
from tests.conformance import servers
from tests.conformance.vectors import Mismatch, Vector, Words, load
from tests.servers import FAMILIES, Server, sqlite_database
from tests.servers import serving as serving_process
from tests.sessions_app.sockets import Client, people, serving

PATIENCE = 10.0

#: What people of a story are called in the database: each story has a family of its own.
ROLES = {"ann": "owner", "bob": "member", "carl": "observer"}
TURNS = count()

ALL = pytest.mark.parametrize("vector", load("server"), ids=lambda each: each.name)


class RealWire:
    """A WebSocket by the `websockets` library."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    @classmethod
    async def open(cls, url: str, token: str | None, offered: Sequence[str], query: str) -> Self:
        socket = await connect(
            f"{url}?{query}",
            additional_headers=authorization(token),
            subprotocols=[Subprotocol(each) for each in offered] or None,
            proxy=None,
        )
        return cls(socket)

    @property
    def subprotocol(self) -> str | None:
        return self._socket.subprotocol

    async def send(self, frame: str | bytes) -> None:
        await self._socket.send(frame)

    async def receive(self) -> str | int:
        try:
            async with asyncio.timeout(PATIENCE):
                return str(await self._socket.recv())
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else 1006

    async def cut(self) -> None:
        self._socket.transport.abort()


class InnerWire:
    """A WebSocket without a network."""

    def __init__(self, asgi: Any, accepted: dict[str, Any]) -> None:
        self._asgi = asgi
        self._accepted = accepted

    @classmethod
    async def open(
        cls, application: Application, token: str | None, offered: Sequence[str], query: str
    ) -> Self:
        client = Client(application, token=token, subprotocols=offered, query=query)
        return cls(client.asgi, await client.handshake())

    @property
    def subprotocol(self) -> str | None:
        chosen: str | None = self._accepted.get("subprotocol")
        return chosen

    async def send(self, frame: str | bytes) -> None:
        kind = "text" if isinstance(frame, str) else "bytes"
        await self._asgi.send_input({"type": "websocket.receive", kind: frame})

    async def receive(self) -> str | int:
        message = await self._asgi.receive_output(timeout=PATIENCE)
        if message["type"] == "websocket.close":
            return int(message["code"])
        return str(message["text"])

    async def cut(self) -> None:
        if not self._asgi.future.done():
            await self._asgi.send_input({"type": "websocket.disconnect", "code": 1006})
        await self._asgi.wait(timeout=PATIENCE)


def authorization(token: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def post_to(
    host: str, path: str, token: str | None, headers: Mapping[str, str], body: Any
) -> tuple[int, Any]:
    """What a server answers over HTTP."""
    connection = HTTPConnection(host, timeout=PATIENCE)
    with closing(connection):
        sent = {"Content-Type": "application/json", **authorization(token), **headers}
        connection.request("POST", path, json.dumps(body), sent)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


async def post(
    path: str, token: str | None, headers: Mapping[str, str], body: Any
) -> tuple[int, Any]:
    """The same without a server."""
    sent = {**authorization(token), **headers}
    answer = await AsyncClient().post(path, body, content_type="application/json", headers=sent)
    return answer.status_code, answer.json()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server process, on SQLite."""
    with sqlite_database() as database, serving_process(database) as server:
        yield server


@ALL
async def test_over_a_real_socket(vector: Vector, server: Server) -> None:
    """A server process answers as the story tells."""
    family = next(TURNS) % FAMILIES
    names = {person: f"{role}{family}" for person, role in ROLES.items()}
    tokens = {person: server.people[name].token for person, name in names.items()}

    async def opened(token: str | None, offered: Sequence[str], query: str) -> RealWire:
        return await RealWire.open(server.url, token, offered, query)

    async def posted(*request: Any) -> tuple[int, Any]:
        return await asyncio.to_thread(post_to, server.host, *request)

    await servers.run(vector, opened, posted, tokens, Words(names))
    assert server.complaints() == []


@ALL
@pytest.mark.django_db(transaction=True)
async def test_in_this_process(vector: Vector) -> None:
    """The application answers as the story tells, without a server around it."""
    tokens = await asyncio.to_thread(people, *ROLES)
    async with serving() as application:

        async def opened(token: str | None, offered: Sequence[str], query: str) -> InnerWire:
            return await InnerWire.open(application, token, offered, query)

        await servers.run(vector, opened, post, tokens, Words({name: name for name in ROLES}))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "step",
    [
        {"hear": "a", "frame": {"jsonrpc": "2.0", "id": "$i", "result": {"surprise": 1}}},
        {"hear": "a", "frame": {"jsonrpc": "2.0", "id": "another", "result": {}}},
        {"closed": "a", "code": 4501},
        {"quiet": "a"},
        {"dance": "a"},
        {"post": "ping", "as": "ann", "body": {}, "status": 201, "answer": {}},
        {"post": "ping", "as": "ann", "body": {}, "status": 200, "answer": {"surprise": 1}},
    ],
)
async def test_another_story_is_noticed(step: dict[str, Any]) -> None:
    """A server that does not do as a story tells fails, with the step where it differs."""
    steps: list[dict[str, Any]] = [
        {"open": "a", "as": "ann"},
        {"hear": "a", "frame": {"method": "welcome"}},
        {"say": "a", "frame": {"jsonrpc": "2.0", "id": "$i", "method": "ping"}},
        step,
    ]
    tokens = await asyncio.to_thread(people, *ROLES)
    async with serving() as application:

        async def opened(token: str | None, offered: Sequence[str], query: str) -> InnerWire:
            return await InnerWire.open(application, token, offered, query)

        words = Words({name: name for name in ROLES})
        with pytest.raises(Mismatch, match="untrue, step 3"):
            await servers.run(
                Vector("untrue", ".", ("server",), steps), opened, post, tokens, words
            )
