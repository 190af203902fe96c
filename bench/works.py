"""The work that servers are given: who connects to what, and what they do."""

from typing import Any

from bench.contenders import Contender
from bench.rounds import Arrange


def rooms_of(clients: int, each: int) -> list[list[int]]:
    """Rooms of `each` clients, by their numbers."""
    return [list(range(begin, begin + each)) for begin in range(0, clients, each)]


def messages(clients: int, each: int, outstanding: int, seconds: float) -> Arrange:
    """Clients in rooms of `each`, who have always so many messages under way."""

    def arrange(contender: Contender) -> dict[str, Any]:
        return {
            "work": "messages",
            "people": contender.people(rooms_of(clients, each)),
            "outstanding": outstanding,
            "warm_up": min(1.0, seconds / 3),
            "seconds": seconds,
        }

    return arrange
