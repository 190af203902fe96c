"""What one connection watches: a cursor per session, live or being fed from the log."""

import asyncio
from collections.abc import Collection, Sequence
from uuid import UUID

import structlog
from msgspec import UNSET

from flows.errors import Unavailable
from flows.events import Event
from sessions_app.adapters.feed import Entry, Feed
from sessions_app.adapters.hub import Hub
from sessions_app.close_codes import INTERNAL
from sessions_app.counts import counts
from sessions_app.flag import Flag
from sessions_app.outbox import Outbox
from sessions_app.protocol import notification

logger = structlog.get_logger(__name__)

#: How long to wait when the log cannot be read, in seconds.
RETRY_EVERY = 1.0


class Cursor:
    """A connection's place in one session: the seq of the last event that was sent."""

    __slots__ = (
        "feed",
        "granted",
        "lagging",
        "live",
        "live_at",
        "met",
        "observing",
        "position",
        "replaying",
        "user",
        "watches",
    )

    def __init__(self, watches: "Watches", feed: Feed, user: str) -> None:
        self.watches = watches
        self.feed = feed
        self.user = user
        self.position = 0
        self.granted = 0
        self.live = False
        self.live_at = 0.0
        self.met = False
        self.observing = False
        # Whether `live` is owed once it has caught up, and whether `lagging` was told.
        self.replaying = False
        self.lagging = False

    def push(self, entries: Sequence[Entry]) -> None:
        """Send those of `entries` that come after `position`, or fall behind."""
        if entries[0].event.seq <= self.position:
            # What it saw on another node arrives here only now.
            entries = [each for each in entries if each.event.seq > self.position]
        if not self.send(entries):
            self.live = False
            self.watches.fall_behind(self)

    def send(self, entries: Sequence[Entry]) -> bool:
        """Send the entries after `position` as far as they may be sent; whether that is all."""
        watches, outbox = self.watches, self.watches.outbox
        frames: list[str] = []
        held = False
        # No more are encoded than may fit.
        for entry in entries[: outbox.free]:
            if watches.unanswered and watches.holds(entry.event):
                held = True
                break
            frames.append(entry.frame_for(self.user))
        sent = outbox.offer(frames)
        if sent:
            watches.delivered += sent
            self.position = entries[sent - 1].event.seq
        if sent == len(entries):
            return True
        if not held or sent < len(frames):
            self._lag(entries[sent].event.seq)
        return False

    def _lag(self, seq: int) -> None:
        # A replay is not live yet, so that it cannot lag.
        if not self.replaying and not self.lagging:
            self.lagging = True
            counts.lagged += 1
            params = {"session_id": self.feed.session_id, "behind": seq - self.position}
            self.watches.outbox.put(notification("lagging", params))

    def catch_up(self) -> bool:
        """Become live if there is nothing left to be fed; whether it did."""
        if self.feed.position is None or self.position < self.feed.position:
            return False
        self.live = True
        self.live_at = asyncio.get_running_loop().time()
        if self.replaying or self.lagging:
            self.replaying = self.lagging = False
            params = {"session_id": self.feed.session_id, "head": self.position}
            self.watches.outbox.put(notification("live", params))
        return True

    def note(self, frame: str, *, origin: str | None) -> None:
        """Send something ephemeral; it is the first thing to go when there is no room."""
        if origin != self.watches.connection and self.live and self.watches.outbox.has_room:
            self.watches.outbox.put(frame)

    def stop(self, reason: str) -> None:
        """Send nothing more of the session but that this is so."""
        params = {"session_id": self.feed.session_id, "reason": reason}
        self.watches.outbox.put(notification("unwatched", params))
        self.forget()

    def forget(self) -> None:
        """Send nothing more of the session, without a word."""
        self.watches.drop(self.feed.session_id)


