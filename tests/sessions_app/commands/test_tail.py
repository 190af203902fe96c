"""`manage.py tail`."""

import json
from collections.abc import Callable
from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from sessions_app.management.commands.tail import Command
from sessions_app.models import Session
from tests.sessions_app.commands.running import HOSTILE, begin, call, say

pytestmark = pytest.mark.django_db(transaction=True)


def tailed(*arguments: str, happens: list[Callable[[], object]]) -> list[str]:
    """The lines that it prints when these things happen between its looks, until Ctrl-C."""

    def rest(seconds: float) -> None:
        if not happens:
            raise KeyboardInterrupt
        happens.pop(0)()

    command, out = Command(stdout=StringIO()), StringIO()
    command.rest = rest
    call_command(command, *arguments, stdout=out)
    return out.getvalue().splitlines()


def test_all_sessions() -> None:
    """What happens anywhere comes once and in order, new sessions whole; what was before does not;
    Ctrl-C ends it.
    """
    old = begin("ann", "Roof", "bob")
    lines = tailed(
        "--json",
        happens=[
            lambda: say(old, "bob", "one"),
            lambda: None,
            lambda: [say(old, "ann", "two"), say(old, "ann", "three"), begin("bob", "Wall")],
            lambda: Session.objects.filter(pk=old).delete(),
        ],
    )
    told = [json.loads(each) for each in lines]
    assert [each["seq"] for each in told] == [3, 4, 5, 1]
    assert told[-1]["data"]["title"] == "Wall"
    assert all("key" not in each for each in told)


def test_one_session() -> None:
    """Only the session that is asked for is followed; texts do nothing to the terminal."""
    one, other = begin("ann"), begin("ann")
    (line,) = tailed(
        str(one), happens=[lambda: say(other, "ann", "x"), lambda: say(one, "ann", HOSTILE)]
    )
    assert str(one) in line
    assert line.isprintable()


def test_no_session() -> None:
    """A session that is not there cannot be followed."""
    with pytest.raises(CommandError, match="is no id of a session"):
        call("tail", "x")
