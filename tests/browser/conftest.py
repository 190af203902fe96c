"""A browser, and servers for it."""

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.servers import Server, serving, sqlite_database

if TYPE_CHECKING:
    # It may not be installed; then the modules of tests are skipped.
    from tests.browser.pages import Browsing


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> "AsyncIterator[Browsing]":
    """One browser for the tests of a module."""
    from tests.browser.pages import Browsing

    async with Browsing() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def browsing(browser: "Browsing") -> "AsyncIterator[Browsing]":
    """The browser without any page, which must not have complained of anything in the end."""
    browser.complaints.clear()
    yield browser
    for context in browser.browser.contexts:
        await context.close()
    assert browser.complaints == []


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server on SQLite, with its people."""
    with sqlite_database() as database, serving(database) as server:
        yield server
