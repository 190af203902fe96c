"""The doorbell: what nodes tell each other through the channel layer, which may lose, double or
reorder anything.

All nodes are one group, and all that a node has to say at a moment, of however many sessions, is
one message: a message costs as much as a hundred events in it. While one is on its way, the next
is gathered.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Protocol, TypeAlias
from uuid import UUID

import msgspec
import structlog
from msgspec import Raw, Struct

from flows.events import Event

logger = structlog.get_logger(__name__)

#: The channel-layer group of all nodes.
NODES = "nodes"

#: Events, and as many other things, that wait to be rung at most: a layer that hangs must cost no
#: memory. What is not rung is found by the hub's check.
RING = 10_000

#: Events of one session travel with the doorbell up to this many bytes; larger ones are read from
#: the log.
DOORBELL_BYTES = 16_384

#: About how large a message may become: Redis closes the connection of who lets megabytes wait.
MESSAGE_BYTES = 262_144


class Layer(Protocol):
    """What of a channel layer is used."""

    async def new_channel(self) -> str: ...
    async def receive(self, channel: str) -> dict[str, Any]: ...
    async def group_add(self, group: str, channel: str) -> None: ...
    async def group_send(self, group: str, message: dict[str, Any]) -> None: ...


class Committed(Struct, frozen=True, array_like=True, tag="committed"):
    """A session's log has events up to `head`: these, as a JSON array; empty if they are large."""

    session_id: UUID
    head: int
    events: bytes


class Noted(Struct, frozen=True, array_like=True, tag="noted"):
    """Something ephemeral for those who watch a session, but not for its origin."""

    session_id: UUID
    frame: str
    origin: str | None


class Present(Struct, frozen=True, array_like=True, tag="present"):
    """Who watches a session on the node that says so."""

    session_id: UUID
    users: list[str]


class Asked(Struct, frozen=True, array_like=True, tag="asked"):
    """Nodes are asked something: the database has what."""


Said: TypeAlias = Committed | Noted | Present | Asked


class _Heard(Event, frozen=True, kw_only=True):
    """An event whose data stays the JSON that it is: that is what it becomes in a frame."""

    data: Raw


_encoder = msgspec.msgpack.Encoder()
_decode = msgspec.msgpack.Decoder(list[Said]).decode
_decode_events = msgspec.json.Decoder(list[_Heard]).decode


def events_of(news: Committed) -> Sequence[Event]:
    """The events that came with it. Raises ValueError if they are none."""
    return _decode_events(news.events)


def committed_in(message: dict[str, Any]) -> set[UUID]:
    """In which sessions something was committed, as a message of the layer says.

    Raises KeyError, TypeError or ValueError for a message that is no doorbell's.
    """
    return {said.session_id for said in _decode(message["said"]) if isinstance(said, Committed)}


class Pace(Struct, frozen=True, kw_only=True):
    """How often the hub and its doorbell do what, in seconds."""

    #: Heads are compared with the database.
    check_every: float = 1.0
    #: The group is joined again: after a Redis restart it may be empty.
    rejoin_every: float = 10.0
    #: What the layer has not done by then has failed: one that hangs raises nothing by itself.
    patience: float = 2.0


