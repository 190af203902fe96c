"""What a lane remembers of sessions from one transaction to the next."""

from collections import OrderedDict
from collections.abc import Iterable
from uuid import UUID

from sessions_app.adapters.rows import Stored


class Known:
    """Sessions as a lane left them, so that it need not load them again; the last used ones.

    One whose `last_seq` is still the same is still the same, and one that another node has written
    to is that with its events: a session is the fold of its log. Only cursors move without events:
    on another node `seen` may be further than here.
    """

    def __init__(self, most: int = 1024) -> None:
        self._most = most
        self._sessions: OrderedDict[UUID, Stored] = OrderedDict()

    def forget(self) -> None:
        """Nothing that is remembered counts any more: the log was replaced. From any thread."""
        self._sessions = OrderedDict()

    def get(self, session_id: UUID) -> Stored | None:
        """The session as it was left, which may be long ago."""
        return self._sessions.get(session_id)

    def update(self, sessions: Iterable[Stored]) -> None:
        """Remember these, forget those that were not used for longest."""
        remembered = self._sessions
        for stored in sessions:
            remembered[stored.session.session_id] = stored
            remembered.move_to_end(stored.session.session_id)
        while len(remembered) > self._most:
            remembered.popitem(last=False)
