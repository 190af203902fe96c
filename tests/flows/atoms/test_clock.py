"""What time it is."""

from datetime import UTC, datetime

from flows.atoms.clock import clock
from flows.engine import Scope


async def test_clock() -> None:
    """The clock tells the time of the wall, in UTC, anew each time it is asked."""
    async with Scope() as scope:
        now = await scope.resolve(clock)
        before = datetime.now(UTC)
        first, second = now(), now()
        assert before <= first <= second <= datetime.now(UTC)
        assert UTC is first.tzinfo
