"""The front door: exactly the names of the contract, and errors with fields and texts."""

import subprocess
import sys
from pathlib import Path

import flows.engine as engine
from flows.engine import (
    Closed,
    DependencyCycle,
    EngineError,
    InvalidDefinition,
    InvalidInput,
    MissingDependency,
    Port,
)

NAMES = [
    *("atom", "resource", "flow", "Port", "Tag", "need", "maybe", "every", "typed", "preset"),
    *("Scope", "Context", "Handle", "Extension", "Call", "Outcome", "Atom", "Resource", "Flow"),
    *("Graph", "graph", "EngineError", "InvalidDefinition", "MissingDependency"),
    *("DependencyCycle", "InvalidInput", "Closed"),
]


def test_the_names() -> None:
    """`flows.engine` gives exactly these names."""
    assert sorted(NAMES) == sorted(engine.__all__)
    modules = {path.stem for path in Path(engine.__file__).parent.glob("*.py")}
    public = {name for name in vars(engine) if not name.startswith("_")}
    assert set(NAMES) <= public
    assert public - modules <= set(NAMES)


def test_what_it_imports() -> None:
    """The engine imports nothing but the standard library and msgspec."""
    program = (
        "import sys, msgspec; before = set(sys.modules); import flows.engine;"
        " new = {name.partition('.')[0] for name in set(sys.modules) - before};"
        " print(*sorted(new - set(sys.stdlib_module_names)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == ["flows"]


def test_the_errors() -> None:
    """Each error has fields, and a text that is made from them."""
    port = Port[int]("sessions")
    errors = [
        InvalidDefinition("f(x)", "no good"),
        MissingDependency(port, ("f", "sessions")),
        DependencyCycle(("a", "b", "a")),
        InvalidInput("f", "$.x", "Expected `int`"),
        Closed("The scope"),
    ]
    assert [str(each) for each in errors] == [
        "f(x): no good",
        "Nothing provides f -> sessions: it is a port, give the scope a preset of it",
        "Dependencies go round in a circle: a -> b -> a",
        "f: Expected `int` - at `$.x`",
        "The scope is not open",
    ]
    assert all(isinstance(each, EngineError) for each in errors)
