"""What is true of every flow: one per file, named and documented alike, with its test beside it."""

import importlib
import pkgutil
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import msgspec
import pytest

import flows
from flows.atoms.archive import archive
from flows.atoms.audit import audit
from flows.atoms.connections import connections
from flows.atoms.sessions import Committed, Created, sessions
from flows.engine import Flow
from flows.errors import KeyConflict, Refused, SessionNotFound, Unavailable
from flows.input import Input, Mutation, SessionMutation

#: What the flows are made of; every other module of `flows` is one.
PARTS = {"actor", "errors", "events", "input", "replay", "session", "verification"}

MODULES = [
    importlib.import_module(f"flows.{each.name}")
    for each in pkgutil.iter_modules(flows.__path__)
    if not each.ispkg
]


def flows_of(module: ModuleType) -> list[Flow[Any, Any]]:
    """The flows that `module` defines; one that it imports is another's."""
    return [
        each
        for each in vars(module).values()
        if isinstance(each, Flow) and each.body.__module__ == module.__name__
    ]


FLOWS = [each for module in MODULES for each in flows_of(module)]
every_flow = pytest.mark.parametrize("flow", FLOWS, ids=[each.name for each in FLOWS])


def test_one_flow_per_file() -> None:
    """A module of `flows` defines the flow that it is named after, or is a part of flows."""
    defined = {
        module.__name__.removeprefix("flows."): [each.name for each in flows_of(module)]
        for module in MODULES
    }
    assert {name: [] if name in PARTS else [name] for name in defined} == defined


def given_by(flow: Flow[Any, Any]) -> Any:
    """The type of a flow's result; of a streaming flow's items."""
    return get_args(flow.output_type)[0] if flow.streaming else flow.output_type


@every_flow
def test_names(flow: Flow[Any, Any]) -> None:
    """Flow, file, function and test have one name, and the input is the same words as a class."""
    module = importlib.import_module(f"flows.{flow.name}")
    assert getattr(module, flow.name) is flow
    assert flow.name == flow.body.__name__
    assert (Path(__file__).parent / f"test_{flow.name}.py").is_file()
    words = "".join(word.capitalize() for word in flow.name.split("_"))
    assert words == flow.input_type.__name__
    assert flow.input_type.__module__ == module.__name__


@every_flow
def test_docstrings(flow: Flow[Any, Any]) -> None:
    """A flow, its file, its input and its output each say in a sentence what they are."""
    module = importlib.import_module(f"flows.{flow.name}")
    for text in (module.__doc__, flow.summary, *_own_docs(flow.input_type, given_by(flow))):
        assert text
        first = text.strip().splitlines()[0]
        assert first[0].isupper()
        assert first[-1] in ".:;,"


def _own_docs(*types: type) -> list[str | None]:
    return [vars(each).get("__doc__") for each in types]


@every_flow
def test_input(flow: Flow[Any, Any]) -> None:
    """An input is immutable and refuses unknown fields, and so does every struct in it."""
    assert issubclass(flow.input_type, Input)
    for each in _structs(msgspec.inspect.type_info(flow.input_type)):
        config = each.__struct_config__
        assert config.frozen, each
        assert config.forbid_unknown_fields, each


@every_flow
def test_output(flow: Flow[Any, Any]) -> None:
    """An output, or an item of a stream, is immutable, and so is every struct in it."""
    given = given_by(flow)
    structs = _structs(msgspec.inspect.type_info(given))
    assert given in structs
    assert all(each.__struct_config__.frozen for each in structs)


def _structs(info: object) -> list[Any]:
    """The struct types in a type, found by walking what msgspec says of it."""
    match info:
        case msgspec.inspect.StructType(cls=cls, fields=fields):
            return [cls, *(one for field in fields for one in _structs(field.type))]
        case msgspec.inspect.ListType(item_type=item):
            return _structs(item)
        case msgspec.inspect.UnionType(types=types):
            return [one for each in types for one in _structs(each)]
        case _:
            return []


@every_flow
def test_mutations(flow: Flow[Any, Any]) -> None:
    """A flow that may say `duplicate` takes a key, and no other does."""
    mutates = flow.output_type in (Committed, Created)
    assert mutates == issubclass(flow.input_type, Mutation)
    assert mutates == (KeyConflict in flow.faults)
    # What holds its default is not in the fingerprint, so that a field can be added later.
    assert not mutates or flow.input_type.__struct_config__.omit_defaults


@every_flow
def test_faults(flow: Flow[Any, Any]) -> None:
    """A flow declares refusals, each once; what needs the log declares that it may be away."""
    assert all(issubclass(each, Refused) for each in flow.faults)
    assert len(set(flow.faults)) == len(flow.faults)
    stores = {sessions, connections, audit, archive}
    assert any(each in stores for each in flow.needs.values()) == (Unavailable in flow.faults)
    if issubclass(flow.input_type, SessionMutation):
        assert SessionNotFound in flow.faults
