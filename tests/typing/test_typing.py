"""The type checkers find every wrong use of the engine, and nothing wrong with the right ones."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
CASES = HERE / "nodes.py"


def marked(mark: str) -> set[int]:
    """The lines of the cases with this mark."""
    lines = CASES.read_text().splitlines()
    return {number for number, line in enumerate(lines, 1) if line.endswith(f"# {mark}")}


def mypy() -> set[int]:
    """The lines at which mypy --strict finds errors."""
    options = ["--strict", "--config-file=", "--no-error-summary", "--python-version=3.11"]
    run = _run([sys.executable, "-m", "mypy", *options, str(CASES.relative_to(ROOT))])
    return {int(line) for line in re.findall(r"nodes\.py:(\d+): error", run)}


def pyright() -> set[int]:
    """The lines at which pyright, strict, finds errors."""
    # Its own guess of the interpreter would miss an environment that is not activated.
    options = ["--outputjson", "--pythonpath", sys.executable, "-p", str(HERE)]
    run = _run([sys.executable, "-m", "pyright", *options])
    found = json.loads(run)["generalDiagnostics"]
    return {each["range"]["start"]["line"] + 1 for each in found if each["severity"] == "error"}


def _run(command: list[str]) -> str:
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode in (0, 1), run.stderr
    return run.stdout


@pytest.mark.timeout(180)
@pytest.mark.parametrize("checker", [mypy, pyright])
def test_typing(checker: Callable[[], set[int]]) -> None:
    """Wrong input, dependency, preset, tag value and use of a result are errors; no more is."""
    if find_spec(checker.__name__) is None:
        pytest.skip(f"{checker.__name__} is not installed: see requirements-dev.txt")
    wrong = checker() - marked("follows")
    assert marked("wrong") == wrong, {
        "missing": sorted(marked("wrong") - wrong),
        "unexpected": sorted(wrong - marked("wrong")),
    }
