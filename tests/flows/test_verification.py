"""What must be true of a session's log, and of what is kept beside it."""

from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from flows.atoms.ids import uuid7
from flows.events import BODIES, Event, MessageSent
from flows.verification import Finding, Kept, Record, Seat, verify

ID = uuid7(1, bytes(10))
AT = "2026-11-22T19:03:11.412Z"
LATER = "2026-11-22T19:03:12.000Z"

#: Kind, author, key and data of a log in which everything happens that can.
HISTORY: list[tuple[str, str, str, dict[str, Any]]] = [
    ("session_created", "ann", "a1", {"title": "Roof", "metadata": {"a": [1]}}),
    ("participant_added", "ann", "a1", {"user": "bob", "role": "member"}),
    ("participant_added", "ann", "a1", {"user": "cid", "role": "observer"}),
    ("message_sent", "bob", "b1", {"text": "It leaks."}),
    ("session_renamed", "bob", "a1", {"title": "Wall"}),
    ("participant_added", "ann", "a2", {"user": "cid", "role": "member"}),
    ("participant_removed", "cid", "c1", {"user": "cid"}),
    ("participant_added", "ann", "a3", {"user": "dan", "role": "member"}),
    ("participant_removed", "ann", "a4", {"user": "dan"}),
    ("participant_added", "ann", "a5", {"user": "dan", "role": "observer"}),
    ("session_ended", "$system", "s1", {"reason": "Dry"}),
    ("session_resumed", "ann", "a6", {}),
    ("message_sent", "ann", "a7", {"text": "Good.", "reply_to": 4, "metadata": {}}),
    ("session_ended", "ann", "a8", {}),
]

EVENTS = [
    Event(
        session_id=ID,
        seq=seq,
        kind=kind,
        actor=actor,
        at=AT if seq < 14 else LATER,
        key=key,
        data=data,
    )
    for seq, (kind, actor, key, data) in enumerate(HISTORY, 1)
]

#: The first write made three events: its receipt is of the last of them.
RECEIPTS = [
    Kept("ann", "a1", 3),
    *(Kept(each.actor, str(each.key), each.seq) for each in EVENTS[3:]),
]

RECORD = Record(
    session_id=ID,
    title="Wall",
    status="ended",
    owner="ann",
    metadata={"a": [1]},
    last_seq=14,
    message_count=2,
    created_at=AT,
    ended_at=LATER,
    last_activity=LATER,
    seats=[
        Seat("ann", "owner", 1, None, 14),
        Seat("bob", "member", 2, None, 0),
        Seat("cid", "member", 3, 7, 3),
        Seat("dan", "observer", 10, None, 0),
    ],
)


def found(
    *,
    record: Record = RECORD,
    events: list[Event] = EVENTS,
    receipts: list[Kept] = RECEIPTS,
) -> list[tuple[int | None, str]]:
    """Where something is wrong, and what."""
    findings = list(verify(record, iter(events), iter(receipts)))
    assert {ID} >= {each.session_id for each in findings}
    return [(each.seq, each.what) for each in findings]


def changed(seq: int, **fields: Any) -> list[Event]:
    """The log with another event at `seq`."""
    return [replace(each, **fields) if each.seq == seq else each for each in EVENTS]


def test_all_is_well() -> None:
    """A log in which all kinds of events are, and what follows from it, are sound."""
    assert BODIES.keys() == {each.kind for each in EVENTS}
    assert found() == []


def test_findings_name_the_session() -> None:
    """A finding says in which session it is, and where in the log if it is at one place."""
    record = replace(RECORD, message_count=3)
    (finding,) = verify(record, EVENTS, RECEIPTS)
    assert finding == Finding(ID, "message_count is 3, in the log 2")
    (finding,) = verify(RECORD, EVENTS, RECEIPTS[1:])
    assert finding == Finding(ID, "there is no receipt of the key 'a1' of ann", 3)


def test_a_hole() -> None:
    """An event that is missing is found where the next one is; what then follows is unknown."""
    events = [each for each in EVENTS if each.seq != 5]
    assert found(events=events) == [
        (6, "the event before is #4"),
        (5, "the receipt of the key 'a1' of bob is not of a write that ends here"),
    ]


def test_the_first_event_missing() -> None:
    """A log begins with 1."""
    assert found(events=EVENTS[1:]) == [(2, "the event before is #0")]


def test_an_event_twice() -> None:
    """A seq is used once."""
    events = EVENTS[:4] + EVENTS[3:]
    assert (4, "the event before is #4") in found(events=events)


