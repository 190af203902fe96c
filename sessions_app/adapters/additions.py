"""Who was added to sessions, as committed events say it. No I/O."""

from collections.abc import Iterable, Iterator
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Raw, Struct

from flows.events import Event, ParticipantAdded
from sessions_app.adapters.doorbell import Committed

#: What an encoded event has in it that adds somebody; a message's text may have it, too.
MARK = ParticipantAdded.kind.encode()


class Addition(Struct, frozen=True):
    """`actor` has given `user` a role in a session, by the event `seq`."""

    session_id: UUID
    user: str
    role: str
    actor: str
    seq: int


def additions(events: Iterable[Event]) -> Iterator[Addition]:
    """Whom `events` have added, themselves not counted."""
    for event in events:
        if event.kind == ParticipantAdded.kind:
            data = _fields(event.data)
            if data["user"] != event.actor:
                yield Addition(event.session_id, data["user"], data["role"], event.actor, event.seq)


def may_add(news: Committed) -> bool:
    """Whether events that came with the doorbell may add somebody: nearly none do."""
    return MARK in news.events


def _fields(data: Any) -> dict[str, str]:
    """The data of an event: as it was made, or as it was stored."""
    fields: dict[str, str] = msgspec.json.decode(data) if isinstance(data, Raw) else data
    return fields
