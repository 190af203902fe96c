"""What happens in the sessions of a test: Ann begins them, people write, and it is read back."""

from typing import Any, NoReturn
from uuid import UUID

from flows.actor import Actor
from flows.atoms.ids import uuid7
from flows.atoms.sessions import Bookmark, Committed, Decide, Sessions, Summary
from flows.events import Body, Event, ParticipantAdded, Role, SessionCreated
from flows.input import Mutation, SessionMutation
from flows.session import Session, Status

ANN, BOB, CID, DAN = (Actor(name) for name in ("ann", "bob", "cid", "dan"))
NOWHERE = uuid7(0xDEAD, bytes(10))


class Begin(Mutation, frozen=True, kw_only=True, omit_defaults=True):
    """Begins a session."""

    note: str = ""


class Write(SessionMutation, frozen=True, kw_only=True, omit_defaults=True):
    """Writes in a session."""

    note: str = ""


def session_id(number: int = 1) -> UUID:
    """The id of a test's first, second, … session; later ones are greater."""
    return uuid7(number, bytes(10))


def adds(user: str, role: Role = Role.MEMBER) -> ParticipantAdded:
    return ParticipantAdded(user, role)


async def begin(
    sessions: Sessions,
    number: int = 1,
    *more: Body,
    title: str = "Roof repair",
    metadata: dict[str, Any] | None = None,
    by: Actor = ANN,
) -> UUID:
    """A session of Ann with Bob as a member."""
    id = session_id(number)
    bodies: list[Body] = [SessionCreated(title, metadata or {}), adds("bob"), *more]
    await sessions.create(Begin(key=f"begin-{number}"), by=by, session_id=id, begin=lambda: bodies)
    return id


async def write(
    sessions: Sessions, id: UUID, *bodies: Body, by: Actor = ANN, key: str = "k", note: str = ""
) -> Committed:
    input = Write(session_id=id, key=key, note=note)
    return await sessions.commit(input, by=by, decide=lambda _: bodies)


async def log(sessions: Sessions, id: UUID, *, of: Actor = ANN) -> list[Event]:
    page = await sessions.events(id, of=of, after=0, limit=500)
    assert page is not None
    return page.events


async def now(sessions: Sessions, id: UUID) -> Session:
    session = await sessions.find(id)
    assert session is not None
    return session


async def listed(
    sessions: Sessions,
    user: Actor = ANN,
    *,
    status: Status | None = None,
    search: str = "",
    before: Bookmark | None = None,
    limit: int = 50,
) -> list[Summary]:
    return await sessions.list_for(user, status=status, search=search, before=before, limit=limit)


def refusing(error: Exception) -> Decide:
    def decide(session: Session) -> NoReturn:
        raise error

    return decide


def never(session: Session) -> NoReturn:
    raise AssertionError("this is not asked")


async def assert_unchanged(
    sessions: Sessions, id: UUID, events: list[Event], session: Session
) -> None:
    assert events == await log(sessions, id)
    assert session == await now(sessions, id)


async def seen(sessions: Sessions, id: UUID, seq: int, *, by: Actor = BOB) -> bool:
    return await sessions.mark_seen(id, by=by, decide=lambda _: seq)


async def cursors(sessions: Sessions, id: UUID) -> dict[str, int]:
    return {user: each.seen for user, each in (await now(sessions, id)).participants.items()}
