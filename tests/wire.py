"""A JSON-RPC 2.0 client of a real server, on the `websockets` library and nothing of ours."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeAlias, TypeVar
from uuid import uuid4

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

#: How long anything may take that is expected to happen, in seconds.
PATIENCE = 10.0

SUBPROTOCOL = "sessions.v1.jsonrpc"

Frame: TypeAlias = dict[str, Any]
T = TypeVar("T")


class Refused(Exception):
    """The server answered with an error."""

    def __init__(self, error: Frame) -> None:
        super().__init__(str(error))
        self.number: int = error["code"]
        self.code: str = error["data"]["code"]
        self.data: Frame = error["data"]


class Inbox:
    """What has come over a connection: all of it is kept in order, and can be waited for."""

    def __init__(self) -> None:
        #: The frames as they read; an array of several is kept as one.
        self.frames: list[Any] = []
        #: The close code, once the connection has ended (1006: it was cut).
        self.close_code: int | None = None
        self._arrived = asyncio.Condition()

    async def _keep(self, frame: object) -> None:
        async with self._arrived:
            self.frames.append(frame)
            self._arrived.notify_all()

    async def _end(self, close_code: int | None) -> None:
        async with self._arrived:
            self.close_code = close_code
            self._arrived.notify_all()

    async def until(
        self,
        found: Callable[[], T | None],
        *,
        patience: float = PATIENCE,
        or_end: bool = False,
    ) -> T:
        """Wait until `found` finds something in what has arrived, or raise TimeoutError.

        With `or_end` it is an error at once if the connection ends before.
        """
        async with asyncio.timeout(patience), self._arrived:
            while (it := found()) is None:
                if or_end and self.close_code is not None:
                    raise EOFError(f"The connection has ended with {self.close_code}")
                await self._arrived.wait()
            return it

    async def has_events(self, session_id: str, up_to: int, *, patience: float = PATIENCE) -> None:
        """Wait for the event with the seq `up_to`."""
        await self.until(
            lambda: any(each["seq"] == up_to for each in self.events(session_id)) or None,
            patience=patience,
        )

    async def ended(self, *, patience: float = PATIENCE) -> int:
        """Wait for the end of the connection; its code."""
        return await self.until(lambda: self.close_code, patience=patience)

    def reply_to(self, id_: object) -> Frame | None:
        """The reply to the request `id_`, if it is here."""
        singles = (frame for frame in self.replies() if isinstance(frame, dict))
        return next((frame for frame in singles if frame.get("id") == id_), None)

    def replies(self, since: int = 0) -> list[Any]:
        """Everything from the frame number `since` on that is no notification."""
        return [each for each in self.frames[since:] if not _is_notification(each)]

    def notifications(self, method: str, since: int = 0) -> list[Frame]:
        """The notifications `method` from the frame number `since` on."""
        return [
            each
            for each in self.frames[since:]
            if _is_notification(each) and each["method"] == method
        ]

    def told(self, since: int = 0) -> list[Frame]:
        """The notifications, from the frame number `since` on, that tell what somebody did."""
        return [
            each
            for each in self.frames[since:]
            if _is_notification(each) and each["method"] in TELLING
        ]

    def events(self, session_id: str, since: int = 0) -> list[Frame]:
        """The params of the events of a session, as they came."""
        return [
            each["params"]
            for each in self.notifications("event", since)
            if each["params"]["session_id"] == session_id
        ]

    def seqs(self, session_id: str, since: int = 0) -> list[int]:
        """The seqs of the events of a session, as they came."""
        return [each["seq"] for each in self.events(session_id, since)]


class Client(Inbox):
    """One connection of somebody."""

    def __init__(self, socket: ClientConnection) -> None:
        super().__init__()
        self._socket = socket
        self._asked: set[object] = set()
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def connect(
        cls,
        url: str,
        token: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        subprotocols: Sequence[str] = (SUBPROTOCOL,),
    ) -> Self:
        """Open a connection, with a bearer token or what `headers` say; `welcome` is to come."""
        authorization = {"Authorization": f"Bearer {token}"} if token else {}
        socket = await connect(
            url,
            additional_headers={**authorization, **(headers or {})},
            subprotocols=[Subprotocol(each) for each in subprotocols] or None,
            compression=None,
            max_size=None,
            max_queue=None,
            ping_interval=None,
            open_timeout=PATIENCE,
            close_timeout=PATIENCE,
            proxy=None,
        )
        return cls(socket)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def _read(self) -> None:
        try:
            async for text in self._socket:
                await self._keep(json.loads(text))
        except ConnectionClosed:
            pass
        await self._end(self._socket.close_code)

    async def send(self, frame: str | bytes) -> None:
        """Send a frame as it stands. That the connection has ended shows in `close_code`."""
        try:
            await self._socket.send(frame)
        except ConnectionClosed:
            await self.until(lambda: self.close_code)

    async def request(self, method: str, **params: object) -> Frame:
        """Send a request and wait for its reply."""
        id_ = uuid4().hex
        self._asked.add(id_)
        frame = {"jsonrpc": "2.0", "id": id_, "method": method, "params": params}
        await self.send(json.dumps(frame))
        return await self.until(lambda: self.reply_to(id_), or_end=True)

    async def call(self, method: str, **params: object) -> Frame:
        """The result of a flow; raises Refused for an error."""
        reply = await self.request(method, **params)
        if "error" in reply:
            raise Refused(reply["error"])
        result: Frame = reply["result"]
        return result

    async def write(self, session_id: str, text: str, key: str | None = None) -> int:
        """Send a message; its seq."""
        result = await self.call(
            "send_message", session_id=session_id, text=text, key=key or uuid4().hex
        )
        seq: int = result["seq"]
        return seq

    async def watch(self, session_id: str, after: int = 0) -> int:
        """Watch a session and wait until what was missed is here; the head it then had."""
        since = len(self.frames)
        result = await self.call(
            "watch_sessions", sessions=[{"session_id": session_id, "after": after}]
        )
        assert not result["refused"]
        live = await self.until(lambda: self._live(session_id, since))
        head: int = live["params"]["head"]
        return head

    def _live(self, session_id: str, since: int) -> Frame | None:
        lives = [each for each in self.notifications("live", since)
                 if each["params"]["session_id"] == session_id]  # fmt: skip
        return lives[0] if lives else None

    def strays(self, since: int = 0) -> list[Any]:
        """The replies to what was sent as it stands, and not by `request`."""
        return [
            each
            for each in self.replies(since)
            if isinstance(each, list) or each.get("id") not in self._asked
        ]

    async def close(self) -> None:
        """Close the connection as the standard says."""
        await self._socket.close()
        await self._reader

    async def cut(self) -> None:
        """End the connection without a word, as a lost network does."""
        self._socket.transport.abort()
        await self._reader

    async def settle(self) -> None:
        """Wait until all that the server had to say by now has arrived: it answers a ping."""
        await self.call("ping")


#: The notifications that tell what somebody did, unlike those about the connection itself.
TELLING = frozenset({"event", "seen", "signal", "unwatched"})


def _is_notification(frame: object) -> bool:
    return isinstance(frame, dict) and "method" in frame
