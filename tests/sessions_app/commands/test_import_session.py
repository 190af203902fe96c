"""`manage.py import_session`."""

import json
from pathlib import Path

import pytest
from django.core.management.base import CommandError

from sessions_app.models import Event, Session, User
from tests.sessions_app.commands.running import HOSTILE, begin, call, say, stored

pytestmark = pytest.mark.django_db(transaction=True)


def exported(tmp_path: Path) -> list[str]:
    """The files of two sessions that are here no more."""
    one, _ = begin("ann", HOSTILE, "bob"), begin("ann")
    say(one, "bob", "It leaks.")
    call("export_sessions", str(tmp_path), "--quiet")
    call("prune", "--inactive-for", "0d", "--yes", "--quiet")
    assert not Session.objects.exists()
    return [str(each) for each in sorted(tmp_path.iterdir())]


def test_there_and_back(tmp_path: Path) -> None:
    """What was exported, deleted and imported is exported the same, and is sound."""
    files = exported(tmp_path)
    assert call("import_session", *files).out == "Imported: 2, there before: 0.\n"
    assert call("verify").out.startswith("All is well. Sessions: 2, events: 4")
    again = tmp_path / "again"
    call("export_sessions", str(again), "--quiet")
    for file in files:
        assert (again / Path(file).name).read_bytes() == Path(file).read_bytes()
    before = stored()
    told = json.loads(call("import_session", *files, "--json").out)
    assert told == {"imported": 0, "there_before": 2}
    assert call("import_session", *files, "--quiet") == ("", "")
    assert stored() == before


def test_several_in_a_file(tmp_path: Path) -> None:
    """A file may hold one session after the other."""
    files = exported(tmp_path)
    together = tmp_path / "together"
    together.write_bytes(b"".join(Path(each).read_bytes() for each in files))
    assert call("import_session", str(together)).out.startswith("Imported: 2,")


def test_users(tmp_path: Path) -> None:
    """Who is not here is named; they can be mapped, or made without a password."""
    files = exported(tmp_path)
    User.objects.all().delete()
    with pytest.raises(CommandError, match="invalid_input: There is no such user"):
        call("import_session", *files)
    assert not Event.objects.exists()
    call("import_session", *files, "--map-user", "bob=rob", "--create-users")
    assert {each.username for each in User.objects.all()} == {"ann", "rob"}
    assert not any(each.has_usable_password() for each in User.objects.all())


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"{\n", "line 1: "),
        (b'{"session_id": 1}\n', "invalid_input: line 1: Expected `uuid`, got `int`"),
        (b"[]\n", "line 1: Expected `object`"),
    ],
)
def test_damaged_files(tmp_path: Path, content: bytes, says: str) -> None:
    """A damaged file is refused with its name and the place, and nothing has changed."""
    file = tmp_path / "x.jsonl"
    file.write_bytes(content)
    with pytest.raises(CommandError) as caught:
        call("import_session", str(file))
    assert str(file) in str(caught.value)
    assert says in str(caught.value)
    assert not Session.objects.exists()


def test_bad_arguments(tmp_path: Path) -> None:
    """A file that is not there and a mapping that is none are refused."""
    with pytest.raises(CommandError, match="No such file"):
        call("import_session", str(tmp_path / "nothing"))
    with pytest.raises(CommandError, match="expected OLD=NEW"):
        call("import_session", str(tmp_path / "nothing"), "--map-user", "bob")
