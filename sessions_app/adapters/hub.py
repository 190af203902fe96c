"""The hub: one per process. It brings what is committed anywhere to those who watch here.

Other processes ring a doorbell, the channel layer, which may lose, double or reorder anything.
What it brings is taken only as the next event or as the news that there is one; the log has the
rest. With no doorbell at all, everything still arrives: within about a second.
"""

import asyncio
import random
from collections.abc import Callable, Collection, Coroutine, Sequence
from contextlib import suppress
from typing import Any, Literal, Protocol, TypeAlias, get_args
from uuid import UUID, uuid4

import msgspec
import structlog
from msgspec import Struct

from flows.errors import Unavailable
from flows.events import Event
from sessions_app.adapters.feed import Entry, Feed, Reader
from sessions_app.adapters.presence import News, Presence, params_of
from sessions_app.protocol import notification

logger = structlog.get_logger(__name__)

#: A hole is usually another node's doorbell on its way: how long it may take, in seconds.
GRACE = 0.040

#: How much the time between two checks varies.
CHECK_SPREAD = 0.2

#: Who comes is told who is here after so long, in seconds: most who come stay no longer.
MEET_AFTER = 1.0

#: Events, and as many notes, that wait to be rung at most: a layer that hangs must cost no memory.
#: What is not rung is found by the check.
RING = 10_000

#: Events travel with the doorbell up to this many bytes; larger ones are read from the log.
DOORBELL_BYTES = 16_384

#: How long a watch waits for the doorbell to be in place, in seconds.
JOIN_TIMEOUT = 0.25

#: Events in one read of the log.
PAGE = 200


class Pace(Struct, frozen=True, kw_only=True):
    """How often the hub does what, in seconds."""

    #: Heads are compared with the database.
    check_every: float = 1.0
    #: Groups are joined again: after a Redis restart they may be empty.
    rejoin_every: float = 10.0
    #: What the layer has not done by then has failed: one that hangs raises nothing by itself.
    patience: float = 2.0


#: By the doorbell; by the check alone, since the doorbell does not work; there is no layer at all.
Mode: TypeAlias = Literal["doorbell", "database", "alone"]
MODES: tuple[Mode, ...] = get_args(Mode)


class Log(Protocol):
    """What the hub reads."""

    async def read(self, session_id: UUID, *, after: int, limit: int) -> list[Event]:
        """The first `limit` events after `after`."""
        ...

    async def heads(self, session_ids: Collection[UUID]) -> dict[UUID, int]:
        """The last seqs of these sessions."""
        ...


class Layer(Protocol):
    """What of a channel layer the hub uses."""

    async def new_channel(self) -> str: ...
    async def receive(self, channel: str) -> dict[str, Any]: ...
    async def group_add(self, group: str, channel: str) -> None: ...
    async def group_discard(self, group: str, channel: str) -> None: ...
    async def group_send(self, group: str, message: dict[str, Any]) -> None: ...


def group_of(session_id: UUID) -> str:
    """The channel-layer group of a session."""
    return f"session.{session_id}"


#: The channel-layer group of all nodes.
NODES = "nodes"


def ignore() -> None:
    """Do nothing, as a process that is no node."""


