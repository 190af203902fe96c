"""The hub: one per process. It brings what is committed anywhere to those who watch here.

Other processes ring a doorbell (`doorbell`), which may lose, double or reorder anything. What it
brings is taken only as the next event or as the news that there is one; the log has the
rest. With no doorbell at all, everything still arrives: within about a second.
"""

import asyncio
import random
from collections.abc import Callable, Collection, Coroutine, Sequence
from typing import Any, Literal, Protocol, TypeAlias, get_args
from uuid import UUID, uuid4

import structlog

from flows.errors import Unavailable
from flows.events import Event
from sessions_app.adapters.additions import Addition, additions, may_add
from sessions_app.adapters.doorbell import (
    Asked,
    Committed,
    Doorbell,
    Layer,
    Noted,
    Pace,
    Present,
    Said,
    events_of,
)
from sessions_app.adapters.feed import Entry, Feed, Reader
from sessions_app.adapters.observations import Observations
from sessions_app.adapters.presence import News, Presence, params_of
from sessions_app.protocol import notification

logger = structlog.get_logger(__name__)

#: A hole is usually another node's doorbell on its way: how long it may take, in seconds.
GRACE = 0.040

#: How much the time between two checks varies.
CHECK_SPREAD = 0.2

#: Who comes is told who is here after so long, in seconds: most who come stay no longer.
MEET_AFTER = 1.0

#: How long a watch waits for the doorbell to be in place, in seconds.
JOIN_TIMEOUT = 0.25

#: Events in one read of the log.
PAGE = 200


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


def ignore(*_: object) -> None:
    """Do nothing, as a process that is no node or has no sockets."""


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
        #: How many feeds were read again.
        self.repairs = 0
        #: How the other processes are told; None where there are none.
        self.doorbell: Doorbell | None = None
        if layer is not None:
            self.doorbell = Doorbell(layer, node=self.node, hear=self._hear, pace=pace)
        self._log = log
        self._pace = pace
        self._shows_observers = observers_are_shown
        self._tasks: set[asyncio.Task[None]] = set()
        self._on_asked: Callable[[], None] = ignore
        #: Told of everybody who is added to a session, here or, as far as the doorbell tells,
        #: elsewhere.
        self.on_added: Callable[[Addition], None] = ignore
        self._closed = False
        self._presence = Presence(self._now)
        self.observations = Observations(self._now)

    @property
    def mode(self) -> Mode:
        """How events of other processes come here at the moment."""
        if self.doorbell is None:
            return "alone"
        return "doorbell" if self.doorbell.works else "database"

    # -- life --------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to listen, to ring and to check."""
        self._spawn(self._check_forever())
        if self.doorbell is not None:
            # On its own: whatever the layer does, the check goes on.
            self.doorbell.start()

    async def close(self) -> None:
        """Ring what is left to ring, for a second at most, and stop."""
        if self.doorbell is not None:
            await self.doorbell.close()
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
        for each in additions(events):
            self.on_added(each)
        by_session: dict[UUID, list[Event]] = {}
        for event in events:
            by_session.setdefault(event.session_id, []).append(event)
        for session_id, news in by_session.items():
            if feed := self.feeds.get(session_id):
                self._offer(feed, news)
            if self.doorbell is not None:
                self.doorbell.committed(session_id, news)

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
        if self.doorbell is not None:
            self.doorbell.say(Noted(session_id, frame, origin))

    def _tell(self, session_id: UUID, frame: str, origin: str | None) -> None:
        if feed := self.feeds.get(session_id):
            for reader in tuple(feed.readers):
                reader.note(frame, origin=origin)

    def attend(self, on_asked: Callable[[], None]) -> None:
        """From now on, have this process told when nodes are asked something."""
        self._on_asked = on_asked
        if self.doorbell is not None:
            self._spawn(self.doorbell.join())

    def asked(self) -> None:
        """Nodes are asked something: tell them, this one included."""
        self._on_asked()
        if self.doorbell is not None:
            self.doorbell.say(Asked())

    # -- watching --------------------------------------------------------------------------------

    async def register(self, session_ids: Sequence[UUID]) -> None:
        """From now on notice what is committed in these sessions, here and elsewhere.

        Elsewhere as far as the doorbell answers in time; if not, the check will notice. Each
        call is followed by one of `release`.
        """
        for session_id in session_ids:
            self.feeds.setdefault(session_id, Feed(session_id)).claims += 1
        if self.doorbell is not None and not self.doorbell.joined:
            await asyncio.wait([self._spawn(self.doorbell.join())], timeout=JOIN_TIMEOUT)

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
        if self.doorbell is not None:
            self.doorbell.say(Present(session_id, sorted(users)))

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()

    # -- what others say ---------------------------------------------------------------------------

    def _hear(self, node: str, said: Said) -> None:
        if isinstance(said, Asked):
            self._on_asked()
        elif isinstance(said, Present):
            self._presence.hear(said.session_id, node, said.users)
        elif isinstance(said, Noted):
            self._tell(said.session_id, said.frame, said.origin)
        else:
            if feed := self.feeds.get(said.session_id):
                self._hear_of(feed, said)
            if may_add(said):
                for each in additions(events_of(said)):
                    self.on_added(each)

    def _hear_of(self, feed: Feed, news: Committed) -> None:
        feed.known_head = max(feed.known_head, news.head)
        if news.events:
            self._offer(feed, events_of(news))
        elif feed.behind:
            self._repair_soon(feed, 0)
