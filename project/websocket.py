"""The production server's WebSocket: uvicorn's, with a short way for what comes and goes most.

What comes and goes most are text frames in one piece. They are read and written here, all that
came or goes at once together; everything else (the handshake, other frames, whatever is wrong) is
left to uvicorn and `websockets`, which never get half a frame from here.
"""

import asyncio
from typing import Any

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import apply_mask  # type: ignore[attr-defined]  # its C, if there is
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from sessions_app.close_codes import NO_PONG
from sessions_app.consumers import TEXTS
from sessions_app.flag import Flag

#: RFC 6455, section 5.2: a text message in one frame; the bit that says "masked".
_WHOLE_TEXT = 0x81
_FINAL = 0x80
_CONTROL = 0x08
_MASKED = 0x80

#: How long a client has to answer a close before its connection is cut, in seconds.
CLOSE_SECONDS = 5.0


_NONSENSE = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Mailbox:
    """Messages for one application that waits for them: what uvicorn needs of a queue."""

    __slots__ = ("_messages", "_news")

    def __init__(self) -> None:
        self._messages: list[Any] = []
        self._news: asyncio.Future[None] | None = None

    def put_nowait(self, message: Any) -> None:
        """Add a message."""
        self._messages.append(message)
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    def news(self) -> asyncio.Future[None]:
        """Done when there is a message: there was none, and one waits at a time."""
        self._news = asyncio.get_running_loop().create_future()
        return self._news

    def take(self) -> Any:
        """The oldest message."""
        return self._messages.pop(0)

    def empty(self) -> bool:
        """Whether there is none."""
        return not self._messages


class Protocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket, which also answers to nonsense, and closes on a peer that is stuck.

    uvicorn waits for room in the peer's buffer before it sends anything, the close included, and
    its closing waits until everything has been read: a peer that is stuck would be kept for ever.
    """

    # uvicorn's own attributes are most of these: a dict of so many would hold 2 KB.
    __slots__ = (
        "_conn",
        "_in_pieces",
        "_is_early",
        "_is_ours",
        "_kept",
        "_texts",
        "app",
        "app_state",
        "asgi_version",
        "client",
        "close_sent",
        "close_timeout",
        "close_timer",
        "config",
        "connections",
        "curr_msg_data_type",
        "default_headers",
        "disconnected",
        "frames",
        "handshake_complete",
        "handshake_initiated",
        "initial_response",
        "last_ping_rtt",
        "logger",
        "loop",
        "pending_ping_payload",
        "ping_interval",
        "ping_sent_at",
        "ping_timeout",
        "ping_timer",
        "pong_timer",
        "queue",
        "read_paused",
        "request",
        "response",
        "root_path",
        "scheme",
        "scope",
        "server",
        "tasks",
        "transport",
        "writable",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._conn: ServerProtocol | None = None
        super().__init__(*args, **kwargs)
        # uvicorn's own would hold 5 KB.
        self.queue = Mailbox()  # type: ignore[assignment]  # what uvicorn uses of a queue
        self.writable = Flag(is_set=True)  # type: ignore[assignment]  # and of an event
        self._kept = b""
        self._in_pieces = False
        self._is_early = False
        self._is_ours = False
        self._texts: list[str] | None = None

    @property
    def conn(self) -> ServerProtocol:
        """`websockets`' side of it: another one whenever the last had nothing to remember."""
        if self._conn is None:
            self._conn = ServerProtocol(
                state=OPEN, max_size=self.config.ws_max_size, logger=self.logger
            )
        return self._conn

    @conn.setter
    def conn(self, conn: ServerProtocol) -> None:
        self._conn = conn

    def handle_connect(self, event: Any) -> None:
        """Begin, and say what can be done here."""
        super().handle_connect(event)
        if not self.close_sent:
            extensions: dict[Any, Any] | None = self.scope["extensions"]
            assert extensions is not None  # noqa: S101 - it was just made
            extensions[TEXTS] = {}

    # -- in

    def data_received(self, data: bytes) -> None:
        """Take what the peer has sent."""
        if self._is_ours:
            self._take(self._kept + data if self._kept else data)
            # Not after each frame: a flood of pings is to cost no more than theirs.
            self._forget_conn()
        else:
            self._is_early = self.handshake_initiated or not data.endswith(b"\r\n\r\n")
            self._leave(data)

    def _take(self, data: bytes) -> None:
        """Take the frames in `data`; what is left of it begins the next one."""
        position, size = 0, len(data)
        while self._is_ours and size - position >= 2:
            first, second = data[position], data[position + 1]
            length, begin = second & 0x7F, position + 6
            if length >= 126:
                begin = position + (8 if length == 126 else 14)
                length = int.from_bytes(data[position + 2 : begin - 4], "big")
                if size < begin:
                    break
            if length > self.config.ws_max_size or not second & _MASKED:
                # It will be refused: nothing after it is of any interest.
                self._is_ours = False
                break
            end = begin + length
            if end > size:
                break
            if first != _WHOLE_TEXT or self._in_pieces:
                self._note_pieces(first)
                self._leave(data[position:end])
            elif not self._put(apply_mask(data[begin:end], data[begin - 4 : begin])):
                self._leave(data[position:end])
            position = end
        self._kept = data[position:] if self._is_ours else b""
        if not self._is_ours:
            self._leave(data[position:])

    def _note_pieces(self, first: int) -> None:
        if not first & _CONTROL:
            self._in_pieces = not first & _FINAL

    def _put(self, payload: bytes) -> bool:
        """Give a text to the application, with those that still wait; False if it is no text."""
        if self.close_sent:
            return True
        try:
            text = payload.decode()
        except UnicodeDecodeError:
            return False
        if self._texts is not None:
            self._texts.append(text)
            return True
        self._texts = [text]
        message: Any = {"type": "websocket.receive", "texts": self._texts}
        self.queue.put_nowait(message)
        if not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()
        return True

    async def receive(self) -> Any:
        """The next message for the application: as uvicorn's, in one step instead of four."""
        queue: Mailbox = self.queue  # type: ignore[assignment]
        while queue.empty():
            await queue.news()
        message = queue.take()
        if self.read_paused and queue.empty():
            self.read_paused = False
            self.transport.resume_reading()
        if message["type"] == "websocket.receive":
            self._texts = None
        return message

    def _leave(self, data: bytes) -> None:
        """Have uvicorn take it; what is no request at all is answered, too."""
        # What comes next comes after it.
        self._texts = None
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            # A request line or a header beyond the library's limit: uvicorn would say nothing.
            self.handshake_initiated = True
            self.transport.write(_NONSENSE)
            self.transport.close()

    def _forget_conn(self) -> None:
        if self._is_ours and not self._in_pieces and not self._is_closing():
            self._conn = None

    # -- out

    def _forget_handshake(self) -> None:
        """Drop what nobody will ask for any more: a fifth of what an idle socket holds."""
        self.request = self.response = None  # type: ignore[assignment]  # uvicorn is past them
        self.scope["headers"] = []
        if self.conn.state is OPEN and not self.conn.extensions and not self._is_early:
            # From here on: there is no frame of which `websockets` has a part.
            self._is_ours = True
            self._conn = None

    async def send(self, message: Any) -> None:
        """Send; a close does not wait, and is followed by a cut."""
        if (texts := message.get("texts")) is not None:
            await self._send_texts(texts)
            return
        if message["type"] != "websocket.close":
            await super().send(message)
            if self.handshake_complete and message["type"] == "websocket.accept":
                self._forget_handshake()
            return
        self.writable.set()
        await super().send(message)
        if self.close_timer is not None:
            self.close_timer.cancel()
            self.close_timer = self.loop.call_later(CLOSE_SECONDS, self.transport.abort)

    async def _send_texts(self, texts: list[str]) -> None:
        if not self.writable.is_set():
            await self.writable.wait()
        if self.disconnected or self.close_sent or self._is_closing():
            raise ClientDisconnected
        self.transport.write(b"".join([part for text in texts for part in _frame(text.encode())]))

    def _is_closing(self) -> bool:
        return self._conn is not None and self._conn.state is not OPEN

    def send_keepalive_ping(self) -> None:
        """Ask the peer whether it is there, as uvicorn does, with the least of `websockets`."""
        super().send_keepalive_ping()
        self._forget_conn()

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


def _frame(payload: bytes) -> tuple[bytes, bytes]:
    """A text message in one frame: its header, and itself."""
    size = len(payload)
    if size < 126:
        return bytes((_WHOLE_TEXT, size)), payload
    if size < 65_536:
        return b"\x81\x7e" + size.to_bytes(2, "big"), payload
    return b"\x81\x7f" + size.to_bytes(8, "big"), payload
