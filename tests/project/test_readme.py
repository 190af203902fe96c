"""What the README says is so."""

import re
import textwrap
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from flows.actor import Actor
from flows.atoms.actor import actor
from flows.atoms.sessions import sessions
from flows.create_session import CreateSession, create_session
from flows.engine import Flow, Scope, preset
from flows.errors import SessionNotFound
from sessions_app.protocol import PUBLIC
from tests.fakes import FakeSessions

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text()


def block(first: str) -> str:
    """The code block of the README that contains `first`."""
    blocks = re.findall(r"^( *)```\w*\n(.*?)^ *```", README, re.DOTALL | re.MULTILINE)
    (found,) = (code for _, code in blocks if first in code)
    return textwrap.dedent(found)


def flow_of_the_readme() -> dict[str, Any]:
    """What the file in "Adding a flow" defines."""
    names: dict[str, Any] = {"__name__": "flows.count_events"}
    exec(compile(block("class CountEvents"), "flows/count_events.py", "exec"), names)
    return names


async def test_the_flow_that_is_shown_is_a_flow_and_its_test_passes() -> None:
    """The file under "Adding a flow" can be saved as it stands, and so can its test."""
    names = flow_of_the_readme()
    assert isinstance(names["count_events"], Flow)
    names |= {
        each.__name__: each for each in (FakeSessions, Scope, Actor, CreateSession, preset)
    } | {"sessions": sessions, "actor": actor, "create_session": create_session}
    exec(compile(block("async def test_a_session_has"), "test_count_events.py", "exec"), names)
    await names["test_a_session_has_as_many_events_as_its_head_says"]()


async def test_the_flow_that_is_shown_refuses_strangers() -> None:
    """The example does not teach to leave a session open to everybody."""
    names = flow_of_the_readme()
    store = FakeSessions(users={"ann", "bob"})
    async with Scope(presets=[preset(sessions, store)]) as scope:
        made = await scope.run(create_session, CreateSession(key="k"), tags=[actor(Actor("ann"))])
        for session_id in (made.session_id, UUID(int=7)):
            with pytest.raises(SessionNotFound):
                await scope.run(
                    names["count_events"],
                    names["CountEvents"](session_id=session_id),
                    tags=[actor(Actor("bob"))],
                )


def test_the_flow_that_is_quoted_is_the_one_in_its_file() -> None:
    """The flow that shows the shape is quoted from its file, to the letter."""
    quoted = block("async def rename_session")
    assert quoted in (ROOT / "flows" / "rename_session.py").read_text()
    assert "rename_session" in PUBLIC


def test_ci_runs_the_very_test_command() -> None:
    """The test command that is printed is the one that CI runs."""
    command = block("python -m pytest").strip()
    assert command in (ROOT / ".ci" / "run").read_text()


def test_every_setting_is_explained() -> None:
    """Each variable that the settings read is in `.env.example`, and no other is."""
    source = (ROOT / "project" / "settings.py").read_text()
    read = set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', source))
    example = (ROOT / ".env.example").read_text()
    explained = set(re.findall(r"^#?([A-Z_]+)=", example, re.MULTILINE))
    assert explained == read


def test_every_command_is_there() -> None:
    """Each command that the README names is a command."""
    named = set(re.findall(r"manage\.py (\w+)", README)) - {"help"}
    ours = {each.stem for each in (ROOT / "sessions_app/management/commands").glob("[a-z]*.py")}
    assert named - ours == {"migrate", "collectstatic", "runserver", "check", "createsuperuser"}
