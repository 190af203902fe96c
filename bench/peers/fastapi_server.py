"""FastAPI with SQLAlchemy's asyncio side on aiosqlite, and a set of sockets per room."""

import os
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from sqlalchemy import event
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

engine = create_async_engine(
    os.environ["DATABASE_URL"].replace("sqlite:", "sqlite+aiosqlite:"), pool_size=5
)
make_session = async_sessionmaker(engine, expire_on_commit=False)


@event.listens_for(engine.sync_engine, "connect")
def set_up(connection: Any, _: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA busy_timeout=20000")
    cursor.close()


class Base(DeclarativeBase):
    pass


class Message(Base):
    __tablename__ = "message"
    id: Mapped[int] = mapped_column(primary_key=True)
    room: Mapped[str] = mapped_column(index=True)
    text: Mapped[str]
    at: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC))


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield
    await engine.dispose()


application = FastAPI(lifespan=lifespan)
rooms: defaultdict[str, set[WebSocket]] = defaultdict(set)


@application.websocket("/ws/{room}/")
async def chat(socket: WebSocket, room: str) -> None:
    rooms[room].add(socket)
    await socket.accept()
    try:
        while True:
            content = await socket.receive_json()
            async with make_session() as session:
                message = Message(room=room, text=content["text"])
                session.add(message)
                await session.commit()
            await socket.send_json({"ack": content["id"]})
            told = {"event": message.id, "room": room, "text": message.text}
            for each in tuple(rooms[room]):
                await each.send_json(told)
    except WebSocketDisconnect:
        rooms[room].discard(socket)
