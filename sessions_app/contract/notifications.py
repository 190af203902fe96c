"""What the server tells on its own (protocol, section 4): the params of each notification."""

from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

from flows.atoms.limits import Limits
from flows.events import Event, Role


class WelcomeParams(Struct, frozen=True):
    """The first frame: who and where one is, and what the server grants.

    `epoch` names the log's history, which positions belong to.
    """

    connection: str
    user: str
    epoch: str
    node: str
    server: str
    limits: Limits
    ping_seconds: float


class SeenParams(Struct, frozen=True):
    """`user` has seen everything up to `seq`."""

    session_id: UUID
    user: str
    seq: int


class LiveParams(Struct, frozen=True):
    """The replay is over at `head`: what follows happens now."""

    session_id: UUID
    head: int


class LaggingParams(Struct, frozen=True):
    """This connection reads too slowly and is `behind` by so many events, until `live`."""

    session_id: UUID
    behind: int


class UnwatchedParams(Struct, frozen=True):
    """Nothing more of this session will come."""

    session_id: UUID
    reason: Literal["removed", "forbidden", "deleted"]


class SignalParams(Struct, frozen=True):
    """Somebody signals something that is not stored: typing, a cursor."""

    session_id: UUID
    actor: str
    name: str
    data: dict[str, Any]


class PresenceParams(Struct, frozen=True):
    """Who watches the session now: `here` names them; when there are too many, `count` counts."""

    session_id: UUID
    here: list[str] | UnsetType = UNSET
    count: int | UnsetType = UNSET


class AddedParams(Struct, frozen=True):
    """`actor` has added one to a session, or given one another role, by its event `seq`.

    A hint, for who connected with `?added=1` and does not watch the session: it may be lost, and
    `list_sessions` has them all.
    """

    session_id: UUID
    seq: int
    role: Role
    actor: str


class PingParams(Struct, frozen=True):
    """The heads of all that is watched, by session: a client behind one watches again."""

    heads: dict[str, int]


class DrainingParams(Struct, frozen=True):
    """The process ends: connect anew at a moment of one's own from low to high."""

    reconnect_in_ms: Annotated[list[int], Meta(min_length=2, max_length=2)]
    deadline_ms: int


class AuthExpiringParams(Struct, frozen=True):
    """The credentials end in so many milliseconds."""

    in_ms: int


#: The params of each, by method; clients ignore methods that they do not know.
NOTIFICATIONS: dict[str, type[Struct]] = {
    "welcome": WelcomeParams,
    "event": Event,
    "seen": SeenParams,
    "live": LiveParams,
    "lagging": LaggingParams,
    "unwatched": UnwatchedParams,
    "signal": SignalParams,
    "presence": PresenceParams,
    "added": AddedParams,
    "ping": PingParams,
    "draining": DrainingParams,
    "auth_expiring": AuthExpiringParams,
}
