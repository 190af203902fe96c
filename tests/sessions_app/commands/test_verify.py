"""`manage.py verify`."""

import json
import re
import sys
from io import StringIO
from uuid import UUID, uuid4

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from flows.actor import Actor
from flows.leave_session import leave_session
from sessions_app.models import Event, Participant, Receipt, Session
from sessions_app.scope import run
from tests.sessions_app.commands.running import HOSTILE, begin, call, say, stored

pytestmark = pytest.mark.django_db(transaction=True)


def failed(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[list[str], str]:
    """The lines that it prints before it fails, and how it fails."""
    with pytest.raises(CommandError) as caught:
        call_command("verify", *arguments)
    return capsys.readouterr().out.splitlines(), str(caught.value)


def talk() -> UUID:
    """A session with some history."""
    session_id = begin("ann", "Roof", "bob")
    say(session_id, "bob", "It leaks.")
    run(leave_session, {"session_id": str(session_id), "key": uuid4().hex}, actor=Actor("bob"))
    return session_id


def test_all_is_well() -> None:
    """Where all is well, one line says how much was checked, and nothing has changed."""
    talk()
    begin("ann")
    before = stored()
    assert call("verify") == ("All is well. Sessions: 2, events: 5, receipts: 4.\n", "")
    assert stored() == before


def test_nothing_to_check() -> None:
    """An empty database is sound."""
    assert call("verify").out == "All is well. Sessions: 0, events: 0, receipts: 0.\n"


def test_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    """What is wrong is printed, a line each: the session, where in its log, and what; it fails."""
    one, two, _ = talk(), talk(), talk()
    Receipt.objects.filter(session=one, seq=3).delete()
    Session.objects.filter(pk=two).update(message_count=2)
    Participant.objects.filter(session=two, user__username="ann").update(seen_seq=5)
    lines, error = failed(capsys)
    key = Event.objects.get(session=one, seq=3).key
    assert lines == [
        f"{one}  #3       there is no receipt of the key '{key}' of bob",
        f"{two}           message_count is 2, in the log 1",
        f"{two}           ann has seen #5, the log ends with #4",
    ]
    assert error == "Findings: 3, sessions that have some: 2"


def test_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """A script gets an object a line: each finding, and then the counts."""
    counts = {"sessions": 1, "events": 4, "receipts": 3}
    session_id = talk()
    assert json.loads(call("verify", "--json").out) == {**counts, "findings": 0}
    Event.objects.filter(seq=3).update(kind="x")
    Session.objects.update(last_seq=5)
    lines, _ = failed(capsys, "--json")
    assert [json.loads(line) for line in lines] == [
        {"session_id": str(session_id), "what": "there is no kind 'x'", "seq": 3},
        {"session_id": str(session_id), "what": "last_seq is 5, in the log 4"},
        {"session_id": str(session_id), "what": "message_count is 1, in the log 0"},
        {**counts, "findings": 3},
    ]


def test_one_session() -> None:
    """Only the session that is asked for is checked."""
    good, bad = talk(), talk()
    Session.objects.filter(pk=bad).update(title="x")
    assert call("verify", "--session", str(good)).out == (
        "All is well. Sessions: 1, events: 4, receipts: 3.\n"
    )
    with pytest.raises(CommandError, match=r"^Findings: 1, "):
        call("verify", "--session", str(bad))


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("01970000-0000-7000-8000-0000000000ff", "There is no such session"),
        ("x", "'x' is no id of a session"),
        ("\x1b", r"'\x1b' is no id of a session"),
    ],
)
def test_no_session(word: str, says: str) -> None:
    """For a session that is not there, or a word that is no id, one line says so."""
    with pytest.raises(CommandError) as caught:
        call("verify", "--session", word)
    assert str(caught.value) == says


def test_texts_do_nothing_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """What would control a terminal is spelled out."""
    talk()
    Session.objects.update(title=HOSTILE)
    Event.objects.filter(seq=3).update(key=HOSTILE)
    lines, _ = failed(capsys)
    assert len(lines) == 3
    assert all(line.isprintable() for line in lines)


class Terminal(StringIO):
    """A standard error that somebody looks at."""

    def isatty(self) -> bool:
        return True


def test_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress is shown to people only, who may wish to see none; findings stay whole lines."""
    talk()
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert call("verify").out.startswith("All is well")
    assert re.search(r"\b4/4\b.* events/s", terminal.getvalue())
    terminal.truncate(0)
    call("verify", "--quiet")
    assert not terminal.getvalue().strip("\0")
    pipe = StringIO()
    monkeypatch.setattr(sys, "stderr", pipe)
    call("verify")
    assert pipe.getvalue() == ""
