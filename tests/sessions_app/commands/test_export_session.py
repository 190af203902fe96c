"""`manage.py export_session`."""

import json
from pathlib import Path

import pytest
from django.core.management.base import CommandError
from django.utils import timezone

from flows.actor import SYSTEM
from flows.export_session import PAGE
from flows.list_events import list_events
from sessions_app.models import Event, Session
from sessions_app.scope import run
from tests.sessions_app.commands.running import HOSTILE, begin, call, say

pytestmark = pytest.mark.django_db(transaction=True)


def test_writes_each_event_as_a_line(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """A file and standard output get the same lines: the log as `list_events` gives it."""
    session_id = begin("ann", "Roof", "bob")
    say(session_id, "bob", HOSTILE)
    call("export_session", str(session_id))
    printed = capfdbinary.readouterr().out
    file = tmp_path / "roof.jsonl"
    call("export_session", str(session_id), "--output", str(file))
    assert file.read_bytes() == printed
    listed = run(list_events, {"session_id": str(session_id)}, actor=SYSTEM).events
    lines = [json.loads(line) for line in printed.splitlines()]
    assert [(each["seq"], each["kind"], each["at"]) for each in lines] == [
        (each.seq, each.kind, each.at) for each in listed
    ]
    assert lines[-1]["data"] == {"text": HOSTILE}
    assert list(tmp_path.iterdir()) == [file]


def test_writes_all_pages(tmp_path: Path) -> None:
    """A log of several pages is written whole and in order."""
    session_id = begin("ann", "Roof")
    head = 2 * PAGE + 3
    Event.objects.bulk_create(
        Event(
            session_id=session_id,
            seq=seq,
            kind="message_sent",
            actor="ann",
            data={"text": "x"},
            at=timezone.now(),
        )
        for seq in range(2, head + 1)
    )
    Session.objects.filter(pk=session_id).update(last_seq=head)
    file = tmp_path / "roof.jsonl"
    call("export_session", str(session_id), "--output", str(file))
    seqs = [json.loads(line)["seq"] for line in file.read_text().splitlines()]
    assert seqs == list(range(1, head + 1))


@pytest.mark.parametrize("session", ["nope", "01970000-0000-7000-8000-0000000000ff"])
def test_a_session_that_is_none_leaves_no_file(tmp_path: Path, session: str) -> None:
    """What cannot be exported is one clear line, and no file appears."""
    with pytest.raises(CommandError, match=r"session_not_found|invalid_input"):
        call("export_session", session, "--output", str(tmp_path / "x"))
    assert list(tmp_path.iterdir()) == []
