"""Begin a session."""

from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from flows.actor import Actor, Right
from flows.atoms.actor import actor
from flows.atoms.ids import NewId, new_id
from flows.atoms.limits import Limits, limits
from flows.atoms.sessions import Created, Sessions, sessions
from flows.atoms.watcher import Watcher, watcher
from flows.engine import Context, flow, maybe, need
from flows.errors import (
    Forbidden,
    InvalidValue,
    KeyConflict,
    LimitReached,
    Refused,
    Unavailable,
    UnknownUser,
)
from flows.events import Body, ParticipantAdded, Role, SessionCreated
from flows.input import GivenRole, Metadata, Mutation, Title, UserName, check_json

#: Protocol, section 9.
MAX_PARTICIPANTS = 200


class NewParticipant(Struct, frozen=True, forbid_unknown_fields=True):
    """Who takes part from the beginning."""

    user: UserName
    role: GivenRole


class CreateSession(Mutation, frozen=True, kw_only=True, omit_defaults=True):
    """A new session, owned by who asks."""

    title: Title = ""
    metadata: Metadata = {}
    participants: Annotated[list[NewParticipant], Meta(max_length=MAX_PARTICIPANTS)] = []

    def __post_init__(self) -> None:
        check_json(self.metadata, "$.metadata")


@flow(faults=(Forbidden, InvalidValue, KeyConflict, LimitReached, UnknownUser, Unavailable))
async def create_session(
    ctx: Context[CreateSession],
    *,
    sessions: Sessions = need(sessions),
    actor: Actor = need(actor),
    new_id: NewId = need(new_id),
    watcher: Watcher | None = maybe(watcher),
    limits: Limits = need(limits),
) -> Created:
    """Begin a session, own it and watch it."""
    input, session_id = ctx.input, new_id()
    full = watcher is not None and len(watcher.watching) >= limits.watching

    def begin() -> list[Body]:
        if full:
            raise LimitReached(limits.watching, "sessions watched by one connection")
        return beginning(input, actor)

    if watcher and not full:
        # Before there is anything to miss.
        await watcher.register([session_id])
    try:
        created = await sessions.create(input, by=actor, session_id=session_id, begin=begin)
    except UnknownUser as error:
        raise located(error, input) from None
    if full:
        # Repeated where there is no room: the first result, and what is watched stays as it is.
        return created
    if watcher and created.duplicate:
        await watch_again(created.session_id, sessions, actor, watcher)
    elif watcher:
        watcher.follow(session_id, after=0, head=created.seq, replay=False)
    return created


def beginning(input: CreateSession, owner: Actor) -> list[Body]:
    """What happens: the session begins, and each participant is added by an event of its own."""
    present = {owner.name}
    for index, each in enumerate(input.participants):
        if each.user in present:
            raise InvalidValue(path_of(index), f"{each.user} takes part already")
        present.add(each.user)
    return [
        SessionCreated(title=input.title, metadata=input.metadata),
        *(ParticipantAdded(user=each.user, role=Role(each.role)) for each in input.participants),
    ]


def path_of(index: int) -> str:
    """Where in the input a participant's name stands."""
    return f"$.participants[{index}].user"


def located(error: UnknownUser, input: CreateSession) -> Refused:
    """`error` where the client can see it: in its input, or in who it is."""
    for index, each in enumerate(input.participants):
        if each.user == error.user:
            return UnknownUser(error.user, path_of(index))
    return Forbidden(f"A session is owned by a user, and {error.user} is none")


async def watch_again(session_id: UUID, sessions: Sessions, actor: Actor, watcher: Watcher) -> None:
    """Watch from its head what was there before; where it is watched already, it just goes on."""
    if session_id in watcher.watching:
        return
    await watcher.register([session_id])
    standing = (await sessions.standings([session_id], of=actor)).get(session_id)
    if standing and (standing.role or actor.may(Right.READ)):
        watcher.follow(session_id, after=standing.head, head=standing.head, replay=False)
