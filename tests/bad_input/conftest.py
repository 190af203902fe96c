"""The servers that the cases are tried on: one of each kind, on different databases."""

from collections.abc import Iterator
from contextlib import ExitStack
from uuid import uuid4

import pytest

from tests.servers import Server, postgres_database, serving, sqlite_database
from tests.services import postgres_problem, redis_problem


@pytest.fixture(scope="session")
def uvicorn_on_sqlite() -> Iterator[Server]:
    """`manage.py serve` as it is with no settings at all."""
    with sqlite_database() as database, serving(database, "uvicorn") as server:
        yield server


@pytest.fixture(scope="session")
def daphne_on_postgres() -> Iterator[Server]:
    """`daphne project.asgi:application` on PostgreSQL and Redis."""
    if problem := postgres_problem() or redis_problem():
        pytest.skip(problem)
    with ExitStack() as stack:
        database = stack.enter_context(postgres_database())
        prefix = f"test-{uuid4().hex}"
        yield stack.enter_context(serving(database, "daphne", redis_prefix=prefix))


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Server:
    """The server whose fixture the test names."""
    server: Server = request.getfixturevalue(request.param)
    return server
