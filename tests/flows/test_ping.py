"""Asking whether anybody is there."""

import pytest

from flows.ping import Ping, Pong, ping
from tests.flows.stage import Stage


@pytest.mark.parametrize("connected", [True, False])
async def test_works(stage: Stage, *, connected: bool) -> None:
    """A ping is answered, over any door, even when nothing can be stored."""
    stage.sessions.available = False
    before = stage.everything()
    assert Pong() == await stage.run(ping, Ping(), connected=connected)
    assert before == stage.everything()


@pytest.mark.parametrize(("path", "raw"), [("$.x", {"x": 1}), ("$", []), ("$", None)])
async def test_bad_input(stage: Stage, path: str, raw: object) -> None:
    """A ping says nothing: a field that does not exist is refused by name."""
    await stage.invalid(path, ping, raw)
