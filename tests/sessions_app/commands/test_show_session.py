"""`manage.py show_session`."""

import json
import re
from uuid import uuid4

import pytest
from django.core.management.base import CommandError

from flows.actor import SYSTEM, Actor
from flows.end_session import end_session
from flows.get_session import get_session
from flows.list_events import list_events
from sessions_app.models import Event, Session
from sessions_app.scope import run
from tests.sessions_app.commands.running import HOSTILE, begin, call, say

pytestmark = pytest.mark.django_db(transaction=True)

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


def test_shows_facts_and_log() -> None:
    """The facts come first, then the events in order, as sentences."""
    session_id = begin("ann", "Roof", "bob")
    say(session_id, "bob", "It leaks.")
    run(
        end_session,
        {"session_id": str(session_id), "reason": "Done", "key": "k"},
        actor=Actor("ann"),
    )
    lines = re.sub(TIME, "T", call("show_session", str(session_id)).out).splitlines()
    assert lines == [
        f"{session_id}  Roof",
        "ended, 4 events, began T, ended T",
        "participants: ann (owner), bob (member)",
        "",
        "#1     T  ann began “Roof”",
        "#2     T  ann added bob as member",
        "#3     T  bob: It leaks.",
        "#4     T  ann ended the session: Done",
    ]


def test_as_json() -> None:
    """A script gets what the flows give, the log in order."""
    session_id = begin("ann", "Roof", "bob")
    say(session_id, "bob", "It leaks.")
    raw = {"session_id": str(session_id)}
    shown = json.loads(call("show_session", str(session_id), "--json").out)
    assert shown["session"]["title"] == "Roof"
    assert shown["session"]["seq"] == run(get_session, raw, actor=SYSTEM).seq == 3
    assert [event["seq"] for event in shown["events"]] == [1, 2, 3]
    assert [event["kind"] for event in shown["events"]] == [
        event.kind for event in run(list_events, raw, actor=SYSTEM).events
    ]


def test_shows_the_last_events() -> None:
    """As many events are shown as asked for, counted from the end, also many; else twenty."""
    session_id = begin("ann")
    session = Session.objects.get()
    Event.objects.bulk_create(
        Event(
            session=session, seq=seq, kind="message_sent", actor="ann", data={"text": "x"},
            at=session.created_at,
        )
        for seq in range(2, 1203)
    )  # fmt: skip
    Session.objects.update(last_seq=1202)

    def seqs(*arguments: str) -> list[int]:
        shown = json.loads(call("show_session", str(session_id), "--json", *arguments).out)
        return [event["seq"] for event in shown["events"]]

    assert seqs() == list(range(1183, 1203))
    assert seqs("--events", "1") == [1202]
    assert seqs("--events", "1201") == list(range(2, 1203))
    assert seqs("--events", "5000") == list(range(1, 1203))
    with pytest.raises(CommandError, match="expected"):
        seqs("--events", "0")


def test_of_no_session() -> None:
    """For a session that is not there, or a word that is no id, one line says so."""
    with pytest.raises(CommandError, match=r"^session_not_found: There is no such session$"):
        call("show_session", str(uuid4()))
    for word in ("x", "", "\x00"):
        with pytest.raises(CommandError, match=r"^invalid_input: .* - at `\$\.session_id`$"):
            call("show_session", word)


def test_texts_do_nothing_to_the_terminal() -> None:
    """What would control a terminal, in a title or a message, is spelled out on its line."""
    session_id = begin("ann", HOSTILE)
    say(session_id, "ann", HOSTILE)
    output = call("show_session", str(session_id)).out
    assert len(output.splitlines()) == 6
    assert output.count(r"\x1b[2J\x07 one\ntwo \u202e") == 3
    assert all(line.isprintable() for line in output.splitlines())


def test_shows_metadata() -> None:
    """Metadata is shown, if there is any."""
    session_id = begin("ann")
    assert "metadata" not in call("show_session", str(session_id)).out
    Session.objects.update(metadata={"colour": "green"})
    assert "metadata: {'colour': 'green'}" in call("show_session", str(session_id)).out
