"""Every case of the catalogue, on real servers."""

from typing import Any, NamedTuple

import pytest

from tests.bad_input import catalogue, sentences
from tests.bad_input.catalogue import Case
from tests.bad_input.expectations import parse
from tests.bad_input.runner import problems
from tests.servers import Server

BOTH = ("uvicorn_on_sqlite", "daphne_on_postgres")


class Instead(NamedTuple):
    """What comes instead of the catalogue's answer, and why that cannot be helped."""

    expect: str
    reason: str


#: What the server library decides before any of our code runs, and no setting of it changes.
LIBRARY_DECIDES: dict[tuple[str, str], Instead] = {
    ("daphne", "text-1mb"): Instead(
        "dropped",
        "it drops what exceeds 1 MiB without a closing frame, and another "
        "--websocket-max-message-size only moves the point",
    ),
    ("daphne", "handshake-cookie-origin-suffix"): Instead(
        "HTTP 400", "it refuses an Origin that is no URL by itself"
    ),
    ("daphne", "handshake-cookie-origin-empty"): Instead(
        "HTTP 400", "it refuses an Origin that is no URL by itself"
    ),
}


def _params() -> list[Any]:
    params = []
    for case in catalogue.load():
        for server in BOTH[:1] if case.where == "command" else BOTH:
            kind = server.partition("_")[0]
            instead = LIBRARY_DECIDES.get((kind, case.name))
            chosen = case._replace(expect=instead.expect) if instead else case
            params.append(pytest.param(server, chosen, id=f"{case.name}-{kind}"))
    return params


@pytest.mark.parametrize(("server", "case"), _params(), indirect=["server"])
async def test_the_answer_is_as_the_catalogue_says(server: Server, case: Case) -> None:
    """Bad input gets its answer, changes nothing, is told to nobody, and disturbs nobody."""
    assert await problems(server, case) == []


def test_every_expectation_can_be_read() -> None:
    """No case expects something that the runner has no word for."""
    for case in catalogue.load():
        if case.where == "sequence":
            assert case.expect in sentences.AFTER_SEQUENCE
            assert all(parse(step["expect"]).outcomes for step in case.what)
        else:
            assert parse(case.expect).outcomes


SEND = {"session_id": "{session}", "text": "hello", "key": "{key}"}


@pytest.mark.parametrize(
    ("frame", "expect", "found"),
    [
        ({"jsonrpc": "2.0", "method": "send_message", "params": SEND}, "nothing", "stored"),
        ({"jsonrpc": "2.0", "method": "send_message", "params": SEND}, "nothing", "told"),
        (
            {"jsonrpc": "2.0", "id": 1, "method": "send_message", "params": {**SEND, "text": 7}},
            "error -32602 invalid_input at $.key",
            "the path",
        ),
        ("x", "error -32600 invalid_request id null", "invalid_request"),
        ({"jsonrpc": "2.0", "id": 1, "method": "ping"}, "nothing", "no reply"),
        ({"jsonrpc": "2.0", "id": 1, "method": "ping"}, "close 4513", "closed with 4513"),
        ({"$bytes": "00", "times": 1}, "error -32700 parse_error", "closed with 4513"),
        ({"jsonrpc": "2.0", "id": 1, "method": "send_message", "params": SEND}, "dropped", "end"),
    ],
)
@pytest.mark.parametrize("server", BOTH, indirect=True)
async def test_a_wrong_expectation_is_found_out(
    server: Server, frame: Any, expect: str, found: str
) -> None:
    """What a server says or does against an expectation is seen."""
    wrong = await problems(server, Case("wrong", "text", expect, frame))
    assert any(found in problem for problem in wrong), wrong


def test_the_lists_name_cases_of_the_catalogue() -> None:
    """No exception is made for a case that there is not."""
    names = {case.name for case in catalogue.load()}
    assert {name for _, name in LIBRARY_DECIDES} <= names
