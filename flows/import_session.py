"""Take in a session from its exported log."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from flows.actor import Actor, Right
from flows.atoms.actor import actor
from flows.atoms.archive import Archive, archive
from flows.engine import Context, flow, need
from flows.errors import Forbidden, InvalidValue, Unavailable, UnknownUser
from flows.events import Event
from flows.input import Input, UserName
from flows.replay import replay


class ImportSession(Input, frozen=True, kw_only=True):
    """The whole log; who is called otherwise here; whether to make users who are not here."""

    log: list[dict[str, Any]]
    users: dict[UserName, UserName] = {}
    create_users: bool = False


class Imported(Struct, frozen=True):
    """A session is here with so many events; `before`: it was already, with the same log."""

    session_id: UUID
    events: int
    before: bool


@flow(faults=(Forbidden, InvalidValue, UnknownUser, Unavailable))
async def import_session(
    ctx: Context[ImportSession],
    *,
    archive: Archive = need(archive),
    actor: Actor = need(actor),
) -> Imported:
    """Take in a session as it was: its id, numbers, authors and times. All of it, or nothing.

    Cursors begin anew. Keys that the log has are receipts again, so that they never run again;
    those that it does not have are free.
    """
    actor.require(Right.DELETE)
    try:
        events = [renamed(each, ctx.input.users) for each in parsed(ctx.input.log)]
        made = replay(events)
    except ValueError as error:
        raise InvalidValue("$.log", str(error)) from None
    added = await archive.add(events, made, create_users=ctx.input.create_users)
    return Imported(made.record.session_id, len(events), not added)


def parsed(log: Sequence[Mapping[str, Any]]) -> list[Event]:
    """The events of `log`. Raises ValueError, with the line of the one that is none."""
    events: list[Event] = []
    for number, each in enumerate(log, 1):
        try:
            events.append(msgspec.convert(each, Event))
        except msgspec.ValidationError as error:
            raise ValueError(f"line {number}: {error}") from None
    return events


def renamed(event: Event, users: Mapping[str, str]) -> Event:
    """`event` with its author, and whom it is about, as they are called here."""
    data = msgspec.convert(event.data, dict[str, Any])
    user = data.get("user")
    if isinstance(user, str):
        data = {**data, "user": users.get(user, user)}
    return replace(event, actor=users.get(event.actor, event.actor), data=data)
