"""`manage.py end_session`."""

import json
from uuid import uuid4

import pytest
from django.core.management.base import CommandError

from sessions_app.models import Event, Receipt, Session
from tests.sessions_app.commands.running import begin, call, stored

pytestmark = pytest.mark.django_db(transaction=True)


def test_ends_it() -> None:
    """A session ends by the flow, in the name of the system, with the reason that is given."""
    session_id, other = begin("ann"), begin("ann")
    output = call("end_session", str(session_id), "--reason", "Spam")
    assert output == ("The session has ended, with event #2.\n", "")
    event = Event.objects.get(kind="session_ended")
    assert (event.session_id, event.actor, event.data) == (
        session_id,
        "$system",
        {"reason": "Spam"},
    )
    assert Session.objects.get(pk=session_id).status == "ended"
    assert Session.objects.get(pk=other).status == "open"


def test_without_a_reason() -> None:
    """No reason is needed, and every call has a key of its own."""
    for _ in range(2):
        call("end_session", str(begin("ann")))
    events = Event.objects.filter(kind="session_ended")
    assert [event.data for event in events] == [{}, {}]
    assert len({event.key for event in events}) == 2


def test_as_json() -> None:
    """A script gets the flow's result."""
    output = call("end_session", str(begin("ann")), "--json")
    assert json.loads(output.out) == {"seq": 2, "duplicate": False}


def test_twice() -> None:
    """A session that has ended cannot be ended again: one line says so, and nothing has changed."""
    session_id = str(begin("ann"))
    call("end_session", session_id)
    before = stored()
    with pytest.raises(CommandError, match=r"^already_done: The session has ended already$"):
        call("end_session", session_id)
    assert stored() == before


def test_again_with_the_same_key() -> None:
    """The same key ends it once and tells the first result; for another reason it is refused."""
    session_id = str(begin("ann"))
    call("end_session", session_id, "--key", "k")
    before = stored()
    output = call("end_session", session_id, "--key", "k")
    assert output.out == "The session has ended before, with event #2.\n"
    with pytest.raises(CommandError, match=r"^key_conflict: "):
        call("end_session", session_id, "--key", "k", "--reason", "Spam")
    assert stored() == before
    assert Receipt.objects.filter(key="k").count() == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([str(uuid4())], "session_not_found: There is no such session"),
        (["x"], "invalid_input: .* - at `$.session_id`"),
        (["{id}", "--reason", "x" * 1001], "invalid_input: .* - at `$.reason`"),
        (["{id}", "--reason", "\x00"], "invalid_input: .* - at `$.reason`"),
        (["{id}", "--reason", "\udcff"], "invalid_input: .* - at `$.reason`"),
        (["{id}", "--key", ""], "invalid_input: .* - at `$.key`"),
        (["{id}", "--key", "x" * 65], "invalid_input: .* - at `$.key`"),
    ],
)
def test_refusals(arguments: list[str], says: str) -> None:
    """What is wrong is told on one line, with its path, and nothing has changed."""
    session_id = str(begin("ann"))
    before = stored()
    with pytest.raises(CommandError, match=f"^{says.replace('$', chr(92) + '$')}$"):
        call("end_session", *(each.format(id=session_id) for each in arguments))
    assert stored() == before
