"""What `docs/threats.md` says is shown by tests."""

import ast
import re

import pytest

from tests.servers import ROOT

TABLE = (ROOT / "docs" / "threats.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[^`]+\.py::[^`]+)`", TABLE)))


def named_in(path: str) -> set[str]:
    """The tests in a file, in classes too, as they are named on a command line."""
    tree = ast.parse((ROOT / path).read_text())
    found: set[str] = set()
    for node in tree.body:
        functions = (ast.FunctionDef, ast.AsyncFunctionDef)
        if isinstance(node, functions):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{m.name}" for m in node.body if isinstance(m, functions)}
    return found


@pytest.mark.parametrize("name", NAMED)
def test_each_test_that_is_named_is_there(name: str) -> None:
    """A test that was renamed or dropped is missed here."""
    path, _, test = name.partition("::")
    assert test in named_in(path)


def test_each_threat_names_a_test_or_says_why_not() -> None:
    """Every row of the table has a test, or leads to what is not stopped."""
    rows = [line for line in TABLE.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 20
    for row in rows:
        shown = row.rsplit("|", 2)[1]
        assert "`tests/" in shown or shown.strip() == "see below", row
