"""What the composition root must provide, and what a request brings along."""

from typing import Any

import pytest

from flows.atoms.actor import actor
from flows.atoms.announcer import announcer
from flows.atoms.sessions import sessions
from flows.atoms.watcher import watcher
from flows.engine import Scope
from flows.get_session import get_session
from flows.signal import signal


@pytest.mark.parametrize(
    ("node", "name"),
    [(actor, "actor"), (announcer, "announcer"), (sessions, "sessions"), (watcher, "watcher")],
)
def test_names(node: Any, name: str) -> None:
    """A node has the name under which its module exports it, so that errors can be read."""
    assert name == node.name


async def test_unbound() -> None:
    """A scope that lacks what a flow needs says so before the first request, with the path."""
    async with Scope() as scope:
        with pytest.raises(Exception, match=r"get_session.*sessions"):
            scope.check([get_session], provided=[actor])
        with pytest.raises(Exception, match=r"signal.*(sessions|announcer)"):
            scope.check([signal], provided=[actor, watcher])
