"""`manage.py create_token`."""

import pytest
from django.contrib.admin.models import LogEntry
from django.core.management.base import CommandError

from sessions_app.adapters.acts import operator
from sessions_app.models import AccessToken, User
from tests.servers import manage, sqlite_database
from tests.sessions_app.commands.running import call, stored
from tests.sessions_app.words import user_of_token


@pytest.fixture
def ann(db: None) -> User:
    return User.objects.create_user("ann")


def test_prints_the_token_only(ann: User) -> None:
    """The token is all that is printed, and it is good."""
    output = call("create_token", "ann")
    assert output.err == ""
    assert output.out.count("\n") == 1
    assert user_of_token(output.out.rstrip("\n")) == ann


def test_keeps_the_name(ann: User) -> None:
    """A token has the name it is given, and the user's history tells who issued it."""
    token = call("create_token", "ann", "--name", "Büro, 2nd floor").out.strip()
    assert AccessToken.objects.get().name == "Büro, 2nd floor"
    entry = LogEntry.objects.get(object_id=str(ann.pk))
    message = entry.get_change_message()
    assert message == f"Issued a token by {operator()}: Büro, 2nd floor"
    assert entry.user.username == "manage.py"
    assert token not in message


@pytest.mark.parametrize("name", ["bob", "", "$system", "ANN", "a\x00b", "\udcff", "x" * 9000])
def test_of_nobody(name: str, ann: User) -> None:
    """For a user who is not there no token is made, and one line says so."""
    before = stored()
    with pytest.raises(CommandError, match=r"^There is no user '[^\n]*$") as caught:
        call("create_token", name)
    assert str(caught.value).isprintable()
    assert stored() == before


def test_of_a_disabled_user(ann: User) -> None:
    """For a user who is not active no token is made: it would not be good."""
    User.objects.update(is_active=False)
    with pytest.raises(CommandError, match=r"^The user 'ann' is not active$"):
        call("create_token", "ann")
    assert not AccessToken.objects.exists()


@pytest.mark.parametrize("name", ["x" * 101, "a\x00b", "\udcff", "a\nb"])
def test_with_a_wrong_name(name: str, ann: User) -> None:
    """With a name that is too long, or cannot be shown, no token is made."""
    with pytest.raises(CommandError, match=r"^--name: "):
        call("create_token", "ann", "--name", name)
    assert not AccessToken.objects.exists()


def test_in_a_script() -> None:
    """A script gets the token on standard output, or an exit status of 1 and one line."""
    with sqlite_database() as database:
        good = manage("create_token", "member0", database_url=database.url)
        bad = manage("create_token", "nobody", database_url=database.url)
    assert (good.returncode, good.stderr) == (0, "")
    assert good.stdout.startswith("fs_")
    assert (bad.returncode, bad.stdout) == (1, "")
    assert bad.stderr == "CommandError: There is no user 'nobody'\n"
