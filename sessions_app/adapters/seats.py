"""How participants come, go and change their roles, gathered until they are stored."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flows.events import Body, Event, ParticipantAdded, ParticipantRemoved, Role, SessionCreated
from flows.session import Session
from sessions_app import models


@dataclass(slots=True)
class Seat:
    """What becomes of one participant's row; None: stays as it is."""

    role: Role | None = None
    #: Takes (or takes again) a seat: everything in the row is new.
    joined: int | None = None
    left: int | None = None


class Seats:
    """The changes of one batch, by session and user."""

    def __init__(self) -> None:
        self._seats: dict[tuple[UUID, str], Seat] = {}

    def note(self, event: Event, body: Body, before: Session | None) -> str | None:
        """Note what `event` changes in a session that was as `before`; who joins, if anybody."""
        match body:
            case SessionCreated():
                return self._join(event, event.actor, Role.OWNER)
            case ParticipantAdded(user=user, role=role):
                if before is None or user not in before.participants:
                    return self._join(event, user, role)
                self._seat(event, user).role = role
            case ParticipantRemoved(user=user):
                if before is not None and user in before.participants:
                    self._seat(event, user).left = event.seq
            case _:
                pass
        return None

    def store(self, user_ids: dict[str, int], *, using: str) -> None:
        """Write the changes down. `user_ids` has everybody who joins."""
        rows = models.Participant.objects.using(using)
        joining: list[models.Participant] = []
        for (session_id, user), seat in self._seats.items():
            if seat.joined is None:
                changes: dict[str, Any] = {} if seat.role is None else {"role": seat.role}
                if seat.left is not None:
                    changes["left_seq"] = seat.left
                rows.filter(session=session_id, user__username=user).update(**changes)
                continue
            joining.append(
                models.Participant(
                    session_id=session_id,
                    user_id=user_ids[user],
                    role=seat.role,
                    joined_seq=seat.joined,
                    left_seq=seat.left,
                    seen_seq=0,
                )
            )
        if joining:
            # Who comes back takes the row they had: the cursor begins anew, as in the fold.
            rows.bulk_create(
                joining,
                update_conflicts=True,
                unique_fields=["session", "user"],
                update_fields=["role", "joined_seq", "left_seq", "seen_seq"],
            )

    def _join(self, event: Event, user: str, role: Role) -> str:
        self._seats[event.session_id, user] = Seat(role=role, joined=event.seq)
        return user

    def _seat(self, event: Event, user: str) -> Seat:
        return self._seats.setdefault((event.session_id, user), Seat())
