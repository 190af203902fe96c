"""A connection whose peer is slow, or gone: without a server, with a socket that can be stalled."""

import asyncio
import json
from collections.abc import AsyncIterator, Collection
from typing import Any
from uuid import UUID

import pytest
from msgspec import UNSET

from flows.actor import Right
from flows.atoms.limits import Limits, Rate
from flows.atoms.sessions import sessions
from flows.engine import Context, Scope, flow, preset
from flows.errors import SessionEnded
from flows.events import Event
from flows.input import Input
from sessions_app.adapters.hub import Hub
from sessions_app.auth import Identity
from sessions_app.connection import NOT_READING_SECONDS, Connection
from sessions_app.outbox import MAX_FRAMES
from sessions_app.protocol import PUBLIC
from sessions_app.rates import TokenBucket
from sessions_app.watches import RequestWatcher
from tests.fakes import FakeSessions
from tests.sessions_app.sockets import settle

ID = UUID("0197c5a0-0000-7000-8000-000000000001")


class Log:
    """A log in memory."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.reads = 0

    def append(self, count: int, *, actor: str = "bob", key: str | None = None) -> list[Event]:
        first = len(self.events) + 1
        made = [
            Event(
                session_id=ID,
                seq=seq,
                kind="message_sent",
                actor=actor,
                at="t",
                key=key if key is not None else UNSET,
                data={"text": "x"},
            )
            for seq in range(first, first + count)
        ]
        self.events += made
        return made

    async def read(self, session_id: UUID, *, after: int, limit: int) -> list[Event]:
        self.reads += 1
        return self.events[after : after + limit]

    async def heads(self, session_ids: Collection[UUID]) -> dict[UUID, int]:
        return dict.fromkeys(session_ids, len(self.events))


async def nothing() -> frozenset[Right]:
    """What users may do as staff."""
    return frozenset()


class Peer:
    """The other end of a socket: it can stop reading, and go on."""

    def __init__(self) -> None:
        self.reading = asyncio.Event()
        self.reading.set()
        self.messages: list[dict[str, Any]] = []

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "websocket.send":
            await self.reading.wait()
        self.messages.append(message)

    @property
    def frames(self) -> list[Any]:
        return [json.loads(each["text"]) for each in self.messages if "text" in each]

    @property
    def seqs(self) -> list[int]:
        return [each["params"]["seq"] for each in self.frames if each.get("method") == "event"]

    async def until(self, done: Any) -> None:
        """Wait for a condition."""
        while not done(self):
            await settle()


class Count(Input, frozen=True, kw_only=True):
    """Up to where."""

    to: int


#: What the streams of these tests have given, and how they ended.
given: list[object] = []


@flow(faults=(SessionEnded,))
async def count(ctx: Context[Count]) -> AsyncIterator[int]:
    """Count, and refuse to go beyond a thousand."""
    given.clear()
    try:
        for number in range(ctx.input.to):
            given.append(number)
            yield number
            if number == 1000:
                raise SessionEnded
    finally:
        given.append("closed")


PLENTY = Rate(burst=10_000, per_second=10_000)


class Stage:
    """A connection of Ann's that watches a session, and what it is connected to."""

    def __init__(self, flows: Scope, rate: Rate = PLENTY) -> None:
        self.log = Log()
        self.hub = Hub(self.log, None)
        self.peer = Peer()
        self.now = 0.0
        self.user_bucket = TokenBucket(PLENTY, lambda: self.now)
        self.connection = Connection(
            Identity("ann", 1),
            methods={**PUBLIC, "count": count},
            flows=flows,
            hub=self.hub,
            limits=Limits(rate=rate),
            user_bucket=self.user_bucket,
            arrays=False,
            clock=lambda: self.now,
            rights=nothing,
        )
        self.connection.open(self.peer.send)

    async def watch(self, after: int, *, answered: bool = True) -> RequestWatcher:
        watcher = RequestWatcher(self.connection.watches)
        await watcher.register([ID])
        watcher.follow(ID, after=after, head=len(self.log.events))
        if answered:
            watcher.answered()
        return watcher


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """A connection without any store: it is closed in the end."""
    async with Scope() as flows:
        stage = Stage(flows)
        yield stage
        await stage.connection.close()


async def test_nothing_is_sent_before_the_answer(stage: Stage) -> None:
    """What a request asked for begins when it has been answered."""
    stage.log.append(3)
    watcher = await stage.watch(0, answered=False)
    await settle()
    assert stage.peer.frames == []
    watcher.answered()
    await stage.peer.until(lambda peer: len(peer.frames) == 4)
    assert stage.peer.seqs == [1, 2, 3]
    assert stage.peer.frames[-1]["method"] == "live"
    await stage.connection.close()
    assert stage.hub.feeds == {}


