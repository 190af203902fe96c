"""The log on each database, with what a test wants to know of it."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from sessions_app.models import User
from tests.databases import EACH_DATABASE
from tests.fakes import USERS, FixedClock
from tests.sessions_app.adapters.nodes import Node, Nodes


@pytest.fixture(params=EACH_DATABASE)
def database(request: pytest.FixtureRequest) -> str:
    """The alias of a database that has the users ann, bob, cid and dan."""
    alias: str = request.param
    request.getfixturevalue("transactional_db")
    return with_people(alias)


@pytest.fixture
def sqlite(transactional_db: None) -> str:
    """The same for what only SQLite has; the test carries its mark."""
    return with_people("default")


@pytest.fixture
def postgres(transactional_db: None) -> str:
    """The same for what only PostgreSQL has; the test carries its marks."""
    return with_people("postgres")


def with_people(alias: str) -> str:
    User.objects.using(alias).bulk_create(User(username=name) for name in sorted(USERS))
    return alias


@pytest.fixture
def clock() -> FixedClock:
    """The clock of all nodes."""
    return FixedClock()


@pytest_asyncio.fixture
async def node_of(clock: FixedClock) -> AsyncIterator[Nodes]:
    """Makes nodes on a database; they are closed after the test."""
    nodes: list[Node] = []

    def node_of(alias: str, **options: int) -> Node:
        nodes.append(Node(alias, clock, **options))
        return nodes[-1]

    yield node_of
    for node in nodes:
        await node.log.close()


@pytest_asyncio.fixture
async def lane(database: str, node_of: Nodes) -> Node:
    """A node with one lane, on any database."""
    return node_of(database, lanes=1)


@pytest_asyncio.fixture
async def node(database: str, node_of: Nodes) -> Node:
    """One node."""
    return node_of(database)
