"""Clients under faults: each repeats what was not answered, resumes what it watched, and notes all.

An implementation of the protocol of its own, on the `websockets` library: it shares neither code
nor mistakes with the server or with `sessions_app.client`.
"""

import asyncio
import json
import random
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.typing import Subprotocol

from tests.faults.oracle import Answer, Attempt, History, Shown, Stream
from tests.servers import Person

#: A connection that has been silent for so long, though it was asked, is dead; in seconds.
DEAD_AFTER = 6.0
ASK_EVERY = 1.5

#: A call without an answer on a connection that lives is repeated after so long, in seconds.
REPEAT_AFTER = 8.0

#: How many writes of a client may wait for their answers.
MOST_UNANSWERED = 8


class Told(NamedTuple):
    """When an event came."""

    user: str
    session: str
    seq: int
    at: float


class Diary:
    """What all clients of a run note: the history, and how things went."""

    def __init__(self) -> None:
        self.history = History()
        self.connections = 0
        self.failed_connections = 0
        self.close_codes: dict[int, int] = {}
        self.errors: dict[str, int] = {}
        #: Calls without an answer when their connection ended: its code, and how old they were.
        self.open_calls: list[tuple[int, float]] = []
        #: When events came, if that is asked for.
        self.told: list[Told] | None = None

    def note_close(self, code: int) -> None:
        """A connection has ended."""
        self.close_codes[code] = self.close_codes.get(code, 0) + 1

    def note_error(self, code: str) -> None:
        """A call was answered with an error."""
        self.errors[code] = self.errors.get(code, 0) + 1


