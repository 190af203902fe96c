"""Tests of what the database has as rows, as values."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest

from sessions_app.adapters.rows import StoredRow, stored_event
from sessions_app.protocol import event_frame

ID = UUID("0197c5a0-0000-7000-8000-000000000001")


@pytest.mark.parametrize(
    ("stored", "told"),
    [
        ("2026-11-22 19:03:11.412000", "2026-11-22T19:03:11.412Z"),
        ("2026-11-22 19:03:11", "2026-11-22T19:03:11.000Z"),
        (datetime(2026, 11, 22, 19, 3, 11, 412_000, UTC), "2026-11-22T19:03:11.412Z"),
        (
            datetime(2026, 11, 22, 20, 3, 11, tzinfo=timezone(timedelta(hours=1))),
            "2026-11-22T19:03:11.000Z",
        ),
    ],
)
def test_a_time_is_told_in_one_form_however_it_is_stored(stored: str | datetime, told: str) -> None:
    """SQLite's texts, with and without a fraction, and PostgreSQL's times become the wire's."""
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
