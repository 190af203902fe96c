"""Every case of the catalogue, on real servers."""

from typing import Any

import pytest

from tests.bad_input import catalogue, sentences
from tests.bad_input.catalogue import Case
from tests.bad_input.expectations import parse
from tests.bad_input.runner import problems
from tests.servers import Server

BOTH = ("uvicorn_on_sqlite", "daphne_on_postgres")

#: What the server library decides before any of our code runs, and no setting of it changes.
LIBRARY_DECIDES: dict[tuple[str, str], str] = {}

#: What a later feature will answer.
LATER: dict[str, str] = {}


def _params() -> list[Any]:
    params = []
    for case in catalogue.load():
        servers = BOTH[:1] if case.where == "command" else BOTH
        for server in servers:
            kind = server.partition("_")[0]
            reason = LIBRARY_DECIDES.get((kind, case.name)) or LATER.get(case.name)
            # Strict: when the answer becomes right, the list is wrong.
            marks = [pytest.mark.xfail(reason=reason, strict=True)] if reason else []
            params.append(pytest.param(server, case, id=f"{case.name}-{kind}", marks=marks))
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
