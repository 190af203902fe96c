"""What this process counts while it runs: plain numbers, which cost nothing to move.

Prometheus reads them when it asks (`sessions_app/metrics.py`); nothing here knows of it.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from typing import Protocol


class Distribution:
    """How often a value was how large: counts by upper bounds, the last without one; and the sum.

    To be added to by one thread only, and read by any.
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """One more of `value`."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class Traffic(Protocol):
    """What an open connection has counted for itself."""

    @property
    def received(self) -> int:
        """Frames that came in."""
        ...

    @property
    def sent(self) -> int:
        """Frames that went out, arrays as one."""
        ...

    @property
    def delivered(self) -> int:
        """Events that were put on their way."""
        ...

    @property
    def waiting(self) -> int:
        """Frames that wait to be sent."""
        ...

    @property
    def behind(self) -> int:
        """Sessions in which it is fed from the log."""
        ...


class Counts:
    """Everything since the process began."""

    def __init__(self) -> None:
        #: The connections that are open; those that were are in the sums below.
        self.connections: set[Traffic] = set()
        self.opened = 0
        self.received = 0
        self.sent = 0
        self.delivered = 0
        #: By close code.
        self.closed: Counter[int] = Counter()
        #: Handshakes, by why they were refused.
        self.refused: Counter[str] = Counter()
        #: What clients were told, on whatever door, by the name of the error.
        self.errors: Counter[str] = Counter()
        #: How often a connection was told that it lags.
        self.lagged = 0

    def open(self, connection: Traffic) -> None:
        """A connection has been opened."""
        self.opened += 1
        self.connections.add(connection)

    def close(self, connection: Traffic, code: int) -> None:
        """It is gone."""
        self.connections.discard(connection)
        self.closed[code] += 1
        self.received += connection.received
        self.sent += connection.sent
        self.delivered += connection.delivered


#: One for the process, whatever scopes and applications it makes.
counts = Counts()
