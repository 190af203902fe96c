"""`manage.py list_sessions`."""

import json
import re

import pytest
from django.core.management.base import CommandError

from flows.actor import SYSTEM
from flows.end_session import end_session
from sessions_app.models import Session, User
from sessions_app.scope import run
from tests.sessions_app.commands.running import HOSTILE, begin, call, say
from tests.sessions_app.rows import make_sessions

pytestmark = pytest.mark.django_db(transaction=True)


def titles(*arguments: str) -> list[str]:
    """The titles of the sessions that are listed, in order."""
    return [each["title"] for each in json.loads(call("list_sessions", "--json", *arguments).out)]


def test_lists_all_sessions() -> None:
    """All sessions are listed, whoever's they are, the latest active one first."""
    first, second = begin("ann", "First"), begin("bob", "Second")
    say(first, "ann", "It leaks.")
    output = call("list_sessions")
    lines = [re.split(r"\s{2,}", line) for line in output.out.splitlines()]
    assert [(id_, status, head, title) for id_, status, _, head, title in lines] == [
        (str(first), "open", "#2", "First"),
        (str(second), "open", "#1", "Second"),
    ]
    assert output.err == "2 sessions\n"


def test_lists_none() -> None:
    """Without sessions nothing is printed, and it is said."""
    assert call("list_sessions") == ("", "0 sessions\n")
    assert call("list_sessions", "--json") == ("[]\n", "")


def test_as_json() -> None:
    """A script gets what the flow gives."""
    session_id = begin("ann", "Dächer", "bob")
    (found,) = json.loads(call("list_sessions", "--json").out)
    activity = found.pop("last_activity")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", activity)
    assert found == {
        "session_id": str(session_id),
        "title": "Dächer",
        "status": "open",
        "role": None,
        "head": 2,
        "seen": 0,
    }


def test_by_status() -> None:
    """Open and ended sessions can be listed by themselves."""
    ended = begin("ann", "Ended")
    begin("ann", "Open")
    run(end_session, {"session_id": str(ended), "key": "k"}, actor=SYSTEM)
    assert titles("--status", "open") == ["Open"]
    assert titles("--status", "ended") == ["Ended"]
    with pytest.raises(CommandError, match="invalid choice: 'lost'"):
        call("list_sessions", "--status", "lost")


def test_by_title() -> None:
    """A search finds a plain piece of the title."""
    begin("ann", "Roof 100% done")
    begin("ann", "Roof")
    assert titles("--search", "0%") == ["Roof 100% done"]
    assert titles("--search", "%") == ["Roof 100% done"]
    with pytest.raises(CommandError, match=r"^invalid_input: .* - at `\$\.search`$"):
        call("list_sessions", "--search", "\x00")


def test_up_to_a_limit() -> None:
    """No more are listed than asked for, also where that is more than the flow gives at once."""
    make_sessions(User.objects.create_user("ann"), 203)
    assert titles("--limit", "1") == ["Session 203"]
    assert len(titles()) == 50
    assert len(titles("--limit", "201")) == 201
    assert titles("--limit", "1000") == [f"Session {number}" for number in range(203, 0, -1)]


@pytest.mark.parametrize("limit", ["0", "-1", "x", "1.5", "²", "", "9" * 10])
def test_of_a_wrong_limit(limit: str) -> None:
    """A limit that is no number from 1 on is refused."""
    with pytest.raises(CommandError, match="expected"):
        call("list_sessions", "--limit", limit)


def test_titles_do_nothing_to_the_terminal() -> None:
    """What would control a terminal, in a title, is spelled out on its line."""
    begin("ann", HOSTILE)
    (line,) = call("list_sessions").out.splitlines()
    assert line.endswith(r"\x1b[2J\x07 one\ntwo \u202e")
    assert titles() == [HOSTILE]
    assert Session.objects.get().title == HOSTILE