async def test_what_is_about_to_be_watched_counts_as_watched(stage: Stage) -> None:
    """Two requests at once cannot watch more together than one could."""
    one, other = (RequestWatcher(stage.connection.watches) for _ in range(2))
    await one.register([ID])
    assert set(other.watching) == {ID}
    one.answered()
    assert set(other.watching) == set()


async def test_a_slow_reader_costs_a_number_and_misses_nothing(stage: Stage) -> None:
    """Who reads too slowly is told so, is fed from the log, and then is live again."""
    await stage.watch(0)
    await stage.peer.until(lambda peer: len(peer.frames) == 1)
    stage.peer.reading.clear()
    for _ in range(20):
        stage.hub.committed(stage.log.append(100))
        await settle()
    assert len(stage.connection.outbox._frames) <= MAX_FRAMES + 1
    stage.peer.reading.set()
    await stage.peer.until(lambda peer: len(peer.seqs) == 2000)
    await settle()
    assert stage.peer.seqs == list(range(1, 2001))
    told = [each["method"] for each in stage.peer.frames if each["method"] != "event"]
    assert told == ["live", "lagging", "live"]
    stage.hub.committed(stage.log.append(1))
    await stage.peer.until(lambda peer: len(peer.seqs) == 2001)


async def test_an_own_event_waits_for_its_answer(stage: Stage) -> None:
    """An event of a write that is not answered yet, and all after it, come after the answer."""
    await stage.watch(0)
    await stage.peer.until(lambda peer: len(peer.frames) == 1)
    stage.connection.watches.hold("k")
    stage.hub.committed(stage.log.append(1, actor="ann", key="k"))
    stage.hub.committed(stage.log.append(1))
    await settle()
    assert stage.peer.seqs == []
    stage.connection.outbox.put('{"id":1}')
    stage.connection.watches.release("k")
    await stage.peer.until(lambda peer: len(peer.seqs) == 2)
    assert stage.peer.frames[1] == {"id": 1}
    assert [each["method"] for each in stage.peer.frames[2:]] == ["event", "event"]


async def test_what_waits_for_an_answer_holds_up_its_own_session_only(stage: Stage) -> None:
    """While one session waits for an answer, another that begins to be watched is sent."""
    other = UUID("0197c5a0-0000-7000-8000-000000000002")
    await stage.watch(0)
    await stage.peer.until(lambda peer: len(peer.frames) == 1)
    stage.connection.watches.hold("k")
    stage.hub.committed(stage.log.append(1, actor="ann", key="k"))
    await settle()
    watcher = RequestWatcher(stage.connection.watches)
    await watcher.register([other])
    watcher.follow(other, after=0, head=0)
    watcher.answered()
    await settle()
    assert [each["method"] for each in stage.peer.frames] == ["live", "live"]
    stage.connection.watches.release("k")
    await stage.peer.until(lambda peer: peer.seqs == [1])


async def test_somebody_elses_equal_key_holds_nothing(stage: Stage) -> None:
    """Keys are per user: an event of another's with the same key does not wait."""
    await stage.watch(0)
    stage.connection.watches.hold("k")
    stage.hub.committed(stage.log.append(1, actor="bob", key="k"))
    await stage.peer.until(lambda peer: peer.seqs == [1])


async def test_watching_again_moves_the_position(stage: Stage) -> None:
    """A second watch goes on from where it says, forward or back, and nothing comes in between."""
    stage.log.append(5)
    await stage.watch(5)
    await stage.peer.until(lambda peer: len(peer.frames) == 1)
    await stage.watch(3)
    await stage.peer.until(lambda peer: len(peer.frames) == 4)
    assert stage.peer.seqs == [4, 5]
    stage.hub.committed(stage.log.append(1))
    await stage.peer.until(lambda peer: peer.seqs == [4, 5, 6])


async def test_who_knows_more_than_the_process_is_told_nothing_twice(stage: Stage) -> None:
    """Who comes from another node may be ahead of what has arrived here, and then it arrives."""
    await stage.watch(0)
    await stage.peer.until(lambda peer: len(peer.frames) == 1)
    stage.log.append(5)  # on another node, and the doorbell was lost
    await stage.watch(5)
    await stage.hub.check()
    await stage.peer.until(lambda _: stage.hub.feeds[ID].position == 5)
    stage.hub.committed(stage.log.append(1))
    await stage.peer.until(lambda peer: peer.seqs[-1:] == [6])
    assert stage.peer.seqs == [6]


