"""A small client of the wire: it reconnects, repeats what was not answered, and misses nothing.

What it decides is in values that do no I/O: `Outbox`, `Position`, `Reconnects`, `is_final`.
"""

import asyncio
import json
import random
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import suppress
from enum import Enum, auto
from types import TracebackType
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus
from websockets.typing import Subprotocol

SUBPROTOCOL = "sessions.v1.jsonrpc"

#: Protocol, section 7: full jitter from 500 ms, at most 20 s.
FIRST_DELAY = 0.5
LONGEST_DELAY = 20.0

#: A connection that lasted this long, in seconds, was a good one: the next failure is a first one.
SETTLED = 5.0

#: How often a call is repeated that the server asks to repeat.
PATIENCE = 20


class CallFailed(Exception):
    """The server refused a call: `code` is the stable name, `path` where the mistake is."""

    def __init__(self, code: str, message: str, path: str | None = None) -> None:
        super().__init__(f"{code}: {message}" + (f" - at `{path}`" if path else ""))
        self.code = code
        self.path = path


class Stopped(Exception):
    """The server does not want to be asked again: `code` is the close code or the HTTP status."""

    def __init__(self, code: int) -> None:
        super().__init__(f"{VERDICTS.get(code, 'The server wants no more')} ({code})")
        self.code = code


#: What a close code (protocol, section 7) or an HTTP status means for a person.
VERDICTS = {
    401: "The server does not know this token",
    403: "The server refuses this origin or this address",
    404: "There is no session server at this URL",
    4501: "The server does not know this token",
    4502: "You were logged out, or the token was revoked",
    4506: "The server speaks no version of the protocol that this client speaks",
    4511: "A member of staff has closed the connection",
    4512: "There are too many connections of this user",
    4513: "The server takes no binary frames",
    4514: "The frame was too large",
    4515: "There were too many bad frames",
    4520: "This account is disabled",
}


# -- decisions -------------------------------------------------------------------------------------


def backoff(attempt: int, chance: float) -> float:
    """Seconds to wait before connecting again after `attempt` failures in a row, 0 or more.

    `chance` is from 0 to 1. Full jitter: clients that were cut off together come back spread.
    """
    # The exponent is bounded, so that no number of failures makes the power too large.
    return chance * min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(attempt, 10))


class Reconnects:
    """How long to wait before each attempt: longer after every failure, until one was none."""

    def __init__(self) -> None:
        self._failures = 0

    def delay(self, lived: float, chance: float) -> float:
        """Seconds to wait, after a connection that lasted `lived` seconds (0: there was none)."""
        if lived >= SETTLED:
            self._failures = 0
        self._failures += 1
        return backoff(self._failures - 1, chance)


def is_final(close_code: int | None) -> bool:
    """Whether to stop; after any other code, and after none, one connects again."""
    return close_code is not None and 4500 <= close_code <= 4999


class Verdict(Enum):
    """What to do with an event."""

    NEXT = auto()
    KNOWN = auto()
    GAP = auto()


class Position:
    """How far a session's events have come."""

    def __init__(self, last: int) -> None:
        self.last = last

    def judge(self, seq: int) -> Verdict:
        """What the event `seq` is; the next one moves the position."""
        if seq <= self.last:
            return Verdict.KNOWN
        if seq != self.last + 1:
            return Verdict.GAP
        self.last = seq
        return Verdict.NEXT


class Outbox:
    """Calls that have no answer yet, in the order in which they were made."""

    def __init__(self) -> None:
        self._frames: dict[int, str] = {}
        self._tries: dict[int, int] = {}
        self._next = 1

    def add(self, method: str, params: object) -> int:
        """Keep a call until it is answered; the id it has on the wire, over all connections."""
        id_, self._next = self._next, self._next + 1
        request = {"jsonrpc": "2.0", "id": id_, "method": method, "params": params}
        self._frames[id_] = json.dumps(request)
        self._tries[id_] = 0
        return id_

    def frame(self, id_: int) -> str | None:
        """The frame of a call; None if it is answered."""
        return self._frames.get(id_)

    def frames(self) -> list[str]:
        """The frames of all calls that wait, to be sent again on a new connection."""
        return list(self._frames.values())

    def answered(self, id_: int) -> None:
        """The call `id_` needs to be sent no more."""
        self._frames.pop(id_, None)
        self._tries.pop(id_, None)

    def may_retry(self, id_: int) -> bool:
        """Whether a call that the server asks to repeat is repeated; it counts."""
        self._tries[id_] = self._tries.get(id_, 0) + 1
        return id_ in self._frames and self._tries[id_] <= PATIENCE


