"""The work that servers are given: who connects to what, and what they do."""

from typing import Any

from bench.contenders import PEOPLE, Contender, Ours, token_of
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
            "verified": True,
        }

    return arrange


def grown(sessions: int, events: int, then: Arrange) -> Arrange:
    """As `then`, in a database that has so many other sessions with so many events each."""

    def arrange(contender: Contender) -> dict[str, Any]:
        assert isinstance(contender, Ours)
        contender.fill(sessions, events)
        return {**then(contender), "verified": False}

    return arrange


def fan_out(watchers: int, seconds: float) -> Arrange:
    """One event at a time to so many who watch one session."""

    def arrange(contender: Contender) -> dict[str, Any]:
        people = contender.people(rooms_of(watchers, watchers))
        return {"work": "fan_out", "people": people, "seconds": seconds, "verified": True}

    return arrange


def storm(clients: int) -> Arrange:
    """So many connect and watch at once, in sessions of five."""

    def arrange(contender: Contender) -> dict[str, Any]:
        return {"work": "storm", "people": contender.people(rooms_of(clients, 5))}

    return arrange


def idle(clients: int) -> Arrange:
    """So many connect, watch, and are silent."""

    def arrange(contender: Contender) -> dict[str, Any]:
        people = contender.people(rooms_of(clients, 5))
        return {"work": "idle", "people": people, "seconds": 2}

    return arrange


def read_log(events: int, *, limit: int | None) -> Arrange:
    """One client gets a log of so many messages: by watching, or in pages of `limit`."""

    def arrange(contender: Contender) -> dict[str, Any]:
        assert isinstance(contender, Ours)
        room = contender.fill(1, events + 1)
        return {
            "work": "replay" if limit is None else "paging",
            "people": [{"room": room, "token": token_of(PEOPLE - 1)}],
            "events": events,
            "limit": limit,
        }

    return arrange