async def test_a_peer_that_takes_nothing_is_given_up(stage: Stage) -> None:
    """Who takes not a byte for thirty seconds is closed 4008, with nothing of what was waiting."""
    await stage.watch(0)
    await stage.peer.until(lambda peer: len(peer.frames) == 1)
    stage.peer.reading.clear()
    stage.hub.committed(stage.log.append(3))
    await settle()
    since = stage.connection.outbox.sending_since
    assert since is not None
    stage.connection.look(since + NOT_READING_SECONDS)
    await settle()
    assert len(stage.peer.messages) == 1
    stage.connection.look(since + NOT_READING_SECONDS + 1)
    await settle()
    assert stage.peer.messages[-1]["code"] == 4008


async def test_who_does_not_read_replies_is_not_read_from() -> None:
    """When the outbox is full, the next frame is taken only after there is room."""
    store = FakeSessions(users={"ann"})
    async with Scope(presets=[preset(sessions, store)]) as flows:
        stage = Stage(flows)
        stage.peer.reading.clear()
        for _ in range(MAX_FRAMES):
            stage.connection.outbox.put("1")
        taking = asyncio.create_task(
            stage.connection.receive('{"jsonrpc":"2.0","id":1,"method":"ping"}')
        )
        await settle()
        assert not taking.done()
        stage.peer.reading.set()
        await taking
        await stage.connection.close()


async def test_what_a_connection_is_refused_costs_the_user_nothing() -> None:
    """One connection that is too fast leaves the user's other connections their share."""
    async with Scope() as flows:
        stage = Stage(flows, Rate(burst=3, per_second=1))
        for index in range(20):
            frame = f'{{"jsonrpc":"2.0","id":{index},"method":"ping"}}'
            await stage.connection.receive(frame)
        await stage.peer.until(lambda peer: len(peer.frames) == 20)
        assert len([each for each in stage.peer.frames if "result" in each]) == 3
        left = 0
        while stage.user_bucket.take() == 0:
            left += 1
        assert left == 10_000 - 3
        await stage.connection.close()


class Slow(FakeSessions):
    """A store that lists nothing before it is told to."""

    def __init__(self) -> None:
        super().__init__(users={"ann"})
        self.go = asyncio.Event()

    async def list_for(self, *args: Any, **kwargs: Any) -> list[Any]:
        await self.go.wait()
        return []


async def test_in_flight_has_a_limit() -> None:
    """The request beyond what may be in flight is refused; a batch counts as one."""
    store = Slow()
    async with Scope(presets=[preset(sessions, store)]) as flows:
        stage = Stage(flows)
        one = '{"jsonrpc":"2.0","id":"b","method":"list_sessions"}'
        await stage.connection.receive(f"[{','.join([one] * 64)}]")
        for index in range(32):
            await stage.connection.receive(one.replace('"b"', str(index)))
        await stage.peer.until(lambda peer: len(peer.frames) == 1)
        (refused,) = stage.peer.frames
        assert refused["id"] == 31
        limit = {"code": "limit_reached", "limit": 32, "retry": False}
        assert refused["error"]["data"] == limit
        store.go.set()
        await stage.peer.until(lambda peer: len(peer.frames) == 33)
        await stage.connection.close()


async def test_the_items_of_a_stream_come_before_its_result(stage: Stage) -> None:
    """A streaming flow's items are notifications with the request's id; then comes the result."""
    call = '{"jsonrpc":"2.0","id":"s","method":"count","params":{"to":3}}'
    await stage.connection.receive(call)
    await stage.peer.until(lambda peer: len(peer.frames) == 4)
    items = [{"id": "s", "item": number} for number in range(3)]
    assert [each.get("params") for each in stage.peer.frames[:3]] == items
    assert {each["method"] for each in stage.peer.frames[:3]} == {"item"}
    assert stage.peer.frames[3] == {"jsonrpc": "2.0", "id": "s", "result": {}}


async def test_a_stream_that_fails_half_way_is_answered_with_its_error(stage: Stage) -> None:
    """What a streaming flow refuses after some items is the answer; bad params are, too."""
    call = '{"jsonrpc":"2.0","id":"s","method":"count","params":{"to":2000}}'
    await stage.connection.receive(call)
    await stage.connection.receive(call.replace("2000", '"x"'))
    await stage.peer.until(lambda peer: len(peer.frames) == 1003)
    errors = [each["error"]["data"] for each in stage.peer.frames if "error" in each]
    assert {"code": "session_ended", "retry": False} in errors
    assert {"code": "invalid_input", "path": "$.to", "retry": False} in errors


async def test_a_client_that_goes_away_stops_its_stream(stage: Stage) -> None:
    """A stream goes no further than its reader, and ends with it."""
    stage.peer.reading.clear()
    call = '{"jsonrpc":"2.0","id":"s","method":"count","params":{"to":1000}}'
    await stage.connection.receive(call)
    await settle()
    await settle()
    assert len(given) <= MAX_FRAMES + 2
    await stage.connection.close()
    assert given[-1] == "closed"
    assert len(given) <= MAX_FRAMES + 3
