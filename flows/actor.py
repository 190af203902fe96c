"""Who acts: a user, a member of staff with authority, or the system itself."""

from msgspec import Struct

#: The system's own name. No user can have it: `$` is no character of a user name.
SYSTEM_NAME = "$system"


class Actor(Struct, frozen=True):
    """Who asks. `name` goes into the log; `authority` stands in for a role in any session."""

    name: str
    authority: bool = False


SYSTEM = Actor(SYSTEM_NAME, authority=True)
