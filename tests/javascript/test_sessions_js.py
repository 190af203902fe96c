"""`sessions.js`: its types, its own tests, and what `docs/clients.md` shows, in Node."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.servers import PATIENCE, ROOT, serving, sqlite_database
from tests.services import NPM

pytestmark = pytest.mark.node

HERE = Path(__file__).parent


def run(*command: str | Path, **environment: str) -> str:
    """What a command prints, which must succeed."""
    done = subprocess.run(
        command,
        cwd=HERE,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE * 2,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_types() -> None:
    """Everything that browsers are given passes TypeScript's strict check."""
    assert run(NPM / "node_modules" / ".bin" / "tsc", "-p", HERE) == ""


def test_its_own_tests() -> None:
    """All tests that are written in JavaScript pass, and there are some."""
    printed = run("node", "--test", "--test-reporter=tap", *sorted(HERE.glob("*.test.mjs")))
    assert re.search(r"^# fail 0$", printed, re.MULTILINE)
    passed = re.search(r"^# pass (\d+)$", printed, re.MULTILINE)
    assert passed
    assert int(passed[1]) > 30


def test_what_the_documentation_shows(tmp_path: Path) -> None:
    """The example holds a conversation with a real server, as it stands."""
    example = re.search(r"```js\n(.*?)```", (ROOT / "docs" / "clients.md").read_text(), re.DOTALL)
    assert example
    (tmp_path / "example.mjs").write_text(example[1])
    (tmp_path / "package.json").write_text('{"type": "module"}')
    shutil.copytree(ROOT / "sessions_app" / "static" / "sessions_app", tmp_path, dirs_exist_ok=True)
    (tmp_path / "node_modules").symlink_to(NPM / "node_modules")
    with sqlite_database() as database, serving(database) as server:
        token = server.people["owner0"].token
        printed = run("node", tmp_path / "example.mjs", URL=server.url, TOKEN=token)
    assert printed.splitlines() == [
        "1 session_created Roof repair",
        "2 message_sent It leaks.",
        "3 message_sent Thursday at nine?",
    ]
