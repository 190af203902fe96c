"""What the tutorials build, to compare with: a row is inserted, and `group_send` tells of it.

It speaks as much of the protocol as the clients need. It gives numbers without holes, and each user
only what is theirs; what it lacks is receipts, and any way to see again what was missed.
"""

import asyncio
import json
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeAlias
from uuid import uuid4

import psycopg
from channels_redis.pubsub import RedisPubSubChannelLayer

from tests.faults.crashing import CRASH

Send: TypeAlias = Callable[[dict[str, Any]], Awaitable[None]]
Receive: TypeAlias = Callable[[], Awaitable[dict[str, Any]]]

TABLES = """
CREATE TABLE naive_session (id text PRIMARY KEY, last_seq integer NOT NULL);
CREATE TABLE naive_event (
    session text NOT NULL, seq integer NOT NULL, kind text NOT NULL, actor text NOT NULL,
    data jsonb NOT NULL, key text NOT NULL, UNIQUE (session, seq)
);
"""


def insert(database_url: str, session: str, kind: str, actor: str, data: Any, key: str) -> int:
    """Store an event; its seq."""
    with psycopg.connect(database_url) as connection:
        found = connection.execute(
            "UPDATE naive_session SET last_seq = last_seq + 1 WHERE id = %s RETURNING last_seq",
            [session],
        ).fetchone()
        assert found is not None
        connection.execute(
            "INSERT INTO naive_event VALUES (%s, %s, %s, %s, %s, %s)",
            [session, found[0], kind, actor, json.dumps(data), key],
        )
    return int(found[0])


def head(database_url: str, session: str) -> int:
    """The last seq of a session."""
    with psycopg.connect(database_url) as connection:
        found = connection.execute("SELECT last_seq FROM naive_session WHERE id = %s", [session])
        row = found.fetchone()
    return int(row[0]) if row else 0


class Naive:
    """The application."""

    def __init__(self) -> None:
        self.database_url = os.environ["DATABASE_URL"]
        self.users: dict[str, str] = json.loads(os.environ["NAIVE_USERS"])
        self.members: dict[str, list[str]] = json.loads(os.environ["NAIVE_MEMBERS"])
        self.layer = RedisPubSubChannelLayer(hosts=[os.environ["REDIS_URL"]])
        self.dying = False
        signal.signal(CRASH, self._arm)

    def _arm(self, *_: object) -> None:
        self.dying = True

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Serve a connection."""
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b""})
        elif scope["type"] == "websocket":
            await receive()
            token = dict(scope["headers"])[b"authorization"].decode().removeprefix("Bearer ")
            subprotocol = scope["subprotocols"][0]
            await send({"type": "websocket.accept", "subprotocol": subprotocol})
            await Consumer(self, self.users[token], send).serve(receive)


class Consumer:
    """One socket."""

    def __init__(self, server: Naive, user: str, send: Send) -> None:
        self._server = server
        self._user = user
        self._socket = send
        self._channel = ""

    async def serve(self, receive: Receive) -> None:
        """Answer until the socket is gone, or something fails."""
        layer = self._server.layer
        self._channel = await layer.new_channel()
        await self._send({"method": "welcome", "params": {}})
        telling = asyncio.create_task(self._tell())
        try:
            while (message := await receive())["type"] == "websocket.receive":
                await self._answer(json.loads(message["text"]))
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
            for session in self._server.members:
                with suppress(Exception):
                    await layer.group_discard(session, self._channel)

    async def _tell(self) -> None:
        while True:
            message = await self._server.layer.receive(self._channel)
            event = dict(message["event"])
            if event["actor"] != self._user:
                event.pop("key")
            await self._send({"method": "event", "params": event})

    async def _answer(self, request: dict[str, Any]) -> None:
        params = request["params"]
        match request["method"]:
            case "watch_sessions":
                await self._watch(request["id"], params)
            case "send_message" if self._user in self._server.members[params["session_id"]]:
                await self._write(request["id"], params)
            case "ping":
                await self._send({"id": request["id"], "result": {}})
            case _:
                data = {"code": "session_not_found", "retry": False}
                await self._send({"id": request["id"], "error": {"data": data}})

    async def _watch(self, id_: int, params: dict[str, Any]) -> None:
        result: dict[str, list[dict[str, Any]]] = {"watching": [], "refused": []}
        for each in params["sessions"]:
            session = each["session_id"]
            if self._user in self._server.members[session]:
                last = await asyncio.to_thread(head, self._server.database_url, session)
                result["watching"].append({"session_id": session, "head": last})
            else:
                result["refused"].append({"session_id": session, "code": "session_not_found"})
        await self._send({"id": id_, "result": result})
        for each in result["watching"]:
            await self._server.layer.group_add(each["session_id"], self._channel)

    async def _write(self, id_: int, params: dict[str, Any]) -> None:
        session, data, key = params["session_id"], {"text": params["text"]}, params["key"]
        seq = await asyncio.to_thread(
            insert, self._server.database_url, session, "message_sent", self._user, data, key
        )
        if self._server.dying:
            os.kill(os.getpid(), signal.SIGKILL)
        event = {
            "session_id": session, "seq": seq, "kind": "message_sent", "actor": self._user,
            "data": data, "key": key,
        }  # fmt: skip
        await self._send({"id": id_, "result": {"seq": seq, "duplicate": False}})
        await self._server.layer.group_send(session, {"type": "told", "event": event})

    async def _send(self, frame: dict[str, Any]) -> None:
        text = json.dumps({"jsonrpc": "2.0", **frame})
        await self._socket({"type": "websocket.send", "text": text})


def new_session() -> str:
    """An id."""
    return str(uuid4())


async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """The application, made with the first connection: importing it starts nothing."""
    global _naive
    _naive = _naive or Naive()
    await _naive(scope, receive, send)


_naive: Naive | None = None
