"""What is new in sessions since the last look. The database's own numbers are the cursor."""

from collections.abc import Iterator
from uuid import UUID

from flows.events import Event
from sessions_app import models
from sessions_app.adapters import rows

#: Rows that are in memory at a time.
PAGE = 500


class Tail:
    """A cursor in one session, or in each one; it begins with what comes after it was made.

    Each event is given once, those of a session in their order. A session that was not there before
    is given from its first event.
    """

    def __init__(self, session_id: UUID | None, *, using: str) -> None:
        self._session_id = session_id
        self._using = using
        self._positions = self._heads()

    def news(self) -> Iterator[Event]:
        """What has been committed since."""
        heads = self._heads()
        for session_id, head in heads.items():
            position = self._positions.get(session_id, 0)
            if head > position:
                yield from self._events(session_id, position, head)
        # Those that were deleted are forgotten.
        self._positions = heads

    def _heads(self) -> dict[UUID, int]:
        sessions = models.Session.objects.using(self._using).order_by("last_activity", "pk")
        if self._session_id is not None:
            sessions = sessions.filter(pk=self._session_id)
        return dict(sessions.values_list("pk", "last_seq").iterator(PAGE))

    def _events(self, session_id: UUID, after: int, head: int) -> Iterator[Event]:
        log = models.Event.objects.using(self._using).filter(session=session_id)
        found = log.filter(seq__gt=after, seq__lte=head).order_by("seq")
        # Nobody's key is shown.
        yield from (rows.event(row, of="") for row in found.values_list(*rows.EVENT).iterator(PAGE))
