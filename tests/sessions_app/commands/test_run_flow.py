"""`manage.py run_flow`."""

import json
from uuid import uuid4

import pytest
from django.core.management.base import CommandError

from sessions_app.models import Event, User
from sessions_app.protocol import CONNECTION_ONLY, PUBLIC
from tests.servers import manage, sqlite_database
from tests.sessions_app.commands.running import begin, call, stored

pytestmark = pytest.mark.django_db(transaction=True)


def test_as_a_user() -> None:
    """A flow runs in the name of a user, and its result is printed as JSON."""
    session_id = begin("ann", "Roof", "bob")
    params = {"session_id": str(session_id), "text": "Öl & Wasser", "key": "k"}
    output = call("run_flow", "send_message", json.dumps(params), "--as", "bob")
    assert json.loads(output.out) == {"seq": 3, "duplicate": False}
    assert output.err == ""
    event = Event.objects.get(seq=3)
    assert (event.actor, event.key, event.data) == ("bob", "k", {"text": "Öl & Wasser"})


def test_as_the_system() -> None:
    """Without a user a flow runs in the name of the system, which may do anything."""
    session_id = begin("ann")
    params = {"session_id": str(session_id), "title": "New", "key": "k"}
    call("run_flow", "rename_session", json.dumps(params))
    assert Event.objects.get(seq=2).actor == "$system"


def test_with_the_rights_of_a_user() -> None:
    """A user may no more here than elsewhere, also a superuser: a foreign session is none."""
    session_id = str(begin("ann", "Roof", "bob"))
    User.objects.create_superuser("boss")
    before = stored()
    params = json.dumps({"session_id": session_id, "key": "k"})
    with pytest.raises(CommandError, match=r"^session_not_found: There is no such session$"):
        call("run_flow", "end_session", params, "--as", "boss")
    with pytest.raises(CommandError, match=r"^forbidden: "):
        call("run_flow", "end_session", params, "--as", "bob")
    assert stored() == before


def test_without_params() -> None:
    """A flow that needs no params can be run without."""
    assert json.loads(call("run_flow", "ping").out) == {}
    assert json.loads(call("run_flow", "list_sessions").out) == {"sessions": [], "next": None}


@pytest.mark.parametrize("name", sorted(CONNECTION_ONLY))
def test_what_needs_a_connection(name: str) -> None:
    """What needs a connection is refused in so many words."""
    with pytest.raises(CommandError, match=f"^{name} needs a connection"):
        call("run_flow", name, "{}")


@pytest.mark.parametrize(
    "name", ["no_such_flow", "", "SendMessage", "__init__", "reconcile_sessions", "\x1b", "\udcff"]
)
def test_of_no_flow(name: str) -> None:
    """What is no flow that clients may call is refused, on one line."""
    with pytest.raises(CommandError, match=r"^There is no flow '[^\n]*'$") as caught:
        call("run_flow", name, "{}")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "params",
    ["", "{", "{'text': 1}", "nope", '{"text": NaN}', "[" * 50_000, "\udcff", '{"a":1}}', "[]",
     "null", "7", '"{}"'],
)  # fmt: skip
def test_with_what_is_no_object(params: str) -> None:
    """Params that are no JSON object are refused, on one line."""
    with pytest.raises(CommandError, match=r"^The params are wrong: [^\n]+$"):
        call("run_flow", "list_sessions", params)


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"text": 7}, "$.text"),
        ({"text": ""}, "$.text"),
        ({"text": "a\x00b"}, "$.text"),
        ({"text": "\ud800"}, "$.text"),
        ({"text": None}, "$.text"),
        ({"text": "x", "colour": "green"}, "$.colour"),
        ({"text": "x", "session_id": "x"}, "$.session_id"),
        ({"text": "x", "key": ""}, "$.key"),
        ({"text": "x", "reply_to": 99}, "$.reply_to"),
        ({}, "$.text"),
    ],
)
def test_with_wrong_params(fields: dict[str, object], path: str) -> None:
    """A mistake in the params is told with its path, and nothing has changed."""
    session_id = str(begin("ann"))
    before = stored()
    params = json.dumps({"session_id": session_id, "key": "k", **fields})
    with pytest.raises(CommandError, match=r"^invalid_input: [^\n]+$") as caught:
        call("run_flow", "send_message", params, "--as", "ann")
    assert str(caught.value).endswith(f" - at `{path}`")
    assert stored() == before


def test_as_nobody() -> None:
    """A user who is not there, or not active, cannot be acted for."""
    User.objects.create_user("gone", is_active=False)
    for name, says in (("nobody", "There is no user 'nobody'"), ("gone", "is not active")):
        with pytest.raises(CommandError, match=says):
            call("run_flow", "ping", "{}", "--as", name)


def test_every_flow_is_told() -> None:
    """The help names every flow that can be run, and no other."""
    from sessions_app.management.commands.run_flow import Command

    for name in PUBLIC:
        assert (name in Command.help) is (name not in CONNECTION_ONLY)


def test_in_a_script() -> None:
    """A script gets the result on standard output; of a refusal, a line and an exit status of 1."""
    params = json.dumps({"title": "Roof", "key": "k"})
    wrong = json.dumps({"session_id": str(uuid4()), "text": 7, "key": "k"})
    with sqlite_database() as database:
        good = manage(
            "run_flow", "create_session", params, "--as", "owner0", database_url=database.url
        )
        bad = manage("run_flow", "send_message", wrong, "--as", "owner0", database_url=database.url)
        assert database.rows("SELECT count(*) FROM sessions_app_event") == [(1,)]
    assert (good.returncode, good.stderr) == (0, "")
    assert json.loads(good.stdout)["seq"] == 1
    assert (bad.returncode, bad.stdout) == (1, "")
    assert bad.stderr == "CommandError: invalid_input: Expected `str`, got `int` - at `$.text`\n"
