"""What has happened in a session."""

from datetime import UTC, datetime, timedelta, timezone
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from flows.events import (
    BODIES,
    Body,
    Event,
    Kind,
    MessageSent,
    ParticipantAdded,
    ParticipantRemoved,
    Role,
    SessionCreated,
    SessionEnded,
    SessionRenamed,
    SessionResumed,
    timestamp,
)
from tests.flows.stage import NOWHERE

#: Each body and its `data` on the wire (protocol, section 4).
DATA: list[tuple[Body, str, dict[str, object]]] = [
    (SessionCreated("Roof", {"a": 1}), "session_created", {"title": "Roof", "metadata": {"a": 1}}),
    (SessionRenamed("Roof"), "session_renamed", {"title": "Roof"}),
    (SessionEnded(), "session_ended", {}),
    (SessionEnded("Dry"), "session_ended", {"reason": "Dry"}),
    (SessionResumed(), "session_resumed", {}),
    (
        ParticipantAdded("bob", Role.MEMBER),
        "participant_added",
        {"user": "bob", "role": "member"},
    ),
    (ParticipantRemoved("bob"), "participant_removed", {"user": "bob"}),
    (MessageSent("Hi"), "message_sent", {"text": "Hi"}),
    (
        MessageSent("Hi", 2, {"a": 1}),
        "message_sent",
        {"text": "Hi", "reply_to": 2, "metadata": {"a": 1}},
    ),
    (MessageSent("Hi", metadata={}), "message_sent", {"text": "Hi", "metadata": {}}),
]


@pytest.mark.parametrize(("body", "kind", "data"), DATA)
def test_data(body: Body, kind: str, data: dict[str, object]) -> None:
    """A body is on the wire what the protocol says, and comes back from it as it was."""
    assert (kind, data) == (body.kind, msgspec.to_builtins(body))
    assert body == msgspec.convert(data, BODIES[kind])


def test_kinds() -> None:
    """Every body has a kind of its own, and these are the kinds there are."""
    assert set(get_args(Body)) == {type(body) for body, _, _ in DATA} == set(BODIES.values())
    assert {kind for _, kind, _ in DATA} == set(BODIES) == set(Kind)
    assert len(get_args(Body)) == len(Kind)
    assert all(body.__struct_config__.frozen for body in (*BODIES.values(), Event))


@pytest.mark.parametrize(
    ("role", "included"),
    [
        (Role.OBSERVER, [Role.OBSERVER]),
        (Role.MEMBER, [Role.OBSERVER, Role.MEMBER]),
        (Role.OWNER, [Role.OBSERVER, Role.MEMBER, Role.OWNER]),
    ],
)
def test_roles(role: Role, included: list[Role]) -> None:
    """A member may do all that an observer may, and an owner all that a member may."""
    assert included == [each for each in Role if role.allows(each)]


def test_event() -> None:
    """An event is encoded as clients get it; without a key there is no such field."""
    event = Event(
        session_id=NOWHERE,
        seq=2,
        kind="message_sent",
        actor="ann",
        at="2026-11-22T19:03:11.412Z",
        key="c-2",
        data={"text": "It leaks."},
    )
    encoded = (
        f'{{"session_id":"{NOWHERE}","seq":2,"kind":"message_sent","actor":"ann",'
        '"at":"2026-11-22T19:03:11.412Z","key":"c-2","data":{"text":"It leaks."}}'
    )
    assert encoded.encode() == msgspec.json.encode(event)
    hidden = msgspec.json.encode(msgspec.structs.replace(event, key=UNSET))
    assert encoded.replace('"key":"c-2",', "").encode() == hidden


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 11, 22, 19, 3, 11, 412_000, UTC), "2026-11-22T19:03:11.412Z"),
        (datetime(2026, 11, 22, 19, 3, 11, 412_999, UTC), "2026-11-22T19:03:11.412Z"),
        (datetime(2026, 11, 22, 19, 3, 11, 0, UTC), "2026-11-22T19:03:11.000Z"),
        (
            datetime(2026, 11, 22, 20, 3, 11, 0, timezone(timedelta(hours=1))),
            "2026-11-22T19:03:11.000Z",
        ),
    ],
)
def test_timestamp(moment: datetime, text: str) -> None:
    """A time on the wire is UTC with three digits of a second, cut and not rounded."""
    assert text == timestamp(moment)


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_timestamps_sort(one: datetime, other: datetime) -> None:
    """Times sort as text as they do as times, to the millisecond, and are read back."""
    early, late = sorted((one, other))
    assert timestamp(early) <= timestamp(late)
    assert timedelta(0) <= one - datetime.fromisoformat(timestamp(one)) < timedelta(milliseconds=1)
