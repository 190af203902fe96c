"""One session as one process follows it: what is in order, what came early, who is told. No I/O."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol
from uuid import UUID

import msgspec
from msgspec import UNSET

from flows.events import Event, ParticipantRemoved
from sessions_app.protocol import event_frame

#: Events that are kept encoded, so that a reader who is a little behind costs no query.
TAIL = 128

#: Events that came early are kept up to this many; the repair's read replaces what is dropped.
STASH = 1_000


class Entry:
    """An event, and its frame, which is made once for all who get it."""

    __slots__ = ("_frame", "event")

    def __init__(self, event: Event) -> None:
        self.event = event
        self._frame: str | None = None

    def frame_for(self, user: str) -> str:
        """The frame as `user` gets it: only the author sees the key."""
        if self.event.key is not UNSET and self.event.actor == user:
            return event_frame(self.event, with_key=True)
        if self._frame is None:
            self._frame = event_frame(self.event, with_key=False)
        return self._frame


class Reader(Protocol):
    """One connection's place in one session."""

    #: The user whose connection it is.
    user: str
    #: Up to date: every new entry is pushed. If not, it is being fed from the log.
    live: bool
    #: The session's head when the right to read was checked last.
    granted: int
    #: Since when it is live, on the loop's clock, and whether it was told who is here.
    live_at: float
    met: bool
    #: Watches by right, not by taking part.
    observing: bool

    def push(self, entries: Sequence[Entry]) -> None:
        """Send those of `entries` that come after the reader's position, or stop being live."""
        ...

    def note(self, frame: str, *, origin: str | None) -> None:
        """Send something ephemeral, unless the connection is its `origin`."""
        ...

    def stop(self, reason: str) -> None:
        """Send nothing more of the session but that this is so."""
        ...

    def forget(self) -> None:
        """Send nothing more of the session, without a word."""
        ...


class Feed:
    """What this process knows of a session that somebody here watches.

    `position` is the last seq up to which nothing is missing, None before the head was read. Live
    readers are always at `position`.
    """

    __slots__ = (
        "_stash",
        "claims",
        "known_head",
        "position",
        "readers",
        "repairing",
        "session_id",
        "tail",
    )

    def __init__(self, session_id: UUID) -> None:
        self.session_id = session_id
        self.position: int | None = None
        self.known_head = 0
        self.readers: set[Reader] = set()
        #: Requests that have registered and may still follow.
        self.claims = 0
        self.repairing = False
        self.tail: deque[Entry] = deque(maxlen=TAIL)
        self._stash: dict[int, Event] = {}

    @property
    def behind(self) -> bool:
        """Whether events are known to exist that are not here."""
        return self.position is not None and self.position < self.known_head

    def begin(self, head: int) -> None:
        """The head has been read; what came since is in the stash."""
        if self.position is None:
            self.position = head
            self.offer(())
        self.known_head = max(self.known_head, head)

    def begin_anew(self) -> None:
        """Nothing that is known of the session counts any more, until its head is read again."""
        self.position = None
        self.known_head = 0
        self.tail.clear()
        self._stash.clear()

    def offer(self, events: Iterable[Event]) -> None:
        """Take events in any order, doubled or not, and push those that are next."""
        fresh: list[Entry] = []
        for event in events:
            if event.seq > self.known_head:
                self.known_head = event.seq
            if event.seq - 1 == self.position and not self._stash:
                # As nearly always: it is the next one.
                self.position = event.seq
                fresh.append(Entry(event))
            elif event.seq > (self.position or 0) and len(self._stash) < STASH:
                self._stash[event.seq] = event
        while self.position is not None and self.position + 1 in self._stash:
            self.position += 1
            fresh.append(Entry(self._stash.pop(self.position)))
        if self._stash and self.position is not None:
            position = self.position
            self._stash = {seq: each for seq, each in self._stash.items() if seq > position}
        self._append(fresh)

    def _append(self, entries: Sequence[Entry]) -> None:
        """Push entries together, as far as the same readers get them."""
        begin = 0
        for end, entry in enumerate(entries, 1):
            if entry.event.kind == ParticipantRemoved.kind:
                # Whoever is removed gets nothing that comes after.
                self._push(entries[begin:end])
                self._remove(entry.event)
                begin = end
        if begin < len(entries):
            self._push(entries[begin:])

    def _push(self, entries: Sequence[Entry]) -> None:
        self.tail.extend(entries)
        for reader in tuple(self.readers):
            if reader.live:
                reader.push(entries)

    def _remove(self, event: Event) -> None:
        user = _who_left(event.data)
        for reader in tuple(self.readers):
            # In a replay of older events the user may have come back since.
            if reader.user == user and not reader.observing and event.seq > reader.granted:
                reader.stop("removed")

    def after(self, position: int) -> Iterator[Entry] | None:
        """The entries after `position`, None if they are not all here."""
        if not self.tail or self.tail[0].event.seq > position + 1:
            return None
        return (entry for entry in tuple(self.tail) if entry.event.seq > position)


def _who_left(data: Any) -> str:
    """Who is removed by an event with this data: as it was made, or as it was stored."""
    fields: dict[str, str] = msgspec.json.decode(data) if isinstance(data, msgspec.Raw) else data
    return fields["user"]
