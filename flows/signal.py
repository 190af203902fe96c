"""Tell those who watch a session something that is over in a moment."""

from uuid import UUID

from msgspec import UNSET, Struct, UnsetType

from flows.actor import Actor
from flows.atoms.actor import actor
from flows.atoms.announcer import Announcer, announcer
from flows.atoms.sessions import Sessions, sessions
from flows.atoms.watcher import Watcher, watcher
from flows.engine import Context, flow, need
from flows.errors import Forbidden, SessionEnded, SessionNotFound, Unavailable
from flows.events import Role
from flows.input import Input, Metadata, SignalName, check_json


class Signal(Input, frozen=True, kw_only=True):
    """What is signalled: `typing`, say, and whatever belongs to it."""

    session_id: UUID
    name: SignalName
    data: Metadata | UnsetType = UNSET

    def __post_init__(self) -> None:
        if self.data is not UNSET:
            check_json(self.data, "$.data")


class Signalled(Struct, frozen=True):
    """Nothing more to tell."""


@flow(faults=(SessionNotFound, Forbidden, SessionEnded, Unavailable))
async def signal(
    ctx: Context[Signal],
    *,
    sessions: Sessions = need(sessions),
    announcer: Announcer = need(announcer),
    watcher: Watcher = need(watcher),
    actor: Actor = need(actor),
) -> Signalled:
    """Signal something that is neither stored nor numbered, to all who watch but oneself."""
    input = ctx.input
    session = await sessions.find(input.session_id)
    if session is None:
        raise SessionNotFound
    session.require(actor, at_least=Role.OBSERVER)
    session.require_open()
    announcer.signal(
        input.session_id,
        actor=actor.name,
        name=input.name,
        data={} if input.data is UNSET else input.data,
        origin=watcher.connection,
    )
    return Signalled()