def test_the_last_event_missing() -> None:
    """Where the log ends before its head, that is found, and all that differs since."""
    whats = found(events=EVENTS[:13])
    assert whats == [
        (14, "the receipt of the key 'a8' of ann is not of a write that ends here"),
        (None, "last_seq is 14, in the log 13"),
        (None, f"last_activity is '{LATER}', in the log '{AT}'"),
        (None, "ann has seen #14, the log ends with #13"),
        (None, "status is 'ended', in the log 'open'"),
        (None, f"ended_at is '{LATER}', in the log nothing"),
    ]


def test_no_events() -> None:
    """A session without a log is wrong."""
    whats = found(events=[], receipts=RECEIPTS[:1])
    assert whats[:2] == [
        (3, "the receipt of the key 'a1' of ann is not of a write that ends here"),
        (None, "last_seq is 14, in the log 0"),
    ]


def test_time_that_goes_back() -> None:
    """No event is earlier than the one before; at the same time it may be."""
    assert found(events=changed(4, at="2026-11-22T19:03:11.411Z")) == [
        (4, f"its time 2026-11-22T19:03:11.411Z is before that of the event before, {AT}")
    ]
    assert [seq for seq, _ in found(events=changed(4, at=LATER))] == [5]


@pytest.mark.parametrize(
    ("seq", "fields", "what"),
    [
        (4, {"kind": "message_lost"}, "there is no kind 'message_lost'"),
        (4, {"data": {"text": 1}}, "its data are not those of message_sent: "),
        (4, {"data": []}, "its data are not those of message_sent: "),
        (6, {"data": {"user": "cid", "role": "king"}}, "its data are not those of participant_a"),
        (1, {"kind": "message_sent", "data": {"text": "x"}}, "a log begins with a session's creat"),
        (4, {"kind": "session_created", "data": HISTORY[0][3]}, "a session is created once"),
    ],
)
def test_events_that_no_flow_writes(seq: int, fields: dict[str, Any], what: str) -> None:
    """An event that cannot be applied is found; what the log amounts to is then unknown."""
    (first, said), *rest = found(events=changed(seq, **fields))
    assert first == seq
    assert said.startswith(what)
    assert all(what.startswith("message_count is") for _, what in rest)


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"last_seq": 15}, "last_seq is 15, in the log 14"),
        ({"last_seq": 13}, "last_seq is 13, in the log 14"),
        ({"message_count": 0}, "message_count is 0, in the log 2"),
        ({"last_activity": AT}, f"last_activity is '{AT}', in the log '{LATER}'"),
        ({"title": "Roof"}, "title is 'Roof', in the log 'Wall'"),
        ({"metadata": {}}, "metadata is {}, in the log {'a': [1]}"),
        ({"metadata": {"a": [2]}}, "metadata is {'a': [2]}, in the log {'a': [1]}"),
        ({"created_at": LATER}, f"created_at is '{LATER}', in the log '{AT}'"),
        ({"ended_at": AT}, f"ended_at is '{AT}', in the log '{LATER}'"),
        ({"ended_at": None}, f"ended_at is nothing, in the log '{LATER}'"),
        ({"status": "open"}, "status is 'open', in the log 'ended'"),
        ({"owner": "bob"}, "owner is bob, in the log ann"),
    ],
)
def test_the_row(fields: dict[str, Any], what: str) -> None:
    """Whatever is stored of a session is what its log has."""
    assert found(record=replace(RECORD, **fields)) == [(None, what)]


def test_long_values() -> None:
    """A value is shown as far as it is needed to be recognised."""
    ((_, what),) = found(record=replace(RECORD, title="x" * 200))
    assert len(what) < 80


@pytest.mark.parametrize(
    ("user", "change", "what"),
    [
        ("ann", {"seen": 15}, "ann has seen #15, the log ends with #14"),
        ("cid", {"seen": 15}, "cid has seen #15, the log ends with #14"),
        ("bob", {"role": "observer"}, "the role of bob is 'observer', in the log 'member'"),
        ("bob", {"role": "king"}, "the role of bob is 'king', in the log 'member'"),
        ("bob", {"left": 14}, "bob left is 14, in the log nothing"),
        ("cid", {"left": None}, "cid left is nothing, in the log 7"),
        ("cid", {"left": 8}, "cid left is 8, in the log 7"),
        ("dan", {"joined": 8}, "dan joined is 8, in the log 10"),
        ("dan", {"user": "eve"}, "dan takes part, or did, in the log only"),
    ],
)
def test_the_seats(user: str, change: dict[str, Any], what: str) -> None:
    """Who takes part, as what and since when, and who did until when, are what the log has."""
    seats = [replace(each, **change) if each.user == user else each for each in RECORD.seats]
    whats = found(record=replace(RECORD, seats=seats))
    assert whats[0][0] is None
    assert whats[0][1].startswith(what)
    assert len(whats) == (2 if "user" in change else 1)


