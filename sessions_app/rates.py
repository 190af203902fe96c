"""How fast a client may be: token buckets and counts, as values moved by a clock. No I/O."""

from collections.abc import Callable
from typing import TypeAlias

from flows.atoms.limits import Rate

#: Seconds that only go forward.
Monotonic: TypeAlias = Callable[[], float]


# Seconds are floats: a token that has grown by a tenth ten times is a whole one.
_ROUNDING = 1e-6


class TokenBucket:
    """`rate.burst` at once, then `rate.per_second`."""

    __slots__ = ("__weakref__", "_at", "_clock", "_rate", "_tokens")

    def __init__(self, rate: Rate, clock: Monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._tokens = float(rate.burst)
        self._at = clock()

    def take(self) -> int:
        """Take one token: 0 if there was one, else the milliseconds until there will be."""
        now = self._clock()
        grown = self._tokens + (now - self._at) * self._rate.per_second
        self._tokens = min(float(self._rate.burst), grown)
        self._at = now
        if self._tokens >= 1 - _ROUNDING:
            self._tokens -= 1
            return 0
        return max(1, round((1 - self._tokens) / self._rate.per_second * 1000))


class Strikes:
    """Whether something has happened `limit` times within `seconds`."""

    __slots__ = ("_clock", "_limit", "_seconds", "_times")

    def __init__(self, limit: int, seconds: float, clock: Monotonic) -> None:
        self._limit = limit
        self._seconds = seconds
        self._clock = clock
        # A list, not a deque: it is nearly always empty, and there is one per connection.
        self._times: list[float] = []

    def count(self) -> bool:
        """Count one more; whether it is one too many."""
        now = self._clock()
        self._times.append(now)
        while now - self._times[0] >= self._seconds:
            del self._times[0]
        return len(self._times) >= self._limit