# -- the client ------------------------------------------------------------------------------------


class _Watch:
    """A session that is watched, on whatever connection there is."""

    def __init__(self, session_id: str, after: int) -> None:
        self.session_id = session_id
        self.position = Position(after)
        #: Asked for on this connection, and not answered yet: what comes is of an older asking.
        self.is_asked = False
        #: Events in order, or why there are no more.
        self.queue: asyncio.Queue[dict[str, Any] | Exception] = asyncio.Queue()


class SessionsClient:
    """One user's connection, opened again whenever it breaks, as long as the `async with` lasts.

    Every call is repeated on the next connection until it is answered: writes have keys, and reads
    change nothing. So `signal`, which would be signalled twice, is not for this client.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        chance: Callable[[], float] = random.random,
        on_change: Callable[[str | None], None] = lambda trouble: None,
    ) -> None:
        """`on_change` is told None when connected, and what is wrong when not."""
        self._url = url
        self._token = token
        self._chance = chance
        self._on_change = on_change
        self._outbox = Outbox()
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._watches: dict[str, _Watch] = {}
        self._socket: ClientConnection | None = None
        self._epoch: str | None = None
        self._end: Exception | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        #: The task that keeps a connection. After a drain, the one before it ends with its own.
        self._keeper: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._keeper = self._start(self._run())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._fail(ConnectionError("The client is closed"))

    async def call(self, method: str, params: Mapping[str, object]) -> Any:
        """The result of a flow, however long it takes; CallFailed or Stopped if it fails."""
        if self._end is not None:
            raise self._end
        id_ = self._outbox.add(method, params)
        answer = self._answers[id_] = asyncio.get_running_loop().create_future()
        try:
            await self._send(self._outbox.frame(id_))
            return await answer
        finally:
            self._outbox.answered(id_)
            del self._answers[id_]

    async def watch(self, session_id: str, after: int) -> AsyncGenerator[dict[str, Any]]:
        """The session's events after `after`, each once and in order, then those to come.

        Raises CallFailed when the session cannot be watched, or no longer, and Stopped.
        """
        if self._end is not None:
            raise self._end
        if session_id in self._watches:
            raise ValueError(f"The session {session_id} is watched already")
        watch = self._watches[session_id] = _Watch(session_id, after)
        try:
            await self._ask(watch)
            while True:
                event = await watch.queue.get()
                if isinstance(event, Exception):
                    raise event
                yield event
        finally:
            del self._watches[session_id]

    # -- connecting --------------------------------------------------------------------------------

    async def _run(self) -> None:
        reconnects = Reconnects()
        clock = asyncio.get_running_loop().time
        try:
            while True:
                began = clock()
                trouble = await self._connect()
                if self._keeper is not asyncio.current_task():
                    return  # another connection has taken over
                if self._socket is None:
                    self._on_change(trouble)
                await asyncio.sleep(reconnects.delay(clock() - began, self._chance()))
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody may wait for ever
            self._fail(error)

    async def _connect(self) -> str:
        """Be connected as long as it lasts, and tell what ended it; Stopped if that was final."""
        try:
            async with connect(
                self._url,
                subprotocols=[Subprotocol(SUBPROTOCOL)],
                additional_headers={"Authorization": f"Bearer {self._token}"},
                max_size=None,
            ) as socket:
                try:
                    await self._listen(socket)
                finally:
                    if self._socket is socket:
                        self._socket = None
        except ConnectionClosed as closed:
            code = closed.rcvd.code if closed.rcvd else None
            if code is not None and is_final(code):
                raise Stopped(code) from closed
            return f"the connection broke ({code or 'without a word'})"
        except InvalidStatus as refused:
            status = refused.response.status_code
            if status in VERDICTS:
                raise Stopped(status) from refused
            return f"the server answers {status}"
        except (OSError, TimeoutError, InvalidMessage) as error:
            return str(error) or "the server does not answer"
        return "the server has closed the connection"

    async def _listen(self, socket: ClientConnection) -> None:
        async for frame in socket:
            message = json.loads(frame)
            for each in message if isinstance(message, list) else [message]:
                if each.get("method") == "welcome":
                    await self._begin(socket, each["params"])
                else:
                    await self._take(each)

    async def _begin(self, socket: ClientConnection, welcome: Mapping[str, Any]) -> None:
        # Positions belong to the history in which they were first told.
        self._epoch = self._epoch or welcome["epoch"]
        before, self._socket = self._socket, socket
        self._on_change(None)
        for watch in self._watches.values():
            await self._ask(watch)
        for frame in self._outbox.frames():
            await self._send(frame)
        if before is not None:
            # What it was asked is asked here again; what it still tells is known.
            self._start(before.close())

    async def _move(self) -> None:
        """Open another connection while this one is served, which is closed when that one is."""
        self._keeper = self._start(self._run())

    async def _send(self, frame: str | None) -> None:
        if self._socket is not None and frame is not None:
            # What does not get through is sent again on the next connection.
            with suppress(ConnectionClosed):
                await self._socket.send(frame)

    async def _ask(self, watch: _Watch) -> None:
        """Watch from where its events have come to."""
        place = {"session_id": watch.session_id, "after": watch.position.last}
        params = {"sessions": [place], "epoch": self._epoch}
        request = {
            "jsonrpc": "2.0",
            "id": watch.session_id,
            "method": "watch_sessions",
            "params": params,
        }
        watch.is_asked = self._socket is not None
        await self._send(json.dumps(request))

    # -- what the server says ----------------------------------------------------------------------

    async def _take(self, message: Mapping[str, Any]) -> None:
        match message:
            case {"method": "event", "params": event}:
                await self._take_event(event)
            case {"method": "ping", "params": {"heads": heads}}:
                await self._compare(heads)
            case {"method": "draining", "params": {"reconnect_in_ms": [low, high]}}:
                # At a moment of one's own, so that not all come at once (protocol, section 8).
                self._later((low + (high - low) * self._chance()) / 1000, self._move)
            case {"method": "unwatched", "params": {"session_id": session_id, "reason": reason}}:
                self._unwatch(session_id, CallFailed(reason, "The session is watched no more"))
            case {"id": str(session_id), **answer}:
                self._take_watching(session_id, answer)
            case {"id": int(id_), **answer}:
                self._take_answer(id_, answer)

    async def _take_event(self, event: dict[str, Any]) -> None:
        watch = self._watches.get(event["session_id"])
        if watch is None:
            return
        match watch.position.judge(event["seq"]):
            case Verdict.NEXT:
                watch.queue.put_nowait(event)
            case Verdict.GAP if not watch.is_asked:
                await self._ask(watch)

    async def _compare(self, heads: Mapping[str, int]) -> None:
        """Ask again for what should have come: a last event that is missing leaves no gap."""
        for watch in self._watches.values():
            if heads.get(watch.session_id, 0) > watch.position.last and not watch.is_asked:
                await self._ask(watch)

    def _take_watching(self, session_id: str, answer: Mapping[str, Any]) -> None:
        watch = self._watches.get(session_id)
        if watch is None:
            return
        watch.is_asked = False
        match answer:
            case {"error": {"data": {"retry": True, "retry_after_ms": delay}}}:
                self._later(delay / 1000, lambda: self._ask(watch))
            case {"error": error}:
                self._unwatch(session_id, _failure(error))
            case {"result": {"refused": [{"code": code}]}}:
                self._unwatch(session_id, CallFailed(code, "The session cannot be watched"))

    def _take_answer(self, id_: int, answer: Mapping[str, Any]) -> None:
        waiting = self._answers.get(id_)
        if waiting is None or waiting.done():
            return
        match answer:
            case {"error": {"data": {"retry": True, "retry_after_ms": delay}}} if (
                self._outbox.may_retry(id_)
            ):
                self._later(delay / 1000, lambda: self._send(self._outbox.frame(id_)))
            case {"error": error}:
                waiting.set_exception(_failure(error))
            case {"result": result}:
                waiting.set_result(result)

    def _unwatch(self, session_id: str, error: Exception) -> None:
        if watch := self._watches.get(session_id):
            watch.queue.put_nowait(error)

    def _fail(self, error: Exception) -> None:
        self._end = self._end or error
        for waiting in self._answers.values():
            if not waiting.done():
                waiting.set_exception(error)
        for session_id in self._watches:
            self._unwatch(session_id, error)

    # -- tasks -------------------------------------------------------------------------------------

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _later(self, delay: float, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async def wait() -> None:
            await asyncio.sleep(delay)
            await work()

        self._start(wait())


def _failure(error: Mapping[str, Any]) -> CallFailed:
    data = error.get("data") or {}
    return CallFailed(data.get("code", str(error["code"])), error["message"], data.get("path"))