def test_a_seat_too_many_or_too_few() -> None:
    """Everybody who ever took part has a seat, and nobody else."""
    eve = Seat("eve", "member", 4, None, 0)
    assert found(record=replace(RECORD, seats=[*RECORD.seats, eve])) == [
        (None, "eve takes part, or did, not in the log")
    ]
    assert found(record=replace(RECORD, seats=RECORD.seats[:2])) == [
        (None, "cid takes part, or did, in the log only"),
        (None, "dan takes part, or did, in the log only"),
    ]


def test_the_role_of_who_left() -> None:
    """What somebody was who takes part no more is nobody's business."""
    seats = [replace(each, role="owner") if each.user == "cid" else each for each in RECORD.seats]
    assert found(record=replace(RECORD, seats=seats)) == []


def receipts_but(seq: int, *instead: Kept) -> list[Kept]:
    others = [each for each in RECEIPTS if each.seq != seq]
    return sorted([*others, *instead], key=lambda each: each.seq)


@pytest.mark.parametrize("seq", [3, 4, 13, 14])
def test_a_receipt_missing(seq: int) -> None:
    """Whatever has a key has its receipt."""
    event = EVENTS[seq - 1]
    assert found(receipts=receipts_but(seq)) == [
        (seq, f"there is no receipt of the key {event.key!r} of {event.actor}")
    ]


@pytest.mark.parametrize(
    ("seq", "instead", "at"),
    [
        (4, Kept("bob", "b1", 5), [4, 5]),
        (5, Kept("bob", "a1", 4), [4, 5]),
        (4, Kept("ann", "b1", 4), [4, 4]),
        (4, Kept("bob", "b2", 4), [4, 4]),
        (3, Kept("ann", "a1", 1), [1, 3]),
        (3, Kept("ann", "a1", 4), [3, 4]),
        (14, Kept("ann", "a8", 15), [14, 15]),
        (14, Kept("ann", "a8", 0), [0, 14]),
    ],
)
def test_a_receipt_of_something_else(seq: int, instead: Kept, at: list[int]) -> None:
    """A receipt is of the last event of its write: of that author, with that key."""
    assert sorted(seq or 0 for seq, _ in found(receipts=receipts_but(seq, instead))) == at


def test_a_receipt_in_a_hole() -> None:
    """A receipt of an event that is missing is not taken for that of the next one."""
    events = [each for each in EVENTS if each.seq != 5]
    receipts = receipts_but(6, Kept("ann", "a2", 5))
    assert [seq for seq, _ in found(events=events, receipts=receipts)] == [6, 5, 5, 6]


def test_a_receipt_too_many() -> None:
    """A receipt of nothing is found, wherever it is said to belong."""
    for seq in (1, 4, 14, 15, 100):
        extra = Kept("eve", "e1", seq)
        assert found(receipts=sorted([*RECEIPTS, extra], key=lambda each: each.seq)) == [
            (seq, "the receipt of the key 'e1' of eve is not of a write that ends here")
        ]


def test_events_without_a_key() -> None:
    """What has no key needs no receipt, and may have none."""
    events = changed(4, key=UNSET)
    assert found(events=events, receipts=receipts_but(4)) == []
    assert [seq for seq, _ in found(events=events)] == [4]


def test_a_key_that_ran_twice() -> None:
    """A key has been used by one write: its other events are found."""
    events = [*EVENTS]
    events[11] = replace(EVENTS[11], actor="bob", key="b1")
    receipts = receipts_but(12)
    assert found(events=events, receipts=receipts) == [
        (12, "there is no receipt of the key 'b1' of bob")
    ]


def test_only_a_little_is_read_at_a_time() -> None:
    """A log of any length is read as it comes: nothing is read before it is needed, nor kept."""
    read = 0

    def long() -> Iterator[Event]:
        nonlocal read
        yield EVENTS[0]
        for seq in range(2, 100_000):
            read = seq
            yield Event(
                session_id=ID,
                seq=seq,
                kind=MessageSent.kind,
                actor="ann",
                at=AT,
                key="k" if seq != 3 else UNSET,
                data={"text": "x"},
            )

    findings = verify(RECORD, long(), [])
    assert next(findings).seq == 1
    assert read == 2
    assert next(findings).seq == 2
    assert read == 3
    assert sum(1 for _ in findings) > 0
    assert read == 99_999
