"""How flows refuse. The codes are part of the wire and do not change; the texts may.

Refused                     nothing was written, nothing was announced
├── InvalidValue            a value that only the stored state shows to be wrong
│   └── UnknownUser         nobody of that name can be added
├── Forbidden               the actor may see the session, but not do this
├── SessionNotFound         no such session, or none that the actor may know of
├── SessionEnded            the session takes no more writes
├── Conflict                the session has moved on since `if_head`
├── KeyConflict             the key was used before, with another input
├── AlreadyDone             the session is already as asked
├── UnrecoverablePosition   the position does not belong to this log
├── LimitReached            more than the server grants
└── Unavailable             the store cannot be reached or is full up; try again
"""

from typing import ClassVar

__all__ = [
    "AlreadyDone",
    "Conflict",
    "Forbidden",
    "InvalidValue",
    "KeyConflict",
    "LimitReached",
    "Refused",
    "SessionEnded",
    "SessionNotFound",
    "Unavailable",
    "UnknownUser",
    "UnrecoverablePosition",
]


class Refused(Exception):
    """A flow did not do what was asked, and nothing has changed."""

    code: ClassVar[str] = "refused"

    def fields(self) -> dict[str, int | str]:
        """What a client gets beside the code, for example `{"head": 7}`."""
        return {}


class InvalidValue(Refused):
    """A value is wrong in the light of what is stored; `path` is where it stands, `$.reply_to`."""

    code = "invalid_input"

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{reason} - at `{path}`")
        self.path = path
        self.reason = reason

    def fields(self) -> dict[str, int | str]:
        return {"path": self.path}


class UnknownUser(InvalidValue):
    """There is no user of that name who could take part."""

    def __init__(self, user: str, path: str = "$.user") -> None:
        super().__init__(path, "There is no such user")
        self.user = user


class Forbidden(Refused):
    """The actor's role does not allow this."""

    code = "forbidden"


class SessionNotFound(Refused):
    """There is no such session, or none that the actor may know of: the two look the same."""

    code = "session_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such session")


class SessionEnded(Refused):
    """The session has ended and takes no more writes until it is resumed."""

    code = "session_ended"

    def __init__(self) -> None:
        super().__init__("The session has ended")


class Conflict(Refused):
    """The session is not at `if_head` any more; `head` is where it is."""

    code = "conflict"

    def __init__(self, head: int) -> None:
        super().__init__(f"The session has moved on to {head}")
        self.head = head

    def fields(self) -> dict[str, int | str]:
        return {"head": self.head}


class KeyConflict(Refused):
    """The actor used this key before, for another input."""

    code = "key_conflict"

    def __init__(self) -> None:
        super().__init__("This key was used before, with other params")


class AlreadyDone(Refused):
    """The session is already as asked; nothing was written."""

    code = "already_done"


class UnrecoverablePosition(Refused):
    """The position belongs to another log: a later one than is stored, or another epoch's."""

    code = "unrecoverable_position"

    def __init__(self, head: int, epoch: str) -> None:
        super().__init__("The log does not have this position; take a snapshot and watch from it")
        self.head = head
        self.epoch = epoch

    def fields(self) -> dict[str, int | str]:
        return {"head": self.head, "epoch": self.epoch}


class LimitReached(Refused):
    """More than the server grants; `limit` is how much it does."""

    code = "limit_reached"

    def __init__(self, limit: int, what: str) -> None:
        super().__init__(f"At most {limit} {what}")
        self.limit = limit

    def fields(self) -> dict[str, int | str]:
        return {"limit": self.limit}


class Unavailable(Refused):
    """The store cannot be reached or has too much waiting; the same key may be sent again."""

    code = "unavailable"

    def __init__(self, reason: str = "The store is not available, try again") -> None:
        super().__init__(reason)
