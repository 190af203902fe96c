"""The application with people who connect to it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from project.application import Application
from tests.sessions_app.sockets import Client, Connect, people, serving


@pytest.fixture
async def application() -> AsyncIterator[Application]:
    """The application, open."""
    async with serving() as application:
        yield application


@pytest.fixture
async def tokens() -> dict[str, str]:
    """Ann, Bob and Cid, and a token of each."""
    return await sync_to_async(people)("ann", "bob", "cid")


@pytest.fixture
def connect(application: Application, tokens: dict[str, str]) -> Connect:
    """Makes a socket of somebody: `async with connect("ann") as ann`."""

    def connect(name: str, **more: Any) -> Client:
        return Client(application, token=tokens[name], **more)

    return connect
