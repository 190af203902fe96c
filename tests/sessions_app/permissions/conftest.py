"""Who tries all that there is."""

import pytest
from asgiref.sync import sync_to_async

from tests.sessions_app.permissions.cast import make_cast


@pytest.fixture
async def tokens() -> dict[str, str]:
    """Everybody of the cast, and a token of each."""
    return await sync_to_async(make_cast)()
