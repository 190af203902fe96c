"""The contract says what the code does, and is kept in a file that shows when it changes."""

import inspect
import json
import re
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from jsonschema import Draft202012Validator

from flows.engine import Flow
from flows.events import BODIES
from sessions_app import close_codes
from sessions_app.contract import breaks, document, printed
from sessions_app.contract.faults import DETAILS, MEANING
from sessions_app.contract.notifications import NOTIFICATIONS
from sessions_app.contract.schemas import components
from sessions_app.management.commands import schema as command
from sessions_app.management.commands.schema import COMMITTED, committed, rendered
from sessions_app.protocol import FAULTS, PUBLIC
from tests.servers import ROOT
from tests.sessions_app.commands.running import call


@pytest.mark.parametrize("form", list(COMMITTED))
def test_the_committed_files_are_what_the_flows_say(form: str) -> None:
    """What is in the tree was made from this code: `manage.py schema --write` after a change."""
    assert committed(COMMITTED[form]) == rendered(form)


def test_nothing_breaks_a_client_of_the_released_version() -> None:
    """A client that was written for the last release goes on working with this code."""
    released = json.loads((ROOT / "docs/schema/released.v1.json").read_text())
    assert breaks(released, document()) == []


@pytest.mark.parametrize("method", list(PUBLIC))
def test_every_public_flow_is_an_operation(method: str) -> None:
    """Whatever clients may call is in the contract, with what it takes, gives and refuses."""
    contract = document()
    operation = contract["operations"][method]
    flow: Flow[Any, Any] = PUBLIC[method]
    assert operation["summary"] == flow.summary
    assert set(operation["x-faults"]) <= set(FAULTS)
    for part, made in (("request", flow.input_type), ("result", flow.output_type)):
        payload = contract["components"]["messages"][f"{method}.{part}"]["payload"]
        named = payload["properties"]["params" if part == "request" else "result"]["$ref"]
        assert named == f"#/components/schemas/{made.__name__}"
    # The page and the types have no words for a stream yet; publish one and give them some.
    assert not flow.streaming


def test_names_are_plain() -> None:
    """No two classes share a name: each is called the same here as in the code."""
    assert [name for name in document()["components"]["schemas"] if not name.isalpha()] == []


def test_every_schema_is_one() -> None:
    """JSON Schema itself accepts what is said of the data."""
    for each in document()["components"]["schemas"].values():
        Draft202012Validator.check_schema(each)


def test_every_reference_leads_somewhere() -> None:
    """What is named is there."""
    contract = document()
    for path in set(re.findall(r'"\$ref": "#/([^"]+)"', printed(contract))):
        place = contract
        for part in path.split("/"):
            place = place[part]


def test_every_error_and_code_is_told() -> None:
    """Every error the server knows is in the contract with its meaning, and every close code."""
    assert set(MEANING) == set(FAULTS) == set(document()["x-errors"])
    assert set(DETAILS) <= set(FAULTS)
    codes = {each[0] for each in vars(close_codes).values() if isinstance(each, tuple)}
    assert {each["code"] for each in document()["x-close-codes"]} == codes
    assert {each["then"] for each in document()["x-close-codes"] if each["code"] < 4500} == {
        "reconnect"
    }


def test_every_kind_of_event_is_told() -> None:
    """An event is one of the kinds there are, each with its own data."""
    schemas = document()["components"]["schemas"]
    kinds = [each["$ref"].rpartition("/")[2] for each in schemas["Event"]["oneOf"]]
    assert [schemas[name]["properties"]["kind"]["const"] for name in kinds] == list(BODIES)


def test_every_notification_is_told() -> None:
    """Every notification is in the contract, with a sentence."""
    contract = document()
    for name, params in NOTIFICATIONS.items():
        assert (
            contract["operations"][f"told_{name}"]["summary"]
            == (inspect.getdoc(params) or "").partition("\n")[0]
        )


def test_what_is_always_sent_is_required() -> None:
    """A field with a default may be left out by a client, but not by the server."""
    made = components([PUBLIC["create_session"].input_type], [PUBLIC["get_session"].output_type])
    assert made["CreateSession"]["required"] == ["key"]
    assert made["Participant"]["required"] == ["user", "role", "seen"]
    assert made["SessionEnded"].get("required", []) == []


# -- the command -----------------------------------------------------------------------------------


def test_the_command_prints_the_contract() -> None:
    """`manage.py schema` prints AsyncAPI; with `--format types`, TypeScript."""
    assert json.loads(call("schema").out)["asyncapi"] == "3.0.0"
    assert "export interface Methods" in call("schema", "--format", "types").out


def test_the_command_checks_and_writes(tmp_path: Any, settings: Any) -> None:
    """`--check` names the files that are stale, `--write` makes them anew."""
    settings.BASE_DIR = tmp_path
    for path in COMMITTED.values():
        (tmp_path / path).parent.mkdir(parents=True)
    with pytest.raises(CommandError, match=r"docs/schema/sessions\.v1\.json, .*sessions\.d\.ts"):
        call_command(command.Command(), "--check")
    call_command(command.Command(), "--write")
    call_command(command.Command(), "--check")
    (tmp_path / COMMITTED["types"]).write_text("// mine")
    with pytest.raises(CommandError, match=r"^sessions_app/static"):
        call_command(command.Command(), "--check")
