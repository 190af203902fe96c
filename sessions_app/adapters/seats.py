"""How participants come, go and change their roles, gathered until they are stored."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flows.events import Body, Event, ParticipantAdded, ParticipantRemoved, Role, SessionCreated
from flows.session import Session
from sessions_app import models


@dataclass(slots=True)
class Seat:
    """A seat that is taken, or taken again: everything in its row is new."""

    role: Role
    joined: int
    left: int | None = None


class Seats:
    """The changes of one batch, by session and user."""

    def __init__(self) -> None:
        self._taken: dict[tuple[UUID, str], Seat] = {}
        #: Of seats that were taken before: the columns that change.
        self._changed: dict[tuple[UUID, str], dict[str, Any]] = {}

    def note(self, event: Event, body: Body, before: Session | None) -> str | None:
        """Note what `event` changes in a session that was as `before`; who joins, if anybody."""
        present = before.participants if before else {}
        match body:
            case SessionCreated():
                return self._take(event, event.actor, Role.OWNER)
            case ParticipantAdded(user=user, role=role) if user in present:
                self._change_role(event, user, role)
            case ParticipantAdded(user=user, role=role):
                return self._take(event, user, role)
            case ParticipantRemoved(user=user) if user in present:
                self._leave(event, user)
            case _:
                pass
        return None

    def store(self, user_ids: Mapping[str, int], *, using: str) -> None:
        """Write the changes down. `user_ids` has everybody who joins."""
        rows = models.Participant.objects.using(using)
        for (session_id, user), columns in self._changed.items():
            rows.filter(session=session_id, user__username=user).update(**columns)
        if self._taken:
            # Who comes back takes the row they had: the cursor begins anew, as in the fold.
            rows.bulk_create(
                [
                    models.Participant(
                        session_id=session_id,
                        user_id=user_ids[user],
                        role=seat.role,
                        joined_seq=seat.joined,
                        left_seq=seat.left,
                        seen_seq=0,
                    )
                    for (session_id, user), seat in self._taken.items()
                ],
                update_conflicts=True,
                unique_fields=["session", "user"],
                update_fields=["role", "joined_seq", "left_seq", "seen_seq"],
            )

    def _take(self, event: Event, user: str, role: Role) -> str:
        place = (event.session_id, user)
        self._changed.pop(place, None)
        self._taken[place] = Seat(role, event.seq)
        return user

    def _change_role(self, event: Event, user: str, role: Role) -> None:
        place = (event.session_id, user)
        if seat := self._taken.get(place):
            seat.role = role
        else:
            self._changed.setdefault(place, {})["role"] = role

    def _leave(self, event: Event, user: str) -> None:
        place = (event.session_id, user)
        if seat := self._taken.get(place):
            seat.left = event.seq
        else:
            self._changed.setdefault(place, {})["left_seq"] = event.seq