class Watches:
    """The cursors of one connection, and the task that feeds those that are behind."""

    __slots__ = (
        "_behind",
        "_feeder",
        "_news",
        "_user",
        "connection",
        "cursors",
        "delivered",
        "hub",
        "observed",
        "outbox",
        "registered",
        "unanswered",
    )

    def __init__(self, connection: str, user: str, hub: Hub, outbox: Outbox) -> None:
        self.connection = connection
        self.outbox = outbox
        self.hub = hub
        self.cursors: dict[UUID, Cursor] = {}
        #: The sessions that are watched as staff, and why. What is nearly always empty is a list or
        #: a dict here: an empty set holds four times as much, a Counter three times.
        self.observed: dict[UUID, str] = {}
        #: The sessions that requests under way have registered, each as often as it was.
        self.registered: list[UUID] = []
        #: How many events were put into the outbox.
        self.delivered = 0
        self._user = user
        # Keys of writes that are not answered yet: a result comes before the connection's own
        # event of it, so such an event waits.
        self.unanswered: dict[str, int] = {}
        self._behind: dict[Cursor, None] = {}
        # Both are there as long as something is fed.
        self._feeder: asyncio.Task[None] | None = None
        self._news: Flag | None = None

    # -- answers before events -----------------------------------------------------------------

    def hold(self, key: str) -> None:
        """A write with `key` has begun."""
        self.unanswered[key] = self.unanswered.get(key, 0) + 1

    def release(self, key: str) -> None:
        """It has been answered."""
        self.unanswered[key] -= 1
        if not self.unanswered[key]:
            del self.unanswered[key]
            if self._news is not None:
                self._news.set()

    def holds(self, event: Event) -> bool:
        """Whether `event` has to wait for the answer to the write that it came from."""
        return event.key is not UNSET and event.key in self.unanswered and event.actor == self._user

    @property
    def behind(self) -> int:
        """How many cursors are fed from the log."""
        return len(self._behind)

    # -- cursors -------------------------------------------------------------------------------

    def follow(
        self,
        session_id: UUID,
        *,
        after: int,
        head: int,
        replay: bool,
        observe: bool = False,
        reason: str = "",
    ) -> Cursor:
        """A cursor at `after`; it is not fed before `fall_behind`."""
        cursor = self.cursors.get(session_id)
        if cursor is None:
            cursor = Cursor(self, self.hub.feeds[session_id], self._user)
            self.cursors[session_id] = cursor
        cursor.live = False
        cursor.position = after
        cursor.granted = head
        cursor.replaying = replay
        cursor.lagging = False
        cursor.observing = observe
        self._observe_no_more(session_id, lost=False)
        if observe:
            self.observed[session_id] = reason
            self.hub.observations.begin((session_id, self._user, reason))
        self.hub.follow(session_id, cursor, head=head)
        return cursor

    def drop(self, session_id: UUID, *, lost: bool = False) -> None:
        """Forget the session, if it is watched; `lost`: because the connection is."""
        if (cursor := self.cursors.pop(session_id, None)) is not None:
            self._behind.pop(cursor, None)
            self._observe_no_more(session_id, lost=lost)
            cursor.live = False
            self.hub.leave(session_id, cursor)

    def _observe_no_more(self, session_id: UUID, *, lost: bool) -> None:
        if (reason := self.observed.pop(session_id, None)) is not None:
            self.hub.observations.end((session_id, self._user, reason), lost=lost)

    def observes(self, session_id: UUID, reason: str) -> bool:
        """Whether its user observes the session in this process, or did until a moment ago."""
        return self.hub.observations.goes_on((session_id, self._user, reason))

    def stop_observing(self) -> None:
        """What was watched by right is watched no more."""
        for session_id in tuple(self.observed):
            self.cursors[session_id].stop("forbidden")

    def heads(self) -> dict[str, int]:
        """The heads of all that is watched, as far as this process knows."""
        return {str(id_): each.feed.known_head for id_, each in self.cursors.items()}

    @property
    def lag(self) -> int:
        """How many events it is behind, at most, in one of them."""
        behind = (each.feed.known_head - each.position for each in self._behind)
        return max(behind, default=0)

    def close(self) -> None:
        """Forget all."""
        for session_id in tuple(self.cursors):
            self.drop(session_id, lost=True)
        if self._feeder is not None:
            self._feeder.cancel()

    # -- feeding -------------------------------------------------------------------------------

    def fall_behind(self, cursor: Cursor) -> None:
        """Feed `cursor` from now on, until it is live."""
        if self.cursors.get(cursor.feed.session_id) is not cursor:
            return
        self._behind[cursor] = None
        # The feeder may be waiting for an answer that is none of this cursor's.
        if self._news is not None:
            self._news.set()
        else:
            self._news = Flag()
            self._feeder = asyncio.get_running_loop().create_task(self._feed(self._news))

    async def _feed(self, news: Flag) -> None:
        try:
            while self._behind and not self.outbox.closing:
                await self._feed_all(news)
        except Exception:
            logger.exception("feed_failed", connection=self.connection)
            self.outbox.close(INTERNAL)
        finally:
            self._feeder = self._news = None

    async def _feed_all(self, news: Flag) -> None:
        news.clear()
        moved = False
        for cursor in tuple(self._behind):
            await self.outbox.room()
            moved |= await self._feed_one(cursor)
        if not moved and self._behind:
            # All that is left waits for an answer.
            await news.wait()

    async def _feed_one(self, cursor: Cursor) -> bool:
        """Send a page to `cursor`; whether anything has changed."""
        if self._caught_up(cursor):
            return True
        position = cursor.position
        try:
            entries = await self.hub.page(cursor.feed, position)
        except Unavailable:
            await asyncio.sleep(RETRY_EVERY)
            return True
        if cursor not in self._behind or cursor.position != position:
            return True  # meanwhile it was dropped, or moved by another request
        cursor.send(entries)
        return self._caught_up(cursor) or cursor.position != position or not self.outbox.has_room

    def _caught_up(self, cursor: Cursor) -> bool:
        if cursor in self._behind and cursor.catch_up():
            del self._behind[cursor]
            return True
        return False


