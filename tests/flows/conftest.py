"""The stage on which each test plays a flow."""

from collections.abc import AsyncIterator

import pytest_asyncio
from hypothesis import settings

from tests.flows.stage import Stage, on_stage

# A busy machine is no reason to fail.
settings.register_profile("flows", deadline=None)
settings.load_profile("flows")


@pytest_asyncio.fixture
async def stage() -> AsyncIterator[Stage]:
    async with on_stage() as stage:
        yield stage
