"""The oracle catches each kind of violation, in histories that are made up."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from tests.faults.oracle import (
    Answer,
    Attempt,
    History,
    Kind,
    Row,
    Shown,
    Stream,
    tally,
    violations,
)

S = "room"


def _text(number: int) -> dict[str, object]:
    return {"text": f"Message {number}"}


#: Ann creates a session with Bob, both write, and Bob is removed and added again.
LOG = (
    Row(S, 1, "session_created", "ann", {"title": "Room"}, "create"),
    Row(S, 2, "participant_added", "ann", {"user": "bob", "role": "member"}, "create"),
    Row(S, 3, "message_sent", "ann", _text(3), "a-3"),
    Row(S, 4, "message_sent", "bob", _text(4), "b-4"),
    Row(S, 5, "participant_removed", "ann", {"user": "bob"}, "a-5"),
    Row(S, 6, "message_sent", "ann", _text(6), "a-6"),
    Row(S, 7, "participant_added", "ann", {"user": "bob", "role": "member"}, "a-7"),
    Row(S, 8, "message_sent", "bob", _text(8), "b-8"),
)


def _shown(user: str, *seqs: int) -> list[Shown]:
    rows = [LOG[seq - 1] for seq in seqs]
    return [
        Shown(row.seq, row.kind, row.actor, row.data, row.key if row.actor == user else None)
        for row in rows
    ]


def _history() -> History:
    """A history in which all is well."""
    attempts = [
        Attempt("ann", "create", S, "session_created", rows=2, sent=1),
        *(Attempt(row.actor, row.key, S, row.kind, row.data, sent=2) for row in LOG[2:]),
        Attempt("bob", "b-never", S, "message_sent", _text(0), sent=1, refused=True),
        Attempt("bob", "b-unheard", S, "message_sent", _text(0), sent=1),
    ]
    return History(
        attempts={(each.user, each.key): each for each in attempts},
        answers=[
            Answer("ann", "create", S, 1),
            Answer("ann", "a-3", S, 3),
            Answer("ann", "a-3", S, 3),
            Answer("bob", "b-8", S, 8),
        ],
        streams=[
            Stream("ann", "c1", S, 0, 2, _shown("ann", 1, 2, 3, 4)),
            Stream("ann", "c2", S, 4, 6, _shown("ann", 5, 6, 7, 8), lasted=True),
            Stream("bob", "c3", S, 0, 4, _shown("bob", 1, 2, 3, 4, 5)),
            Stream("bob", "c4", S, 0, 7, _shown("bob", *range(1, 9)), lasted=True),
        ],
    )


def _kinds(history: History, rows: tuple[Row, ...] = LOG) -> dict[Kind, int]:
    return tally(violations(history, rows))


def test_a_good_history_has_no_violation() -> None:
    """What was asked, told and shown as it is stored is right, also what was cut off or refused."""
    assert _kinds(_history()) == {}


def test_an_acknowledged_write_that_is_not_stored_is_lost() -> None:
    """A reply without a row is found."""
    history = _history()
    history.answers.append(Answer("bob", "b-unheard", S, 9))
    assert _kinds(history) == {Kind.LOST: 1}


def test_an_acknowledged_write_has_the_seq_that_was_told() -> None:
    """A reply with the seq of another row is found, also when it is one of two replies."""
    history = _history()
    history.answers[-1] = Answer("bob", "b-8", S, 4)
    assert _kinds(history) == {Kind.MISPLACED: 1}
    history.answers.append(Answer("bob", "b-8", S, 8))
    assert _kinds(history) == {Kind.MISPLACED: 1, Kind.CONTRADICTED: 1}


def test_a_row_has_a_cause() -> None:
    """A row whose key nobody sent, or that was sent by somebody else, is found."""
    history = _history()
    del history.attempts["bob", "b-4"]
    assert _kinds(history) == {Kind.UNCAUSED: 1}
    rows = (*LOG, Row(S, 9, "message_sent", "ann", _text(4), "b-8"))
    streams = [replace(each, lasted=False) for each in _history().streams]
    assert _kinds(replace(_history(), streams=streams), rows) == {Kind.UNCAUSED: 1}


@pytest.mark.parametrize(
    "change",
    [
        lambda row: row._replace(data=_text(99)),
        lambda row: row._replace(kind="session_renamed"),
    ],
)
def test_a_row_is_what_was_asked_for(change: Callable[[Row], Row]) -> None:
    """A row with another text or kind than its key was sent with is found, and seen as shown."""
    rows = (*LOG[:-1], change(LOG[-1]))
    assert _kinds(replace(_history(), streams=[]), rows) == {Kind.ALTERED: 1}
    assert _kinds(_history(), rows) == {Kind.ALTERED: 1, Kind.DIFFERENT: 2}


def test_a_row_in_another_session_is_altered() -> None:
    """A row that was written in another session than asked for is found."""
    rows = (*LOG, Row("cellar", 1, "message_sent", "bob", _text(0), "b-unheard"))
    assert _kinds(_history(), rows) == {Kind.ALTERED: 1}


def test_a_key_makes_one_row() -> None:
    """A second row of the same key is found."""
    rows = (*LOG, LOG[-1]._replace(seq=9))
    streams = [replace(each, lasted=False) for each in _history().streams]
    assert _kinds(replace(_history(), streams=streams), rows) == {Kind.TWICE: 1}


def test_a_seq_is_used_once() -> None:
    """A number that two rows have is found."""
    rows = (*LOG, Row(S, 8, "message_sent", "bob", _text(0), "b-unheard"))
    assert _kinds(_history(), rows) == {Kind.TWICE: 1}


def test_a_refused_write_is_not_stored() -> None:
    """A row whose only copy was refused is found; had there been two, one could be the row's."""
    rows = (*LOG, Row(S, 9, "message_sent", "bob", _text(0), "b-never"))
    history = replace(_history(), streams=[])
    assert _kinds(history, rows) == {Kind.REFUSED: 1}
    history.attempts["bob", "b-never"].sent = 2
    assert _kinds(history, rows) == {}


