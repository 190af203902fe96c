"""What time it is."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias

from flows.engine import atom

Clock: TypeAlias = Callable[[], datetime]


@atom
def clock() -> Clock:
    """The wall clock, in UTC."""
    return lambda: datetime.now(UTC)
