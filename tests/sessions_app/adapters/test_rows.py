"""Tests of what the database has as rows, as values."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from flows.events import Role
from flows.session import Participant, Session, Status
from sessions_app.adapters.rows import LogRow, Stored, StoredRow, caught_up, moment, stored_event
from sessions_app.protocol import event_frame

ID = UUID("0197c5a0-0000-7000-8000-000000000001")


@pytest.mark.parametrize(
    ("stored", "told"),
    [
        ("2026-11-22 19:03:11.412000", "2026-11-22T19:03:11.412Z"),
        ("2026-11-22 19:03:11", "2026-11-22T19:03:11.000Z"),
        ("2026-11-22 19:03:11.412", "2026-11-22T19:03:11.412Z"),
    ],
)
def test_a_time_is_told_in_one_form_however_it_is_stored(stored: str, told: str) -> None:
    """SQLite's texts, with and without a fraction, and PostgreSQL's become the wire's."""
    row: StoredRow = (7, "message_sent", "ann", stored, "k", '{"text": "Hi"}')
    assert stored_event(ID, row).at == told


def test_what_is_stored_as_json_is_told_as_it_is() -> None:
    """The data of a stored event comes into its frame untouched, and the key only if wanted."""
    row: StoredRow = (7, "message_sent", "ann", "2026-11-22 19:03:11", "k", '{"text":  "H\u00e9"}')
    event = stored_event(ID, row)
    assert event_frame(event, with_key=False) == (
        f'{{"jsonrpc":"2.0","method":"event","params":{{"session_id":"{ID}","seq":7,'
        '"kind":"message_sent","actor":"ann","at":"2026-11-22T19:03:11.000Z",'
        '"data":{"text":  "H\u00e9"}}}'
    )
    assert '"key":"k"' in event_frame(event, with_key=True)


STATE = Stored(
    Session(
        session_id=ID,
        seq=2,
        title="Roof repair",
        status=Status.OPEN,
        metadata={},
        created_at="2026-11-22T19:03:11.000Z",
        ended_at=None,
        participants={"ann": Participant("ann", Role.OWNER)},
    ),
    moment(datetime(2026, 11, 22, 19, 3, 11, tzinfo=UTC)),
)

LAST: LogRow = (2, "message_sent", "ann", '{"text": "Hi"}', "2026-11-22 19:03:11")
NEXT: LogRow = (3, "session_renamed", "ann", '{"title": "Wall"}', "2026-11-22 19:03:12.412000")


def test_a_state_is_caught_up_with_its_log() -> None:
    """The events after the last one that a state knows are applied to it."""
    now = caught_up(STATE, [LAST, NEXT], head=3)
    assert now is not None
    assert (now.session.seq, now.session.title) == (3, "Wall")
    assert now.last == moment(datetime(2026, 11, 22, 19, 3, 12, 412_000, UTC))


@pytest.mark.parametrize(
    ("log", "head"),
    [
        pytest.param([], 3, id="no log"),
        pytest.param([NEXT], 3, id="its last event is gone"),
        pytest.param([(*LAST[:4], "2026-11-22 19:03:11.001000"), NEXT], 3, id="another last event"),
        pytest.param([LAST], 3, id="too short"),
        pytest.param([LAST, NEXT], 2, id="too long"),
        pytest.param([LAST, (4, *NEXT[1:])], 4, id="a hole"),
        pytest.param([LAST, (3, "session_moved", *NEXT[2:])], 3, id="a later version's kind"),
        pytest.param([LAST, (*NEXT[:3], "{}", NEXT[4])], 3, id="data without what it needs"),
        pytest.param([LAST, (*NEXT[:3], "{", NEXT[4])], 3, id="data that is no JSON"),
    ],
)
def test_a_log_that_does_not_continue_a_state(log: list[LogRow], head: int) -> None:
    """Where the log does not lead from what is known to the head, nothing is made up."""
    assert caught_up(STATE, log, head=head) is None