class Connection:
    """One connection of a client, from its handshake to its end."""

    def __init__(self, client: "Client", socket: ClientConnection, number: int) -> None:
        self.client = client
        self.name = f"{client.name}/{number}"
        self.streams: dict[str, Stream] = {}
        #: Cleared: it reads nothing.
        self.reading = asyncio.Event()
        self.reading.set()
        #: Set while there is no call without an answer.
        self.idle = asyncio.Event()
        self.idle.set()
        #: Set: what was watched before has been asked for and answered.
        self.settled = asyncio.Event()
        self._socket = socket
        self._clock = asyncio.get_running_loop().time
        self._heard = self._clock()
        self._asked_at = self._clock()
        self._outgoing: asyncio.Queue[str] = asyncio.Queue()
        self._calls: dict[int, tuple[float, Callable[[dict[str, Any]], None]]] = {}
        self._sent: dict[str, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._next = 1
        self._asking: set[str] = set()

    async def live(self) -> int:
        """Serve until it ends; the close code."""
        for work in (self._write(), self._watch_over()):
            self._start(work)
        try:
            with suppress(ConnectionClosed):
                async for text in self._socket:
                    self._heard = self._clock()
                    message = json.loads(text)
                    for each in message if isinstance(message, list) else [message]:
                        self._take(each)
                    await self.reading.wait()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        code, now = self._socket.close_code or 1006, self._clock()
        ages = [now - since for since, _ in self._calls.values()]
        self.client.diary.open_calls.extend((code, age) for age in ages)
        return code

    async def close(self) -> None:
        """Leave, as the standard says."""
        self.reading.set()
        await self._socket.close()

    def cut(self) -> None:
        """Leave without a word."""
        self.reading.set()
        self._socket.transport.abort()

    # -- out

    def call(self, method: str, params: object, then: Callable[[dict[str, Any]], None]) -> None:
        """Ask something; `then` takes the reply, if one comes."""
        id_, self._next = self._next, self._next + 1
        self._calls[id_] = self._clock(), then
        self.idle.clear()
        request = {"jsonrpc": "2.0", "id": id_, "method": method, "params": params}
        self._outgoing.put_nowait(json.dumps(request))

    def write(self, attempt: Attempt, method: str, params: dict[str, Any]) -> None:
        """Send a write, which may have been sent before."""
        attempt.sent += 1
        self._sent[attempt.key] = self._clock()
        self.call(method, params, lambda reply: self.client.take_answer(attempt, reply))

    def watch(self, sessions: Sequence[str]) -> None:
        """Watch from where the client is."""
        sessions = [each for each in sessions if each not in self._asking]
        if not sessions:
            return
        self._asking.update(sessions)
        after = {each: self.client.positions[each] for each in sessions}
        places = [{"session_id": each, "after": after[each]} for each in sessions]
        self.call("watch_sessions", {"sessions": places}, lambda it: self._watching(after, it))

    async def _write(self) -> None:
        with suppress(ConnectionClosed):
            while True:
                await self._socket.send(await self._outgoing.get())

    async def _watch_over(self) -> None:
        while True:
            await asyncio.sleep(0.25)
            now = self._clock()
            if not self.reading.is_set():
                self._heard = now
            if now - self._heard > DEAD_AFTER:
                self.cut()
                return
            if now - max(self._heard, self._asked_at) > ASK_EVERY:
                self._asked_at = now
                self.call("ping", {}, lambda _: None)
            for key, sent in tuple(self._sent.items()):
                if now - sent > REPEAT_AFTER and self.reading.is_set():
                    del self._sent[key]
                    self.client.send(key)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _later(self, delay: float, work: Callable[[], None]) -> None:
        async def wait() -> None:
            await asyncio.sleep(delay)
            work()

        self._start(wait())

    # -- in

    def _take(self, message: dict[str, Any]) -> None:
        match message:
            case {"method": "welcome"}:
                self.client.welcome(self)
            case {"method": "event", "params": event}:
                self._take_event(event)
            case {"method": "draining", "params": {"reconnect_in_ms": [low, high]}}:
                delay = self.client.chance.uniform(low, high) / 1000
                self._later(delay, lambda: self.client.move(self))
            case {"method": "unwatched", "params": {"session_id": session}}:
                self._later(0.3, lambda: self.watch([session]))
            case {"id": int(id_)} if id_ in self._calls:
                _, then = self._calls.pop(id_)
                then(message)
                if not self._calls:
                    self.idle.set()

    def forget(self, key: str) -> None:
        """A write was answered."""
        self._sent.pop(key, None)

    def _take_event(self, event: dict[str, Any]) -> None:
        session, seq = event["session_id"], event["seq"]
        shown = Shown(seq, event["kind"], event["actor"], event["data"], event.get("key"))
        stream = self.streams.get(session)
        if stream is None:
            # Nobody asked: it is kept as a watch that was never granted.
            stream = Stream(self.client.user, self.name, session, seq - 1, 0)
            self.streams[session] = stream
            self.client.diary.history.streams.append(stream)
        stream.shown.append(shown)
        self.client.positions[session] = max(self.client.positions.get(session, 0), seq)
        if (told := self.client.diary.told) is not None:
            told.append(Told(self.client.name, session, seq, self._clock()))

    def _watching(self, after: dict[str, int], reply: dict[str, Any]) -> None:
        self._asking.difference_update(after)
        if "error" in reply:
            error = reply["error"]["data"]
            self.client.diary.note_error(error["code"])
            wait = error.get("retry_after_ms", 500) / 1000
            self._later(wait, lambda: self.watch(list(after)))
            return
        for each in reply["result"]["watching"]:
            session = each["session_id"]
            stream = Stream(self.client.user, self.name, session, after[session], each["head"])
            self.streams[session] = stream
            self.client.diary.history.streams.append(stream)
        for each in reply["result"]["refused"]:
            # Perhaps it will be granted later.
            session = each["session_id"]
            self.client.diary.note_error(each["code"])
            self._later(1.0, lambda session=session: self.watch([session]))  # type: ignore[misc]
        self.settled.set()


class Client:
    """One device of a user: a connection at a time, and what it wants over all of them."""

    def __init__(
        self,
        person: Person,
        device: str,
        ports: Sequence[int],
        sessions: Sequence[str],
        diary: Diary,
        chance: random.Random,
    ) -> None:
        self.user = person.name
        self.name = f"{person.name}.{device}"
        self.diary = diary
        self.chance = chance
        self.ports = list(ports)
        self.positions = dict.fromkeys(sessions, 0)
        self.connection: Connection | None = None
        #: Another device of the same user, which repeats some of what this one sends.
        self.twin: Client | None = None
        #: Whether it waits to be sent away, instead of going when it is asked to.
        self.stays = False
        self._token = person.token
        self._unanswered: dict[str, tuple[Attempt, str, dict[str, Any]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._leaving: set[asyncio.Task[None]] = set()
        self._number = 0
        self._keys = 0
        self._ending = False

    async def run(self) -> None:
        """Be connected until `end`."""
        try:
            while not self._ending:
                if not self._tasks:
                    self._open(None)
                done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
                self._tasks -= done
                for task in done:
                    task.result()
                if not self._tasks and not self._ending:
                    await asyncio.sleep(self.chance.uniform(0.05, 0.5))
        finally:
            for task in self._tasks | self._leaving:
                task.cancel()
            await asyncio.gather(*self._tasks, *self._leaving, return_exceptions=True)

    def end(self) -> None:
        """Connect no more, and leave."""
        self._ending = True
        if self.connection is not None:
            self.connection.cut()
        for task in self._tasks:
            task.cancel()

    @property
    def unanswered(self) -> list[str]:
        """The keys that wait for their answers."""
        return list(self._unanswered)

    # -- connecting

    def _open(self, replaced: Connection | None) -> None:
        self._tasks.add(asyncio.create_task(self._connect(replaced)))

    async def _connect(self, replaced: Connection | None) -> None:
        self._number += 1
        connection: Connection | None = None
        try:
            async with connect(
                f"ws://127.0.0.1:{self.chance.choice(self.ports)}/ws/",
                additional_headers={"Authorization": f"Bearer {self._token}"},
                subprotocols=[Subprotocol("sessions.v1.jsonrpc")],
                compression=None, max_size=None, max_queue=4, ping_interval=None,
                open_timeout=4, close_timeout=1, proxy=None,
            ) as socket:  # fmt: skip
                self.diary.connections += 1
                connection = Connection(self, socket, self._number)
                if replaced is not None:
                    leaving = asyncio.create_task(self._leave(connection, replaced))
                    self._leaving.add(leaving)
                    leaving.add_done_callback(self._leaving.discard)
                self.diary.note_close(await connection.live())
        except (OSError, TimeoutError, WebSocketException):
            self.diary.failed_connections += 1
        finally:
            if connection is not None and self.connection is connection:
                self.connection = None

    async def _leave(self, connection: Connection, replaced: Connection) -> None:
        """Close the old connection when the new one watches what it did, and all is answered."""
        await connection.settled.wait()
        with suppress(TimeoutError):
            await asyncio.wait_for(replaced.idle.wait(), 5)
        await replaced.close()

    def move(self, connection: Connection) -> None:
        """Go elsewhere: the new connection is opened first."""
        if self.connection is connection and not self._ending and not self.stays:
            self._open(connection)

    def welcome(self, connection: Connection) -> None:
        """From now on `connection` is what is used."""
        self.connection = connection
        if self.positions:
            connection.watch(list(self.positions))
        else:
            connection.settled.set()
        keys = list(self._unanswered)
        # In any order: a network does not keep it either.
        self.chance.shuffle(keys)
        for key in keys:
            self.send(key)

    # -- writing

    def write(self, session: str, method: str, params: dict[str, Any], data: Any) -> str:
        """Write something under a new key, and perhaps repeat it; the key."""
        kind = {
            "send_message": "message_sent",
            "add_participant": "participant_added",
            "remove_participant": "participant_removed",
        }[method]
        self._keys += 1
        key = f"{self.name}-{self._keys}"
        attempt = Attempt(self.user, key, session, kind, data)
        self.diary.history.attempts[self.user, key] = attempt
        entry = (attempt, method, {"session_id": session, "key": key, **params})
        self._unanswered[key] = entry
        self.send(key)
        if self.chance.random() < 0.1:
            self.send(key)
        if self.twin is not None and self.chance.random() < 0.1:
            self.twin.take_over(entry)
        return key

    def say(self, session: str) -> str:
        """Send a message of any length."""
        length = self.chance.choice([10, 50, 200, 200, 2000])
        data = {"text": f"{self.name} {self._keys + 1} ".ljust(length, "x")}
        return self.write(session, "send_message", data, data)

    def take_over(self, entry: tuple[Attempt, str, dict[str, Any]]) -> None:
        """Send what another device sends, too."""
        self._unanswered[entry[0].key] = entry
        self.send(entry[0].key)

    def send(self, key: str) -> None:
        """Send what has no answer yet, if there is a connection."""
        if self.connection is not None and key in self._unanswered:
            self.connection.write(*self._unanswered[key])

    def take_answer(self, attempt: Attempt, reply: dict[str, Any]) -> None:
        """A write was answered."""
        if self.connection is not None:
            self.connection.forget(attempt.key)
        if "result" in reply:
            seq = reply["result"]["seq"]
            answer = Answer(attempt.user, attempt.key, attempt.session, seq)
            self.diary.history.answers.append(answer)
        else:
            error = reply["error"]["data"]
            self.diary.note_error(error["code"])
            if error.get("retry"):
                self._later(error["retry_after_ms"] / 1000, attempt.key)
                return
            attempt.refused = True
        entry = self._unanswered.pop(attempt.key, None)
        if entry is not None and self.chance.random() < 0.03:
            # An answer does not make a repetition wrong.
            self._unanswered[attempt.key] = entry
            self._later(self.chance.uniform(0, 2), attempt.key)

    def _later(self, delay: float, key: str) -> None:
        async def wait() -> None:
            await asyncio.sleep(delay)
            self.send(key)

        task = asyncio.create_task(wait())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)
