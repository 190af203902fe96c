"""The stage on which each test plays a flow."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.flows.stage import Stage, on_stage


@pytest_asyncio.fixture
async def stage() -> AsyncIterator[Stage]:
    async with on_stage() as stage:
        yield stage
