"""The stores that keep the sentences of `Sessions`: the fake, and the log on both databases."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from flows.atoms.sessions import Sessions
from sessions_app.adapters.log import DjangoSessions
from sessions_app.models import User
from tests.databases import EACH_DATABASE
from tests.fakes import USERS, FakeSessions, FixedClock

STORES = [pytest.param(None, id="fake"), *EACH_DATABASE]


@pytest.fixture
def clock() -> FixedClock:
    """The clock of the store."""
    return FixedClock()


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> str | None:
    """The alias of a database, None for the fake."""
    alias: str | None = request.param
    return alias


@pytest.fixture
def users(store: str | None) -> frozenset[str]:
    """The users there are in the store: ann, bob, cid and dan."""
    if store is not None:
        people = [User(username=name) for name in sorted(USERS)]
        User.objects.using(store).bulk_create(people)
    return USERS


@pytest_asyncio.fixture
async def sessions(
    store: str | None, users: frozenset[str], clock: FixedClock
) -> AsyncIterator[Sessions]:
    """The port, on each store."""
    if store is None:
        yield FakeSessions(users=users, clock=clock)
        return
    log = DjangoSessions(using=store, clock=clock)
    try:
        yield log
    finally:
        await log.close()
