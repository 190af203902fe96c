"""Telling those who watch a session something that is not stored and may be lost."""

from typing import Any, Protocol
from uuid import UUID

from flows.engine import Port


class Announcer(Protocol):
    """Reaches every connection that watches, on every node, without waiting for any of them.

    `origin` is the id of the connection that does not need to hear it.
    """

    def seen(self, session_id: UUID, *, user: str, seq: int, origin: str | None) -> None:
        """`user` has seen everything up to `seq`."""
        ...

    def signal(
        self, session_id: UUID, *, actor: str, name: str, data: Any, origin: str | None
    ) -> None:
        """`actor` signals something: typing, a cursor, anything that is over in a moment."""
        ...


announcer = Port[Announcer]("announcer")
