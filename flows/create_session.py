"""Begin a session."""

from typing import Annotated

from flows.engine import Context, flow, maybe, need
from msgspec import Meta, Struct

from flows.actor import SYSTEM_NAME, Actor
from flows.atoms.actor import actor
from flows.atoms.ids import NewId, new_id
from flows.atoms.limits import Limits, limits
from flows.atoms.sessions import Created, Sessions, sessions
from flows.atoms.watcher import Watcher, watcher
from flows.errors import (
    Forbidden,
    InvalidValue,
    KeyConflict,
    LimitReached,
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
    if watcher and len(watcher.watching) >= limits.watching:
        raise LimitReached(limits.watching, "sessions watched by one connection")
    try:
        created = await sessions.create(
            ctx.input, by=actor, session_id=new_id(), bodies=beginning(ctx.input, actor)
        )
    except UnknownUser as error:
        raise UnknownUser(error.user, path_of(ctx.input, error.user)) from None
    if watcher:
        await watch(created, sessions, actor, watcher)
    return created


def beginning(input: CreateSession, owner: Actor) -> list[Body]:
    """What happens: the session begins, and each participant is added by an event of its own."""
    if owner.name == SYSTEM_NAME:
        raise Forbidden("A session is owned by a user, and the system is none")
    names = [owner.name, *(each.user for each in input.participants)]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise InvalidValue(path_of(input, name, last=True), f"{name} takes part already")
    return [
        SessionCreated(title=input.title, metadata=input.metadata),
        *(ParticipantAdded(user=each.user, role=Role(each.role)) for each in input.participants),
    ]


def path_of(input: CreateSession, user: str, *, last: bool = False) -> str:
    """Where in the input `user` stands."""
    places = [index for index, each in enumerate(input.participants) if each.user == user]
    return f"$.participants[{places[-1 if last else 0]}].user"


async def watch(created: Created, sessions: Sessions, actor: Actor, watcher: Watcher) -> None:
    """Watch it from its beginning; one that was there before, from its head."""
    await watcher.register([created.session_id])
    if not created.duplicate:
        watcher.follow(created.session_id, after=0, head=created.seq)
        return
    standing = (await sessions.standings([created.session_id], of=actor)).get(created.session_id)
    if standing and standing.role:
        watcher.follow(created.session_id, after=standing.head, head=standing.head)
