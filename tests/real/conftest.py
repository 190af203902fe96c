"""Servers for conversations over real sockets."""

from collections.abc import Iterator

import pytest

from tests.servers import Database, Server, postgres_database, serving, sqlite_database
from tests.services import postgres_problem


@pytest.fixture(scope="module")
def sqlite() -> Iterator[Database]:
    """A new SQLite database."""
    with sqlite_database() as database:
        yield database


@pytest.fixture(scope="module")
def postgres() -> Iterator[Database]:
    """A new PostgreSQL database."""
    if problem := postgres_problem():
        pytest.skip(problem)
    with postgres_database() as database:
        yield database


@pytest.fixture(params=["uvicorn", "daphne"], scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server of each kind, on SQLite."""
    with sqlite_database() as database, serving(database, request.param) as server:
        yield server
