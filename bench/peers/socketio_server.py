"""python-socketio on uvicorn, a SQLite insert per message in a thread."""

import asyncio
import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import socketio

PATH = os.environ["DATABASE_URL"].removeprefix("sqlite:///")
one_thread = ThreadPoolExecutor(1)


def connect() -> sqlite3.Connection:
    made = sqlite3.connect(PATH, check_same_thread=False, isolation_level=None)
    made.execute("PRAGMA journal_mode=WAL")
    made.execute("PRAGMA synchronous=FULL")
    made.execute(
        "CREATE TABLE IF NOT EXISTS message (id INTEGER PRIMARY KEY, room TEXT NOT NULL,"
        " text TEXT NOT NULL, at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP)"
    )
    made.execute("CREATE INDEX IF NOT EXISTS message_room ON message (room)")
    return made


database = connect()
server = socketio.AsyncServer(async_mode="asgi", cors_allowed_origins="*")
application = socketio.ASGIApp(server)
rooms: dict[str, str] = {}


def insert(room: str, text: str) -> int | None:
    row = (room, text)
    return database.execute("INSERT INTO message (room, text) VALUES (?, ?)", row).lastrowid


@server.on("join")
async def join(sid: str, room: str) -> None:
    rooms[sid] = room
    await server.enter_room(sid, room)
    await server.emit("joined", room, to=sid)


@server.on("message")
async def message(sid: str, text: str) -> int | None:
    room = rooms[sid]
    number = await asyncio.get_running_loop().run_in_executor(one_thread, insert, room, text)
    await server.emit("event", {"event": number, "room": room, "text": text}, room=room)
    return number


@server.on("disconnect")
async def disconnect(sid: str, *_: Any) -> None:
    rooms.pop(sid, None)
