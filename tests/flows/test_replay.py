"""A log read again: what is stored beside it, and the receipts of its keys."""

from typing import Any

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from flows.add_participant import AddParticipant
from flows.create_session import CreateSession, NewParticipant
from flows.end_session import EndSession
from flows.events import Event
from flows.input import Mutation
from flows.leave_session import LeaveSession
from flows.remove_participant import RemoveParticipant
from flows.rename_session import RenameSession
from flows.replay import UNKNOWN, replay
from flows.resume_session import ResumeSession
from flows.send_message import SendMessage
from flows.verification import Kept, verify
from tests.flows.test_verification import AT, HISTORY, ID


def event(seq: int, kind: str, data: dict[str, Any], actor: str = "ann", key: str = "") -> Event:
    return Event(session_id=ID, seq=seq, kind=kind, actor=actor, at=AT, key=key or UNSET, data=data)


def history() -> list[Event]:
    return [
        event(seq, kind, data, actor, key)
        for seq, (kind, actor, key, data) in enumerate(HISTORY, 1)
    ]


def begun(*more: Event) -> list[Event]:
    return [event(1, "session_created", {"title": "", "metadata": {}}, key="k"), *more]


def test_what_follows_is_sound() -> None:
    """What is stored beside a log, and its receipts, are what must be true of it."""
    events = history()
    made = replay(events)
    kept = [Kept(each.actor, each.key, each.seq) for each in made.receipts]
    assert list(verify(made.record, events, kept)) == []
    assert (made.record.last_seq, made.record.owner) == (len(events), "ann")
    assert made.people[0] == "ann"


@pytest.mark.parametrize(
    ("input", "kind", "data"),
    [
        (RenameSession(session_id=ID, title="Wall", key="w"), "session_renamed", {"title": "Wall"}),
        (SendMessage(session_id=ID, text="x", key="w"), "message_sent", {"text": "x"}),
        (
            SendMessage(session_id=ID, text="x", reply_to=1, metadata={"a": 1}, key="w"),
            "message_sent",
            {"text": "x", "reply_to": 1, "metadata": {"a": 1}},
        ),
        (EndSession(session_id=ID, key="w"), "session_ended", {}),
        (EndSession(session_id=ID, reason="Dry", key="w"), "session_ended", {"reason": "Dry"}),
        (ResumeSession(session_id=ID, key="w"), "session_resumed", {}),
        (
            AddParticipant(session_id=ID, user="bob", role="member", key="w"),
            "participant_added",
            {"user": "bob", "role": "member"},
        ),
        (
            RemoveParticipant(session_id=ID, user="bob", key="w"),
            "participant_removed",
            {"user": "bob"},
        ),
    ],
)
def test_receipt(input: Mutation, kind: str, data: dict[str, Any]) -> None:
    """A receipt is that of the input which the event came of, so that repeating it is known."""
    made = replay(begun(event(2, kind, data, key="w")))
    _, receipt = made.receipts
    assert (receipt.flow, receipt.fingerprint) == (input.flow_name, input.fingerprint())
    assert (receipt.actor, receipt.key, receipt.seq, receipt.at) == ("ann", "w", 2, AT)


def test_receipt_of_a_creation() -> None:
    """Who was added by the creation is part of its input; its receipt is of its last event."""
    made = replay(begun(event(2, "participant_added", {"user": "bob", "role": "member"}, key="k")))
    input = CreateSession(key="k", participants=[NewParticipant("bob", "member")])
    (receipt,) = made.receipts
    assert (receipt.flow, receipt.fingerprint) == (input.flow_name, input.fingerprint())
    assert receipt.seq == 2


def test_receipt_of_who_left() -> None:
    """Who removed themselves left."""
    added = event(2, "participant_added", {"user": "bob", "role": "member"}, key="a")
    left = event(3, "participant_removed", {"user": "bob"}, actor="bob", key="l")
    receipt = replay(begun(added, left)).receipts[-1]
    assert receipt.fingerprint == LeaveSession(session_id=ID, key="l").fingerprint()


@pytest.mark.parametrize("key", ["k", "w"])
def test_receipt_of_an_unknown_write(key: str) -> None:
    """A write that is none of ours keeps its key used: whatever is asked with it conflicts."""
    messages = [event(seq, "message_sent", {"text": "x"}, key=key) for seq in (2, 3)]
    receipt = replay(begun(*messages)).receipts[-1]
    assert ((receipt.flow, receipt.fingerprint), receipt.seq) == (UNKNOWN, 3)


def test_without_keys() -> None:
    """Events without a key have no receipt."""
    made = replay([replace(each, key=UNSET) for each in history()])
    assert made.receipts == []


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ([], "there is no event"),
        ([event(1, "message_sent", {"text": "x"})], "event 1: a log begins with"),
        (begun(event(3, "session_resumed", {})), "event 3: event 3 does not follow 1"),
        (begun(event(2, "x", {})), "event 2: there is no kind 'x'"),
        (begun(event(2, "message_sent", {"text": 7})), "event 2: its data are not those"),
        (begun(event(2, "message_sent", {"text": ""})), "event 2: Expected `str` of length >= 1"),
        (begun(event(2, "message_sent", {"text": "a\x00"})), "event 2: Expected `str` matching"),
        (begun(event(2, "message_sent", {"text": "a"}, actor="")), "event 2: Expected `str`"),
        (begun(event(2, "message_sent", {"text": "a", "reply_to": 2})), "event 2: it is about"),
        (begun(event(2, "session_created", {"title": "", "metadata": {}})), "event 2: a session"),
        (begun(event(2, "participant_removed", {"user": "ann"})), "event 2: nobody owns"),
        (
            begun(replace(event(2, "session_resumed", {}), session_id=ID.__class__(int=7))),
            "event 2: it is another session's",
        ),
        (begun(replace(event(2, "session_resumed", {}), at="2020")), "event 2: its time 2020"),
        (
            begun(
                event(2, "session_resumed", {}, actor="bob", key="b"),
                event(3, "session_resumed", {}, key="k"),
            ),
            "event 3: the key 'k' was used before",
        ),
    ],
)
def test_what_no_flow_has_written(wrong: list[Event], says: str) -> None:
    """A log that no flow can have written is refused, with the place and the reason."""
    with pytest.raises(ValueError) as caught:
        replay(wrong)
    assert str(caught.value).startswith(says)
