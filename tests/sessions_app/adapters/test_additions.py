"""Who was added to sessions, as events say it."""

from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Raw

from flows.events import Event
from sessions_app.adapters.additions import Addition, additions, may_add
from sessions_app.adapters.doorbell import Committed

ID = UUID("0197c5a0-0000-7000-8000-000000000001")


def event(seq: int, kind: str, data: Any) -> Event:
    return Event(session_id=ID, seq=seq, kind=kind, actor="ann", at="t", key=UNSET, data=data)


def test_who_was_added() -> None:
    """Each addition is told, from events as they were made and as they were stored."""
    bob, ann = ({"user": name, "role": "member"} for name in ("bob", "ann"))
    events = [
        event(1, "session_created", {"title": "participant_added", "metadata": {}}),
        event(2, "participant_added", bob),
        event(3, "participant_removed", {"user": "bob"}),
        event(4, "participant_added", Raw(b'{"user": "bob", "role": "observer"}')),
        event(5, "participant_added", ann),
        event(6, "message_sent", {"text": "participant_added", "user": "bob"}),
    ]
    assert list(additions(events)) == [
        Addition(ID, "bob", "member", "ann", 2),
        Addition(ID, "bob", "observer", "ann", 4),
    ]


def test_what_comes_with_the_doorbell() -> None:
    """Encoded events that add nobody need not be taken apart, nor those that did not come along."""
    for kind, adds in (("participant_added", True), ("participant_removed", False)):
        encoded = msgspec.json.encode([event(1, kind, {"user": "bob", "role": "member"})])
        assert may_add(Committed(ID, 1, encoded)) is adds
    assert not may_add(Committed(ID, 1, b""))