class Doorbell:
    """This node's way to tell the others, and to hear them: `hear` gets the node, and what it said.

    What `hear` raises, being KeyError, TypeError or ValueError, costs the rest of that message.
    """

    def __init__(
        self, layer: Layer, *, node: str, hear: Callable[[str, Said], None], pace: Pace
    ) -> None:
        #: Whether the layer did what it was asked last.
        self.works = True
        #: Whether this node is in the group, as far as it can know.
        self.joined = False
        #: Messages sent, and those of others that came.
        self.rung = self.heard = 0
        self._layer = layer
        self._node = node
        self._hear = hear
        self._pace = pace
        self._channel: str | None = None
        self._wanted = False
        self._events: dict[UUID, list[Event]] = {}
        self._size = 0
        self._said: list[Said] = []
        self._ringing = asyncio.Event()
        self._rung = asyncio.Event()
        self._rung.set()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to ring and to listen."""
        loop = asyncio.get_running_loop()
        works = (self._ring_forever(), self._listen_forever(), self._rejoin_forever())
        self._tasks = [loop.create_task(work) for work in works]

    async def close(self) -> None:
        """Ring what is left to ring, for a second at most, and stop."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._rung.wait(), timeout=1)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- telling

    def committed(self, session_id: UUID, events: Sequence[Event]) -> None:
        """Tell the others of a session's new events, soon."""
        if self._size < RING:
            self._events.setdefault(session_id, []).extend(events)
            self._size += len(events)
            self._wake()

    def say(self, said: Said) -> None:
        """Tell the others, soon."""
        if len(self._said) < RING:
            self._said.append(said)
            self._wake()

    def _wake(self) -> None:
        self._rung.clear()
        self._ringing.set()

    async def _ring_forever(self) -> None:
        while True:
            await self._ringing.wait()
            self._ringing.clear()
            events, self._events, self._size = self._events, {}, 0
            said, self._said = self._said, []
            for part in _messages([*(_news(*each) for each in events.items()), *said]):
                message = {"type": "doorbell", "node": self._node, "said": part}
                self.rung += await self._try(self._layer.group_send, NODES, message)
            if not self._ringing.is_set():
                self._rung.set()

    # -- hearing

    async def join(self) -> None:
        """Hear what others say, from now on."""
        self._wanted = True
        if self._channel is not None:
            self.joined = await self._try(self._layer.group_add, NODES, self._channel)

    async def _rejoin_forever(self) -> None:
        while True:
            await asyncio.sleep(self._pace.rejoin_every)
            if self._wanted:
                await self.join()

    async def _listen_forever(self) -> None:
        while True:
            try:
                if self._channel is None:
                    self._channel = await self._layer.new_channel()
                    if self._wanted:
                        await self.join()
                # The same one for ever: nobody would empty one that was left.
                message = await self._layer.receive(self._channel)
            except Exception as error:  # noqa: BLE001
                logger.warning("doorbell_deaf", error=repr(error))
                await asyncio.sleep(self._pace.check_every)
                continue
            try:
                self._take(message)
            except (KeyError, TypeError, ValueError):
                # Another version's, or somebody else's. The check will find what it was about.
                logger.warning("doorbell_not_understood", exc_info=True)

    def _take(self, message: dict[str, Any]) -> None:
        if message["node"] == self._node:
            return
        self.heard += 1
        for said in _decode(message["said"]):
            self._hear(message["node"], said)

    # -- the layer

    async def _try(self, operation: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> bool:
        # Whatever is wrong with the layer, it is only a doorbell.
        try:
            async with asyncio.timeout(self._pace.patience):
                await operation(*args)
        except Exception as error:  # noqa: BLE001
            if self.works:
                # Once: as long as it lasts, every commit would say so.
                logger.warning("doorbell_failed", error=repr(error))
            self.works = False
            return False
        if not self.works:
            logger.info("doorbell_works")
        self.works = True
        return True


def _news(session_id: UUID, events: Sequence[Event]) -> Committed:
    encoded = msgspec.json.encode(events)
    return Committed(session_id, events[-1].seq, encoded if len(encoded) <= DOORBELL_BYTES else b"")


def _messages(said: Iterable[Said]) -> Iterator[bytes]:
    """All that is said, in order, in messages that are not too large."""
    part: list[bytes] = []
    size = 0
    for each in said:
        part.append(encoded := _encoder.encode(each))
        size += len(encoded)
        if size >= MESSAGE_BYTES:
            yield _encoder.encode([Raw(one) for one in part])
            part, size = [], 0
    if part:
        yield _encoder.encode([Raw(one) for one in part])
