"""Who observes which session on this node, or did until a moment ago. No I/O.

Most whose connection breaks are back at once: what goes on is not recorded again.
"""

from collections import Counter
from collections.abc import Callable
from typing import TypeAlias
from uuid import UUID

from sessions_app.adapters.presence import LEAVING_SECONDS

#: A session, the user, and the reason that was recorded.
Observation: TypeAlias = tuple[UUID, str, str]


class Observations:
    """What goes on; each `begin` is followed by one `end`."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._now: Counter[Observation] = Counter()
        #: Those that a broken connection has ended, and until when they go on.
        self._lost: dict[Observation, float] = {}

    def begin(self, observation: Observation) -> None:
        """It is recorded, and its events are sent from now on."""
        self._now[observation] += 1
        self._lost.pop(observation, None)

    def end(self, observation: Observation, *, lost: bool) -> None:
        """Nothing more is sent: the connection was `lost`, or that was meant."""
        self._now -= Counter([observation])
        now = self._clock()
        self._lost = {each: until for each, until in self._lost.items() if until > now}
        if lost:
            self._lost[observation] = now + LEAVING_SECONDS

    def goes_on(self, observation: Observation) -> bool:
        """Whether who asks for it has it, or had it until a moment ago, in this very process."""
        if self._now[observation]:
            return True
        return self._lost.get(observation, float("-inf")) > self._clock()
