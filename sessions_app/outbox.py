"""What waits to be sent on one socket: bounded, so that a slow reader costs a number, no buffer."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

from sessions_app.close_codes import Close
from sessions_app.flag import Flag
from sessions_app.protocol import array

Send: TypeAlias = Callable[[dict[str, Any]], Awaitable[None]]

#: Protocol, section 5, promise 7. Bytes are counted as characters, which nearly all of them are.
MAX_FRAMES = 256
MAX_BYTES = 1_000_000

#: Frames that are put into one array at most; the protocol's own limit for a batch.
MAX_ARRAY = 64


class Outbox:
    """Frames in the order in which they will be sent, and then perhaps a close code.

    Replies are always taken; who reads requests waits for `room` before reading on, so that they
    are bounded by what a client may have in flight. Events are put in only while there is room.
    """

    __slots__ = (
        "_arrays",
        "_bytes",
        "_close",
        "_drained",
        "_ended",
        "_frames",
        "_news",
        "_together",
        "sending_since",
        "sent",
    )

    def __init__(self, *, arrays: bool, together: bool = False) -> None:
        self._arrays = arrays
        self._together = together
        # A list: it is short, and nearly always empty, when a deque would hold 0.6 KB.
        self._frames: list[str] = []
        self._bytes = 0
        self._close: Close | None = None
        self._ended = False
        self._news = Flag()
        self._drained = Flag(is_set=True)
        #: When the frame that is being sent was handed over, on the loop's clock; None: none is.
        self.sending_since: float | None = None
        #: How many frames have been handed over.
        self.sent = 0

    @property
    def has_room(self) -> bool:
        """Whether another frame may be put in."""
        return self.free > 0

    @property
    def free(self) -> int:
        """How many frames may be put in, if they are not too large."""
        if self._close is not None or self._ended or self._bytes >= MAX_BYTES:
            return 0
        return max(0, MAX_FRAMES - len(self._frames))

    @property
    def waiting(self) -> int:
        """How many frames wait."""
        return len(self._frames)

    @property
    def verdict(self) -> int | None:
        """The code with which this side closes the socket; None where it does not."""
        return None if self._close is None else self._close[0]

    @property
    def closing(self) -> bool:
        """Whether the socket is about to be closed from this side."""
        return self._close is not None or self._ended

    def offer(self, frames: Sequence[str]) -> int:
        """As `put`, of as many frames as there is room for; how many these are."""
        size = sum(map(len, frames))
        if frames and len(frames) < self.free and self._bytes + size < MAX_BYTES:
            if not self._frames:
                self._news.set()
            self._frames += frames
            self._bytes += size
            return len(frames)
        taken = 0
        while taken < len(frames) and self.has_room:
            self.put(frames[taken])
            taken += 1
        return taken

    def put(self, frame: str) -> None:
        """Send `frame` after what is there."""
        if self._ended:
            return
        if not self._frames:
            self._news.set()
        self._frames.append(frame)
        self._bytes += len(frame)
        if len(self._frames) >= MAX_FRAMES or self._bytes >= MAX_BYTES:
            self._drained.clear()

    def close(self, why: Close) -> None:
        """Close the socket after what is there; the first verdict wins."""
        if self._close is None:
            self._close = why
            self._news.set()

    def abandon(self, why: Close) -> None:
        """Close the socket with nothing of what is there; `write_close` is all that is left."""
        self._close = why
        self._frames.clear()
        self._bytes = 0

    async def room(self) -> None:
        """Wait until half of what may wait has been sent."""
        await self._drained.wait()

    async def write(self, send: Send) -> None:
        """Send until the socket is to be closed, and close it."""
        try:
            while self._close is None or self._frames:
                await self._news.wait()
                self._news.clear()
                await self._send_all(send)
            await self.write_close(send)
        finally:
            self._ended = True
            self._drained.set()

    async def write_close(self, send: Send) -> None:
        """Close the socket, if it is to be closed."""
        if self._close is not None:
            code, reason = self._close
            await send({"type": "websocket.close", "code": code, "reason": reason})

    async def _send_all(self, send: Send) -> None:
        loop = asyncio.get_running_loop()
        while self._frames:
            self.sending_since = loop.time()
            await self._send_some(send)
            self.sending_since = None
            if len(self._frames) <= MAX_FRAMES // 2 and self._bytes <= MAX_BYTES // 2:
                self._drained.set()

    async def _send_some(self, send: Send) -> None:
        if not self._together:
            await send({"type": "websocket.send", "text": self._take()})
            self.sent += 1
            return
        texts = self._pop(MAX_ARRAY) if not self._arrays else [self._take()]
        while self._frames and len(texts) < MAX_ARRAY:
            texts.append(self._take())
        await send({"type": "websocket.send", "texts": texts})
        self.sent += len(texts)

    def _take(self) -> str:
        """The next frame, with those that go into one array with it."""
        frames, count = self._frames, 1
        # A batch's replies are an array already; they go alone.
        if self._arrays and frames[0][0] != "[":
            most = min(len(frames), MAX_ARRAY)
            while count < most and frames[count][0] != "[":
                count += 1
        taken = self._pop(count)
        return array(taken) if count > 1 else taken[0]

    def _pop(self, count: int) -> list[str]:
        taken = self._frames[:count]
        del self._frames[:count]
        self._bytes -= sum(map(len, taken))
        return taken
