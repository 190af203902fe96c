"""What docs/operating.md says can be done, line by line."""

import re
import shlex
from pathlib import Path

import pytest
from django.core.management import get_commands

from sessions_app.models import Session
from tests.sessions_app.commands.running import begin, call

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "operating.md").read_text()
LINES = [
    line
    for block in re.findall(r"^```\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    for line in block.splitlines()
]


@pytest.mark.django_db(transaction=True)
def test_every_line_can_be_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command line of the page does what it says, one after the other as they stand there."""
    session_id = begin("ann", "Roof", "bob")
    call("end_session", str(session_id))
    monkeypatch.chdir(tmp_path)
    for line in LINES:
        program, script, command, *arguments = shlex.split(line)
        assert (program, script) == ("python", "manage.py"), line
        given = [
            str(each)
            for word in arguments
            for each in (sorted(tmp_path.glob(word)) if "*" in word else [word])
        ]
        if command == "check":
            assert given == ["--deploy"]  # these are the tests' settings; another test runs it
        else:
            call(command, *given)
    assert (tmp_path / "moving" / f"{session_id}.jsonl").exists()
    assert Session.objects.count() == 1


def test_every_command_is_there() -> None:
    """Each command that the page names is one."""
    named = set(re.findall(r"manage\.py ([a-z_]+)", PAGE))
    assert named <= get_commands().keys()
