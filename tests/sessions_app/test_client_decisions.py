"""What the small client decides: when it connects again, what is next, what is sent again."""

import json

import pytest

from sessions_app.client import Outbox, Position, Reconnects, Verdict, backoff, is_final


def test_the_first_delay_is_up_to_half_a_second() -> None:
    """After the first failure one waits from 0 to 500 ms, and chance decides how long."""
    assert [backoff(0, chance) for chance in (0.0, 0.5, 1.0)] == [0.0, 0.25, 0.5]


def test_delays_double_up_to_twenty_seconds() -> None:
    """The longest delay doubles with every failure, up to 20 s, however many there are."""
    assert [backoff(attempt, 1.0) for attempt in range(8)] == [0.5, 1, 2, 4, 8, 16, 20, 20]
    assert backoff(10**9, 1.0) == 20


def test_the_delay_grows_until_a_connection_lasts() -> None:
    """Every failure in a row doubles the delay; after a connection of five seconds it is short."""
    reconnects = Reconnects()
    assert [reconnects.delay(lived, 1.0) for lived in (0, 0.1, 4.9, 5.0, 0)] == [0.5, 1, 2, 0.5, 1]


@pytest.mark.parametrize(
    ("code", "final"),
    [
        *((code, False) for code in (None, 1000, 1006, 1012, 4000, 4499, 5000)),
        *((code, True) for code in (4500, 4501, 4999)),
    ],
)
def test_a_close_code_is_the_verdict(code: int | None, *, final: bool) -> None:
    """Codes from 4500 to 4999 mean stop; after all others, and after none, one connects again."""
    assert is_final(code) is final


def test_the_next_event_moves_the_position() -> None:
    """Only the event after the last one is taken, and moves the position."""
    position = Position(2)
    assert position.judge(3) is Verdict.NEXT
    assert position.last == 3
    assert position.judge(4) is Verdict.NEXT
    assert position.last == 4


@pytest.mark.parametrize(
    ("seq", "verdict"),
    [(1, Verdict.KNOWN), (2, Verdict.KNOWN), (4, Verdict.GAP), (9, Verdict.GAP)],
)
def test_any_other_event_does_not(seq: int, verdict: Verdict) -> None:
    """An event that was there before, or that leaves a gap, leaves the position where it is."""
    position = Position(2)
    assert position.judge(seq) is verdict
    assert position.last == 2


def test_the_outbox_keeps_what_is_not_answered() -> None:
    """Calls wait in the order in which they were made, under the ids they have, until answered."""
    outbox = Outbox()
    first = outbox.add("send_message", {"key": "a"})
    second = outbox.add("send_message", {"key": "b"})
    third = outbox.add("ping", {})
    assert [json.loads(frame)["id"] for frame in outbox.frames()] == [first, second, third]

    outbox.answered(second)
    outbox.answered(second)
    assert [json.loads(frame) for frame in outbox.frames()] == [
        {"jsonrpc": "2.0", "id": first, "method": "send_message", "params": {"key": "a"}},
        {"jsonrpc": "2.0", "id": third, "method": "ping", "params": {}},
    ]
    assert outbox.frame(second) is None
    assert outbox.frame(first) == outbox.frames()[0]


def test_an_id_is_not_used_again() -> None:
    """An id that was answered is given to no other call."""
    outbox = Outbox()
    first = outbox.add("ping", {})
    outbox.answered(first)
    assert outbox.add("ping", {}) != first


def test_patience_ends() -> None:
    """A call is repeated twenty times at the server's wish, and one that is answered is not."""
    outbox = Outbox()
    id_ = outbox.add("ping", {})
    assert [outbox.may_retry(id_) for _ in range(21)] == [True] * 20 + [False]
    outbox.answered(id_)
    assert not outbox.may_retry(id_)
