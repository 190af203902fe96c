"""Who acts, and what they may do beside what their role in a session allows."""

from enum import StrEnum

from msgspec import Struct

from flows.errors import Forbidden

#: The system's own name. No user can have it: `$` is no character of a user name.
SYSTEM_NAME = "$system"


class Right(StrEnum):
    """What staff may do in sessions that they take no part in. None of them includes another."""

    #: To know what sessions there are: titles, who takes part, how much was written, who is here.
    VIEW = "view"
    #: To read what was said: messages and all other data of events, exports.
    READ = "read"
    #: To act: end, reopen, rename, add, remove, disconnect, and write as staff.
    ACT = "act"
    #: To send the clients of a whole process elsewhere.
    DRAIN = "drain"
    #: To delete whole sessions, for ever, and to take them in.
    DELETE = "delete"


EVERYTHING = frozenset(Right)


class Actor(Struct, frozen=True):
    """Who asks. `name` goes into the log; a right stands in for a role in any session.

    Rights are what a door grants to a request, not what a user has: what staff do in sessions of
    their own is done by their role, as everybody's.
    """

    name: str
    rights: frozenset[Right] = frozenset()

    def may(self, right: Right) -> bool:
        """Whether this actor has `right`."""
        return right in self.rights

    def require(self, right: Right) -> None:
        """Raise Forbidden to those who do not have `right`."""
        if right not in self.rights:
            raise Forbidden(f"This takes the right to {right}")


SYSTEM = Actor(SYSTEM_NAME, EVERYTHING)