class Hub:
    """Feeds by session, the doorbell, and the check that makes the doorbell dispensable."""

    def __init__(
        self,
        log: Log,
        layer: Layer | None,
        *,
        pace: Pace = Pace(),  # noqa: B008
        observers_are_shown: bool = True,
    ) -> None:
        self.node = uuid4().hex[:12]
        self.feeds: dict[UUID, Feed] = {}
        #: How many feeds were read again, and messages of the doorbell sent and understood.
        self.repairs = self.rung = self.heard = 0
        self._log = log
        self._layer = layer
        self._pace = pace
        self._shows_observers = observers_are_shown
        self._works = True
        self._channel: str | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._ring: dict[UUID, list[Event]] = {}
        self._ring_size = 0
        self._notes: list[tuple[str, dict[str, Any]]] = []
        self._on_asked: Callable[[], None] = ignore
        self._ringing = asyncio.Event()
        self._rung = asyncio.Event()
        self._rung.set()
        self._closed = False
        self._presence = Presence(self._now)

    @property
    def mode(self) -> Mode:
        """How events of other processes come here at the moment."""
        if self._layer is None:
            return "alone"
        return "doorbell" if self._works else "database"

    # -- life --------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to listen, to ring and to check."""
        self._spawn(self._check_forever())
        if self._layer is not None:
            self._spawn(self._ring_forever(self._layer))
            self._spawn(self._listen_forever(self._layer))
            # On its own: whatever the layer does, the check goes on.
            self._spawn(self._rejoin_forever())

    async def close(self) -> None:
        """Ring what is left to ring, for a second at most, and stop."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._rung.wait(), timeout=1)
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # -- what happens here -----------------------------------------------------------------------

    def committed(self, events: Sequence[Event]) -> None:
        """This process has committed `events`: tell those who watch here, and ring."""
        by_session: dict[UUID, list[Event]] = {}
        for event in events:
            by_session.setdefault(event.session_id, []).append(event)
        for session_id, news in by_session.items():
            if feed := self.feeds.get(session_id):
                self._offer(feed, news)
            if self._layer is not None and self._ring_size < RING:
                self._ring.setdefault(session_id, []).extend(news)
                self._ring_size += len(news)
        self._wake_ringer()

    def seen(self, session_id: UUID, *, user: str, seq: int, origin: str | None) -> None:
        """Tell those who watch that `user` has seen everything up to `seq`."""
        params = {"session_id": session_id, "user": user, "seq": seq}
        self._note(session_id, notification("seen", params), origin)

    def signal(
        self, session_id: UUID, *, actor: str, name: str, data: Any, origin: str | None
    ) -> None:
        """Tell those who watch what `actor` signals."""
        params = {"session_id": session_id, "actor": actor, "name": name, "data": data}
        self._note(session_id, notification("signal", params), origin)

    def _note(self, session_id: UUID, frame: str, origin: str | None) -> None:
        self._tell(session_id, frame, origin)
        if self._layer is not None and len(self._notes) < RING:
            message = {"type": "doorbell", "node": self.node, "note": frame, "origin": origin}
            message["session_id"] = str(session_id)
            self._notes.append((group_of(session_id), message))
            self._wake_ringer()

    def _tell(self, session_id: UUID, frame: str, origin: str | None) -> None:
        if feed := self.feeds.get(session_id):
            for reader in tuple(feed.readers):
                reader.note(frame, origin=origin)

    def attend(self, on_asked: Callable[[], None]) -> None:
        """From now on, have this process told when nodes are asked something."""
        self._on_asked = on_asked
        self._spawn(self._join_nodes())

    def asked(self) -> None:
        """Nodes are asked something: tell them, this one included."""
        self._on_asked()
        if self._layer is not None and len(self._notes) < RING:
            self._notes.append((NODES, {"type": "doorbell", "node": self.node, "asked": True}))
            self._wake_ringer()

    # -- watching --------------------------------------------------------------------------------

    async def register(self, session_ids: Sequence[UUID]) -> None:
        """From now on notice what is committed in these sessions, here and elsewhere.

        Elsewhere as far as the doorbell answers in time; if not, the check will notice. Each
        call is followed by one of `release`.
        """
        new = [each for each in session_ids if each not in self.feeds]
        for session_id in session_ids:
            self.feeds.setdefault(session_id, Feed(session_id)).claims += 1
        if new and self._layer is not None:
            await asyncio.wait([self._spawn(self._join(new))], timeout=JOIN_TIMEOUT)

    def release(self, session_ids: Sequence[UUID]) -> None:
        """What was registered is followed by now, or never will be."""
        for session_id in session_ids:
            self.feeds[session_id].claims -= 1
            self._drop_if_idle(session_id)

    def follow(self, session_id: UUID, reader: Reader, *, head: int) -> Feed:
        """Add `reader`; the head was read as `head` after `register` and before `release`."""
        feed = self.feeds[session_id]
        feed.readers.add(reader)
        feed.begin(head)
        if feed.behind:
            self._repair_soon(feed, 0)
        return feed

    def leave(self, session_id: UUID, reader: Reader) -> None:
        """Remove `reader`, and the feed with its last one."""
        self.feeds[session_id].readers.discard(reader)
        self._drop_if_idle(session_id)

    def _drop_if_idle(self, session_id: UUID) -> None:
        feed = self.feeds[session_id]
        if not feed.readers and not feed.claims:
            del self.feeds[session_id]
            if self._presence.forget(session_id):
                self._announce(session_id, frozenset())
            if self._layer is not None and not self._closed:
                self._spawn(self._part(session_id))

    async def page(self, feed: Feed, after: int) -> list[Entry]:
        """The next entries after `after`: from the tail, else a page of the log."""
        if (entries := feed.after(after)) is not None:
            return list(entries)
        events = await self._log.read(feed.session_id, after=after, limit=PAGE)
        self._offer(feed, events)
        return [Entry(event) for event in events]

    # -- repair --------------------------------------------------------------------------------

    def _offer(self, feed: Feed, events: Sequence[Event]) -> None:
        feed.offer(events)
        if feed.behind:
            self._repair_soon(feed, GRACE)

    def _repair_soon(self, feed: Feed, delay: float) -> None:
        if not feed.repairing and not self._closed:
            feed.repairing = True
            self.repairs += 1
            self._spawn(self._repair(feed, delay))

    async def _repair(self, feed: Feed, delay: float) -> None:
        try:
            await asyncio.sleep(delay)
            while feed.behind and feed.readers and feed.position is not None:
                before = feed.position
                feed.offer(await self._log.read(feed.session_id, after=before, limit=PAGE))
                if feed.position == before:
                    # The log was replaced under us, or is damaged: there is no next event.
                    logger.warning("log_has_a_hole", session_id=str(feed.session_id), after=before)
                    feed.known_head = before
        except Unavailable:
            logger.warning("repair_postponed", session_id=str(feed.session_id))
        finally:
            feed.repairing = False

    async def _check_forever(self) -> None:
        while True:
            spread = random.uniform(1 - CHECK_SPREAD, 1 + CHECK_SPREAD)  # noqa: S311
            await asyncio.sleep(self._pace.check_every * spread)
            try:
                await self.check()
            except Unavailable:
                logger.warning("check_postponed")
            except Exception:
                # One check that fails must not be the last.
                logger.exception("check_failed")
            try:
                self.look_around()
            except Exception:
                # What others say of who is there must not keep events back.
                logger.exception("look_around_failed")

    async def check(self) -> None:
        """Compare every watched session with the log, and repair what lags."""
        watched = [each for each, feed in self.feeds.items() if feed.position is not None]
        if not watched:
            return
        heads = await self._log.heads(watched)
        for session_id in watched:
            feed = self.feeds.get(session_id)
            if feed is None:
                continue
            if session_id not in heads:
                self._stop_all(feed)
                continue
            feed.known_head = max(feed.known_head, heads[session_id])
            if feed.behind:
                self._repair_soon(feed, 0)

    def _stop_all(self, feed: Feed) -> None:
        # It was there when its head was read: it was deleted.
        for reader in tuple(feed.readers):
            reader.stop("deleted")

    def begin_anew(self) -> None:
        """The log has another epoch: what is known of it counts no more, and no position does.

        Nobody is sent anything of a session until they watch it again.
        """
        for feed in tuple(self.feeds.values()):
            for reader in tuple(feed.readers):
                reader.forget()
            # A request under way may hold it still.
            feed.begin_anew()

    # -- who is here ----------------------------------------------------------------------------

    def look_around(self) -> None:
        """Tell those who watch who is here: newcomers after a while, the others when it changes."""
        for session_id, feed in self.feeds.items():
            users = frozenset(
                reader.user
                for reader in feed.readers
                if self._shows_observers or not reader.observing
            )
            news = self._presence.look(session_id, users)
            told = [each for each in feed.readers if each.live and self._is_due(each, news)]
            if told:
                frame = notification("presence", params_of(session_id, news.here))
                for reader in told:
                    reader.note(frame, origin=None)
            if news.announce is not None:
                self._announce(session_id, news.announce)

    def _is_due(self, reader: Reader, news: News) -> bool:
        if reader.met:
            return news.changed
        reader.met = self._now() - reader.live_at >= MEET_AFTER
        return reader.met

    def _announce(self, session_id: UUID, users: frozenset[str]) -> None:
        if self._layer is not None and len(self._notes) < RING:
            message = {"type": "doorbell", "node": self.node, "session_id": str(session_id)}
            self._notes.append((group_of(session_id), {**message, "here": sorted(users)}))
            self._wake_ringer()

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()

    # -- the doorbell ------------------------------------------------------------------------------

    async def _rejoin_forever(self) -> None:
        while True:
            await asyncio.sleep(self._pace.rejoin_every)
            await self._join_all()

    async def _join_all(self) -> None:
        await self._join_nodes()
        await self._join(list(self.feeds))

    async def _join_nodes(self) -> None:
        attends = self._on_asked is not ignore
        if attends and self._layer is not None and self._channel is not None:
            await self._try(self._layer.group_add, NODES, self._channel)

    async def _join(self, session_ids: Sequence[UUID]) -> None:
        for session_id in session_ids:
            if self._layer is None or self._channel is None:
                return
            if session_id in self.feeds and not await self._try(
                self._layer.group_add, group_of(session_id), self._channel
            ):
                return  # the next time all are joined again

    async def _part(self, session_id: UUID) -> None:
        if self._layer is not None and self._channel is not None and session_id not in self.feeds:
            await self._try(self._layer.group_discard, group_of(session_id), self._channel)

    async def _try(self, operation: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> bool:
        # Whatever is wrong with the layer, it is only a doorbell.
        try:
            async with asyncio.timeout(self._pace.patience):
                await operation(*args)
        except Exception as error:  # noqa: BLE001
            if self._works:
                # Once: as long as it lasts, every commit would say so.
                logger.warning("doorbell_failed", error=repr(error))
            self._works = False
            return False
        if not self._works:
            logger.info("doorbell_works")
        self._works = True
        return True

    def _wake_ringer(self) -> None:
        if self._ring or self._notes:
            self._rung.clear()
            self._ringing.set()

    async def _ring_forever(self, layer: Layer) -> None:
        while True:
            await self._ringing.wait()
            self._ringing.clear()
            ring, self._ring, self._ring_size = self._ring, {}, 0
            notes, self._notes = self._notes, []
            for session_id, events in ring.items():
                message = self._doorbell(session_id, events)
                self.rung += await self._try(layer.group_send, group_of(session_id), message)
            for group, message in notes:
                self.rung += await self._try(layer.group_send, group, message)
            if not self._ring and not self._notes:
                self._rung.set()

    def _doorbell(self, session_id: UUID, events: list[Event]) -> dict[str, Any]:
        encoded = msgspec.json.encode(events)
        return {
            "type": "doorbell",
            "node": self.node,
            "session_id": str(session_id),
            "head": events[-1].seq,
            "events": encoded if len(encoded) <= DOORBELL_BYTES else b"",
        }

    async def _listen_forever(self, layer: Layer) -> None:
        while True:
            try:
                if self._channel is None:
                    self._channel = await layer.new_channel()
                    await self._join_all()
                # The same one for ever: nobody would empty one that was left.
                message = await layer.receive(self._channel)
            except Exception as error:  # noqa: BLE001
                logger.warning("doorbell_deaf", error=repr(error))
                await asyncio.sleep(self._pace.check_every)
                continue
            try:
                self._hear(message)
            except (KeyError, TypeError, ValueError):
                # Another version's, or somebody else's. The check will find what it was about.
                logger.warning("doorbell_not_understood", exc_info=True)

    def _hear(self, message: dict[str, Any]) -> None:
        if message.get("node") == self.node:
            return
        self.heard += 1
        if "asked" in message:
            self._on_asked()
            return
        session_id = UUID(message["session_id"])
        if "note" in message:
            self._tell(session_id, message["note"], message["origin"])
            return
        if "here" in message:
            self._presence.hear(session_id, message["node"], message["here"])
            return
        feed = self.feeds.get(session_id)
        if feed is None:
            return
        feed.known_head = max(feed.known_head, message["head"])
        if message["events"]:
            self._offer(feed, _decode_events(message["events"]))
        elif feed.behind:
            self._repair_soon(feed, 0)


_decode_events = msgspec.json.Decoder(list[Event]).decode
