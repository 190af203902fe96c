""" "Write your own flow" is done as it stands, in a copy of the project."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.servers import ROOT

PAGE = (ROOT / "docs" / "write-your-own-flow.md").read_text()

#: What of the project the page needs.
PARTS = ("flows", "sessions_app", "project", "tests", "docs", "manage.py", "pyproject.toml")

#: Calls the flow on a real server of the copy, over HTTP and over a WebSocket.
CALLED = '''
"""The flow of the page answers."""

import json
from uuid import uuid4

from tests.bad_input.stage import ask
from tests.servers import serving, sqlite_database
from tests.wire import Client


async def test_it_answers() -> None:
    """Over a socket and over HTTP, with a result and with a refusal."""
    with sqlite_database() as database, serving(database) as server:
        ann = server.people["owner0"]
        async with await Client.connect(server.url, ann.token) as client:
            session = (await client.call("create_session", key="c"))["session_id"]
            users = ["member0", "observer0"]
            invite = {"session_id": session, "users": users, "key": "k"}
            done = await client.call("invite_participants", **invite)
            assert done == {"seq": 3, "duplicate": False}
            await client.has_events(session, 3)
        headers = {"Authorization": f"Bearer {ann.token}", "Content-Type": "application/json"}
        for users, key, expected in ((users, "k", 200), (users, "k2", 409), ([], "k3", 422)):
            body = json.dumps({"session_id": session, "users": users, "key": key}).encode()
            answer = await ask(server, "POST", "/api/flows/invite_participants/", headers, body)
            assert answer is not None
            assert answer.status == expected
'''

ANN = "from sessions_app.models import User; User.objects.create(username='ann')"


class Block(NamedTuple):
    """A code block, and the line of text before it."""

    language: str
    code: str
    before: str


def blocks() -> list[Block]:
    """The page's code blocks, in order."""
    found = re.finditer(r"([^\n]*)\n\n```(\w+)\n(.*?)```", PAGE, re.DOTALL)
    return [Block(each[2], each[3], each[1]) for each in found]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the project's files."""
    passed_over = shutil.ignore_patterns("node_modules", "__pycache__", "*.sqlite3*")
    for name in PARTS:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, ignore=passed_over)
        else:
            shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def run(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the page in a copy, with this Python and no settings from outside."""
    first, *arguments = shlex.split(command)
    assert first == ".venv/bin/python"
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder, env=kept, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def path_before(block: Block) -> str:
    """The file that the line before the block names."""
    (path,) = re.findall(r"`([^`]+)`:$", block.before)
    return str(path)


def add(folder: Path, block: Block) -> None:
    """Put the new lines of a diff after the lines that stand before them."""
    path = folder / path_before(block)
    text = path.read_text()
    for context, new in re.findall(r"^ ([^\n]*)\n((?:\+[^\n]*\n)+)", block.code, re.MULTILINE):
        assert text.count(f"\n{context}\n") == 1, context
        added = "".join(line[1:] for line in new.splitlines(keepends=True))
        text = text.replace(f"\n{context}\n", f"\n{context}\n{added}")
    path.write_text(text)


@pytest.mark.timeout(300)
def test_it_works_as_it_stands(copy: Path) -> None:
    """Its files are saved, its commands succeed, and the flow answers on a real server."""
    for block in blocks():
        match block.language:
            case "python":
                (copy / path_before(block)).write_text(block.code)
            case "diff":
                add(copy, block)
            case "sh":
                for command in block.code.splitlines():
                    done = run(copy, command)
                    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
            case "console":
                run(copy, ".venv/bin/python manage.py migrate -v 0")
                run(copy, f".venv/bin/python manage.py shell --no-imports -c {shlex.quote(ANN)}")
                done = run(copy, block.code.removeprefix("$ "))
                assert done.returncode != 0
                assert "$.session_id" in done.stdout + done.stderr
            case _:
                raise AssertionError(f"what is {block.language}?")

    contract = json.loads((copy / "docs/schema/sessions.v1.json").read_text())
    assert "already_done" in contract["operations"]["invite_participants"]["x-faults"]
    types = (copy / "sessions_app/static/sessions_app/sessions.d.ts").read_text()
    assert "params: InviteParticipants;" in types

    (copy / "tests/real/test_called.py").write_text(textwrap.dedent(CALLED))
    done = run(copy, ".venv/bin/python -m pytest -q tests/real/test_called.py")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_flow_is_as_house_style_has_it(tmp_path: Path) -> None:
    """What the page shows passes the project's own linter and formatter."""
    pytest.importorskip("ruff")
    for block in blocks():
        if block.language == "python":
            (tmp_path / Path(path_before(block)).name).write_text(block.code)
    configured = ["--config", str(ROOT / "pyproject.toml"), str(tmp_path)]
    for command in (["check", "--ignore", "S101,D1"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, *configured],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
