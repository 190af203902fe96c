"""Who is here: the users that watch a session, on this node and on others. No I/O.

Ephemeral, and told late rather than often: at most once a second, and who leaves is here for a
while longer, since most who leave are back at once.
"""

from collections.abc import Callable, Iterable
from uuid import UUID

from msgspec import Struct, field

#: Protocol, section 4: who leaves is told after so long, in seconds.
LEAVING_SECONDS = 15.0

#: What another node said of its users holds for so long, in seconds; it says it again in half.
REMOTE_SECONDS = 30.0

#: Protocol, section 4: up to so many names are told, beyond that only how many there are.
NAMES = 200


class Remote(Struct):
    """The users of another node, and until when they are believed to be there."""

    users: frozenset[str]
    until: float


class Room(Struct):
    """What is known of one session."""

    remotes: dict[str, Remote] = field(default_factory=dict)
    #: When each user was seen last; those seen now are here.
    seen: dict[str, float] = field(default_factory=dict)
    told: frozenset[str] = frozenset()
    announced: frozenset[str] = frozenset()
    announced_at: float = float("-inf")


class News(Struct, frozen=True):
    """What a look has found: whom to tell locally, and what to announce to the other nodes."""

    here: frozenset[str]
    changed: bool
    announce: frozenset[str] | None


class Presence:
    """The rooms that somebody here watches."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.rooms: dict[UUID, Room] = {}

    def hear(self, session_id: UUID, node: str, users: Iterable[str]) -> None:
        """Another node has said who is there."""
        if room := self.rooms.get(session_id):
            room.remotes[node] = Remote(frozenset(users), self._clock() + REMOTE_SECONDS)

    def forget(self, session_id: UUID) -> bool:
        """Nobody here watches the session any more; whether others have been told that some do."""
        room = self.rooms.pop(session_id, None)
        return room is not None and bool(room.announced)

    def look(self, session_id: UUID, local: frozenset[str]) -> News:
        """Who is here now, given the users of this node."""
        now = self._clock()
        room = self.rooms.setdefault(session_id, Room())
        room.remotes = {node: each for node, each in room.remotes.items() if each.until > now}
        present = local.union(*(each.users for each in room.remotes.values()))
        room.seen.update(dict.fromkeys(present, now))
        room.seen = {
            user: at
            for user, at in room.seen.items()
            if user in present or now - at < LEAVING_SECONDS
        }
        here = frozenset(room.seen)
        changed, room.told = here != room.told, here
        due = local != room.announced or now - room.announced_at >= REMOTE_SECONDS / 2
        if due:
            room.announced, room.announced_at = local, now
        return News(here, changed, local if due else None)


def params_of(session_id: UUID, here: frozenset[str]) -> dict[str, object]:
    """The params of `presence`."""
    if len(here) > NAMES:
        return {"session_id": session_id, "count": len(here)}
    return {"session_id": session_id, "here": sorted(here)}
