"""The connection that asks, as far as it can watch sessions."""

from collections.abc import Collection, Sequence
from typing import Protocol
from uuid import UUID

from flows.engine import Tag


class Watcher(Protocol):
    """One connection's watches. Doors without a connection (HTTP, a command) bind none.

    Nothing is sent before the request that asked for it has been answered.
    """

    @property
    def connection(self) -> str:
        """The connection's id, as `welcome` told it."""
        ...

    @property
    def watching(self) -> Collection[UUID]:
        """The sessions that are watched now."""
        ...

    async def register(self, session_ids: Sequence[UUID]) -> None:
        """From now on, whatever is committed in these sessions is noticed here.

        A head that is read afterwards leaves no window in which an event could be missed.
        """
        ...

    def follow(
        self,
        session_id: UUID,
        *,
        after: int,
        head: int,
        replay: bool = True,
        observe: bool = False,
        reason: str = "",
    ) -> None:
        """Send the events after `after`, then `live`, then those to come.

        `head` was read after `register`. A session that is followed already goes on from `after`.
        Without `replay`, it is no replay that the client waits for, and `live` is not sent. To
        `observe` is to watch by right, as long as the right lasts, and not by taking part; it is
        done for a `reason`.
        """
        ...

    def observes(self, session_id: UUID, *, reason: str) -> bool:
        """Whether this user observes the session already for this reason, or did a moment ago.

        As far as this process knows: then the audit has it.
        """
        ...

    def forget(self, session_ids: Sequence[UUID]) -> None:
        """Send nothing more of these sessions; unknown ones are ignored."""
        ...


watcher = Tag[Watcher]("watcher")
