"""Our clients do as every story of the vectors tells: the one in Python, and `sessions.js`."""

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conformance import clients
from tests.conformance.__main__ import attempt
from tests.conformance.drivers import process_driver, python_driver
from tests.conformance.vectors import Mismatch, Vector, load

HERE = Path(__file__).parent

ALL = pytest.mark.parametrize("vector", load("client"), ids=lambda each: each.name)


@ALL
async def test_the_client_in_python(vector: Vector) -> None:
    """`sessions_app.client` says what the story tells, and tells its caller the same."""
    async with clients.scripted_server() as server, python_driver(server.url) as driver:
        await clients.run(vector, server, driver)


@pytest.mark.node
@ALL
async def test_sessions_js(vector: Vector) -> None:
    """`sessions.js` says what the story tells, and tells its caller the same."""
    command = ["node", str(HERE / "drive_sessions_js.mjs")]
    async with clients.scripted_server() as server, process_driver(command, server.url) as driver:
        await clients.run(vector, server, driver)


@pytest.mark.parametrize(
    "steps",
    [
        [{"say": "a", "frame": {"method": "send_message", "params": {"text": "Another"}}}],
        [{"quiet": "a"}],
        [{"told": "result", "ref": "c", "result": {"seq": 3}}],
        [{"dance": "a"}],
    ],
)
async def test_another_story_is_noticed(steps: list[dict[str, Any]]) -> None:
    """A client that does not do as a story tells fails, with the step where it differs."""
    begin: list[dict[str, Any]] = [
        {"open": "a"},
        {"hear": "a", "frame": {"jsonrpc": "2.0", "method": "welcome", "params": {"epoch": "e1"}}},
        {"do": "call", "ref": "c", "method": "send_message", "params": {"text": "Hello"}},
    ]
    untrue = Vector("untrue", ".", ("client",), [*begin, *steps])
    async with clients.scripted_server() as server, python_driver(server.url) as driver:
        with pytest.raises(Mismatch, match="untrue, step 3"):
            await clients.run(untrue, server, driver, patience=1.0)


async def test_a_program_that_does_nothing_fails() -> None:
    """A client that never connects fails a story at its first step."""
    problem = await attempt(load("client")[0], [sys.executable, "-c", "input()"], patience=0.5)
    assert problem is not None
    assert "step 0" in problem
