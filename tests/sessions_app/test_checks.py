"""What `manage.py check` finds, and what it draws."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.core.management.base import SystemCheckError
from django.test import override_settings

from flows.atoms.announcer import announcer
from flows.engine import Scope, preset
from sessions_app.inventory import all_flows
from sessions_app.protocol import PUBLIC
from tests.fakes import FakeAnnouncer


def without_a_log() -> Scope:
    """A scope in which the port `sessions` is bound to nothing."""
    return Scope(presets=[preset(announcer, FakeAnnouncer())])


def test_the_settings_are_in_order() -> None:
    """With the composition root of production, every flow can run."""
    call_command("check")


@override_settings(FLOWS_SCOPE=f"{__name__}.without_a_log")
def test_an_unbound_port_is_found_with_its_path() -> None:
    """A port that nobody has bound is an error that names the flow and the port."""
    with pytest.raises(SystemCheckError) as caught:
        call_command("check")
    text = str(caught.value)
    assert "sessions_app.E001" in text
    assert "-> sessions" in text


def test_every_public_flow_is_a_flow() -> None:
    """What clients may call are flows of the package, under their own names."""
    known = {each.name: each for each in all_flows()}
    assert {name: known[name] for name in PUBLIC} == PUBLIC


def drawn(*args: str) -> str:
    out = StringIO()
    call_command("flow_graph", *args, stdout=out)
    return out.getvalue()


def test_the_graph_is_drawn_as_text_and_as_mermaid() -> None:
    """Each flow is drawn with what it needs; one may ask for some of them only."""
    assert "rename_session (flow) -> sessions, actor, reason\n" in drawn()
    assert drawn("ping") == "ping (flow)\n"
    mermaid = drawn("rename_session", "--mermaid")
    assert mermaid.startswith("flowchart LR\n")
    assert '["sessions (port)"]' in mermaid
    assert "-->" in mermaid


def test_an_unknown_flow_cannot_be_drawn() -> None:
    """Who asks for a flow that is none learns which there are."""
    with pytest.raises(CommandError, match="There is no flow 'nope'"):
        drawn("nope")