def test_a_log_has_no_holes() -> None:
    """A number that no row has is found, and that it was shown."""
    rows = LOG[:3] + LOG[4:]
    assert _kinds(replace(_history(), streams=[]), rows) == {Kind.HOLE: 1}
    assert _kinds(_history(), rows) == {Kind.HOLE: 1, Kind.INVENTED: 3}


def _kinds_of_stream(*seqs: int, after: int = 0, lasted: bool = False) -> dict[Kind, int]:
    stream = Stream("ann", "c", S, after, 2, _shown("ann", *seqs), lasted=lasted)
    return _kinds(replace(_history(), streams=[stream]))


def test_a_stream_begins_after_its_position() -> None:
    """An event from before the position is doubled; one that was left out is missing."""
    assert _kinds_of_stream(3, 4, after=2) == {}
    assert _kinds_of_stream(2, 3, 4, after=2) == {Kind.DOUBLED: 1}
    assert _kinds_of_stream(4, after=2) == {Kind.MISSING: 1}


def test_a_stream_is_in_order() -> None:
    """Twice, too late, or never: each is told apart and counted."""
    assert _kinds_of_stream(1, 2, 2, 3) == {Kind.DOUBLED: 1}
    assert _kinds_of_stream(1, 3, 2, 4) == {Kind.REORDERED: 1}
    assert _kinds_of_stream(1, 4, 2, 5) == {Kind.REORDERED: 1, Kind.MISSING: 1}
    assert _kinds_of_stream(1, 4, 2, 2, 5) == {
        Kind.REORDERED: 1, Kind.DOUBLED: 1, Kind.MISSING: 1,
    }  # fmt: skip


def test_a_stream_that_lasted_has_come_to_the_end() -> None:
    """What was cut off need not be complete; what was there in the end must be."""
    assert _kinds_of_stream(1, 2, 3) == {}
    assert _kinds_of_stream(1, 2, 3, lasted=True) == {Kind.MISSING: 5}


def test_an_event_is_shown_as_it_is_stored() -> None:
    """Another text, kind or author is found, and an author who does not get the own key."""
    good = _shown("ann", 1, 2, 3)
    for bad in (
        good[2]._replace(data=_text(99)),
        good[2]._replace(kind="session_renamed"),
        good[2]._replace(actor="bob", key=None),
        good[2]._replace(key=None),
    ):
        stream = Stream("ann", "c", S, 0, 2, [*good[:2], bad])
        assert _kinds(replace(_history(), streams=[stream])) == {Kind.DIFFERENT: 1}


def test_an_event_that_is_not_stored_is_invented() -> None:
    """What was shown and then is not in the log is found."""
    stream = Stream("ann", "c", S, 8, 8, [Shown(9, "message_sent", "bob", _text(0), None)])
    assert _kinds(replace(_history(), streams=[stream])) == {Kind.INVENTED: 1}


def test_a_key_is_its_authors() -> None:
    """A key that is shown to somebody else is found."""
    shown = [each._replace(key="a-3") if each.seq == 3 else each for each in _shown("bob", 3, 4)]
    stream = Stream("bob", "c", S, 2, 4, shown)
    assert _kinds(replace(_history(), streams=[stream])) == {Kind.KEY_SHOWN: 1}


def test_who_never_took_part_sees_nothing() -> None:
    """A watch that was granted to a stranger is found, and each event that it has shown."""
    stream = Stream("eve", "c", S, 2, 2, _shown("eve", 3, 4))
    assert _kinds(replace(_history(), streams=[stream])) == {Kind.LEAKED: 3}


def test_who_was_removed_sees_nothing_further() -> None:
    """Events after the removal are leaks, also when the user has come back by another watch."""
    stream = Stream("bob", "c", S, 3, 4, _shown("bob", 4, 5, 6, 7))
    assert _kinds(replace(_history(), streams=[stream])) == {Kind.LEAKED: 2}
    late = Stream("bob", "c", S, 3, 6, _shown("bob", 4))
    assert _kinds(replace(_history(), streams=[late])) == {Kind.LEAKED: 2}


def test_what_should_have_ended_is_told() -> None:
    """A call without an answer, or a watch without an end, is a violation."""
    history = replace(_history(), unfinished=["ann a-9"])
    assert violations(history, LOG) == [(Kind.UNFINISHED, "ann a-9")]
