"""Programs that run in Node, with the npm packages of the tests."""

import subprocess
from pathlib import Path

from tests.services import NPM

PATIENCE = 60


def node(*arguments: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run Node in `tests/npm` to the end."""
    return subprocess.run(
        ["node", *map(str, arguments)],
        cwd=NPM, input=stdin, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip


def compiled(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run TypeScript's compiler; it writes nothing but what is wrong."""
    compiler = NPM / "node_modules" / "typescript" / "bin" / "tsc"
    return node(compiler, "--strict", "--noEmit", *arguments)
