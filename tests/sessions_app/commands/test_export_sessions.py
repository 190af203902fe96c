"""`manage.py export_sessions`."""

import json
from pathlib import Path

import pytest
from django.core.management.base import CommandError

from tests.sessions_app.commands.running import HOSTILE, begin, call, say, stored

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_file_each(tmp_path: Path) -> None:
    """Each session is a file, the same as export_session writes; nothing has changed."""
    one, two = begin("ann", HOSTILE, "bob"), begin("ann")
    before = stored()
    told = call("export_sessions", str(tmp_path / "a" / "b"))
    assert told == ("Written: 2, complete before: 0.\n", "")
    call("export_session", str(one), "--output", str(tmp_path / "one.jsonl"))
    files = sorted((tmp_path / "a" / "b").iterdir())
    assert [each.name for each in files] == sorted(f"{each}.jsonl" for each in (one, two))
    assert (tmp_path / "a" / "b" / f"{one}.jsonl").read_bytes() == (
        tmp_path / "one.jsonl"
    ).read_bytes()
    assert stored() == before


@pytest.mark.parametrize("damage", [b"", b"{", b'{"seq": 1}\n', b"[]\n"])
def test_again(tmp_path: Path, damage: bytes) -> None:
    """What is complete is left alone; what has moved on or is damaged is written again."""
    one, two = begin("ann", "", "bob"), begin("ann")
    call("export_sessions", str(tmp_path))
    file = tmp_path / f"{one}.jsonl"
    whole = file.read_bytes()
    file.write_bytes(damage)
    assert call("export_sessions", str(tmp_path)).out == "Written: 1, complete before: 1.\n"
    assert file.read_bytes() == whole
    say(two, "ann", "x" * 16_000)
    assert call("export_sessions", str(tmp_path)).out == "Written: 1, complete before: 1.\n"
    assert call("export_sessions", str(tmp_path), "--quiet").out == ""


def test_as_json(tmp_path: Path) -> None:
    """A script gets the counts."""
    begin("ann")
    call("export_sessions", str(tmp_path), "--quiet")
    begin("ann")
    told = call("export_sessions", str(tmp_path), "--json")
    assert (json.loads(told.out), told.err) == ({"written": 1, "complete_before": 1}, "")


def test_which(tmp_path: Path) -> None:
    """Only those that are asked for are written."""
    ended = begin("ann")
    begin("ann")
    call("end_session", str(ended))
    call("export_sessions", str(tmp_path), "--status", "ended", "--ended-before", "0d", "--quiet")
    assert [each.stem for each in tmp_path.iterdir()] == [str(ended)]
    told = call("export_sessions", str(tmp_path), "--inactive-for", "1d").out
    assert told == "Written: 0, complete before: 0.\n"


def test_no_directory(tmp_path: Path) -> None:
    """Where nothing can be written, one line says so."""
    (tmp_path / "file").touch()
    with pytest.raises(CommandError, match="cannot be made"):
        call("export_sessions", str(tmp_path / "file"))