class RequestWatcher:
    """The port `Watcher` for one request: what it asked for begins when it has been answered."""

    __slots__ = ("_followed", "_registered", "_watches")

    def __init__(self, watches: Watches) -> None:
        self._watches = watches
        self._registered: list[UUID] = []
        self._followed: list[Cursor] = []

    @property
    def connection(self) -> str:
        """The connection's id."""
        return self._watches.connection

    @property
    def watching(self) -> Collection[UUID]:
        """The sessions that are watched now, or are about to be by a request under way."""
        return self._watches.cursors.keys() | set(self._watches.registered)

    async def register(self, session_ids: Sequence[UUID]) -> None:
        """From now on, notice whatever is committed in these sessions."""
        self._registered.extend(session_ids)
        self._watches.registered += session_ids
        await self._watches.hub.register(session_ids)

    def follow(
        self,
        session_id: UUID,
        *,
        after: int,
        head: int,
        replay: bool = True,
        observe: bool = False,
        reason: str = "",
    ) -> None:
        """Send the events after `after`, once the request has been answered."""
        cursor = self._watches.follow(
            session_id, after=after, head=head, replay=replay, observe=observe, reason=reason
        )
        self._followed.append(cursor)

    def observes(self, session_id: UUID, *, reason: str) -> bool:
        """Whether this user observes the session already for this reason, or did a moment ago."""
        return self._watches.observes(session_id, reason)

    def forget(self, session_ids: Sequence[UUID]) -> None:
        """Send nothing more of these sessions."""
        for session_id in session_ids:
            self._watches.drop(session_id)

    def answered(self) -> None:
        """The request has been answered, or will not be: begin to send."""
        if not self._registered:
            return
        self._watches.hub.release(self._registered)
        for session_id in self._registered:
            self._watches.registered.remove(session_id)
        for cursor in self._followed:
            self._watches.fall_behind(cursor)
