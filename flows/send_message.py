"""Write a message in a session."""

from collections.abc import Iterable

from msgspec import UNSET

from flows.actor import Actor
from flows.atoms.actor import actor
from flows.atoms.audit import act_in_session, reason
from flows.atoms.sessions import Committed, Sessions, sessions
from flows.engine import Context, flow, maybe, need
from flows.errors import (
    Conflict,
    Forbidden,
    InvalidValue,
    KeyConflict,
    SessionEnded,
    SessionNotFound,
    Unavailable,
)
from flows.events import Body, MessageSent, Role
from flows.input import Metadata, Position, Seq, SessionMutation, Text, check_json
from flows.session import Session


class SendMessage(SessionMutation, frozen=True, kw_only=True, omit_defaults=True):
    """What is said; with `if_head`, only if nothing was said since."""

    text: Text
    reply_to: Seq | None = None
    metadata: Metadata | None = None
    if_head: Position | None = None

    def __post_init__(self) -> None:
        if self.metadata is not None:
            check_json(self.metadata, "$.metadata")


@flow(
    faults=(
        SessionNotFound,
        Forbidden,
        SessionEnded,
        Conflict,
        InvalidValue,
        KeyConflict,
        Unavailable,
    )
)
async def send_message(
    ctx: Context[SendMessage],
    *,
    sessions: Sessions = need(sessions),
    actor: Actor = need(actor),
    reason: str | None = maybe(reason),
) -> Committed:
    """Write a message in an open session."""
    input = ctx.input

    def decide(session: Session) -> Iterable[Body]:
        session.require(actor, at_least=Role.MEMBER)
        session.require_open()
        session.require_head(input.if_head)
        session.require_seq(input.reply_to, "$.reply_to")
        # Who has no role in it writes by right: as staff, which everybody can see.
        return [message(input, staff=session.role_of(actor.name) is None)]

    act = act_in_session(actor, "Wrote as staff", input.session_id, reason)
    return await sessions.commit(input, by=actor, decide=decide, act=act)


def message(input: SendMessage, *, staff: bool) -> MessageSent:
    """The message as an event: what was not given is left out."""
    return MessageSent(
        text=input.text,
        reply_to=UNSET if input.reply_to is None else input.reply_to,
        metadata=UNSET if input.metadata is None else input.metadata,
        staff=staff,
    )
