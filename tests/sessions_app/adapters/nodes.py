"""A node: one process's log of sessions, its lane held up and let go as a test wants."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from threading import Event as Flag
from typing import Any, NoReturn, TypeAlias
from uuid import UUID, uuid4

import msgspec
from django.db.models import Model
from msgspec.structs import replace

from flows.actor import Actor
from flows.atoms.sessions import Committed, Created, Decide
from flows.errors import Forbidden
from flows.events import Body, Event, MessageSent, ParticipantAdded, Role, SessionCreated
from flows.input import Mutation, SessionMutation
from flows.session import Session
from sessions_app.adapters.log import DjangoSessions
from tests.fakes import FixedClock, fold

ANN, BOB, CID, DAN = (Actor(name) for name in ("ann", "bob", "cid", "dan"))


class Begin(Mutation, frozen=True, kw_only=True, omit_defaults=True):
    """Begins a session."""

    note: str = ""


class Write(SessionMutation, frozen=True, kw_only=True, omit_defaults=True):
    """Writes in a session."""

    note: str = ""


def refuse(session: Session) -> NoReturn:
    """A rule that nobody fulfils."""
    raise Forbidden("Not you")


def never(session: Session) -> NoReturn:
    """A rule that must not be asked."""
    raise AssertionError("this is not asked")


class Gate:
    """A rule that holds up the lane that asks it until the gate is opened."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._reached = asyncio.Event()
        self._opened = Flag()

    def __call__(self, session: Session) -> Iterable[Body]:
        self._loop.call_soon_threadsafe(self._reached.set)
        # Longer than any test takes: a gate that is forgotten must not hang the run.
        assert self._opened.wait(10), "the gate was not opened"
        return [MessageSent("held up")]

    async def reached(self) -> None:
        """Wait until a lane stands before the gate."""
        await self._reached.wait()

    def open(self) -> None:
        """Let the lane go on, now and later."""
        self._opened.set()


class Node:
    """The log of one process, and what it announced, a list per transaction."""

    def __init__(self, alias: str, clock: FixedClock, **options: int) -> None:
        self.alias = alias
        self.clock = clock
        self.announced: list[Sequence[Event]] = []
        self.log = DjangoSessions(
            using=alias, clock=clock, on_commit=self.announced.append, **options
        )

    async def begin(self, *more: Body, key: str = "", by: Actor = ANN) -> UUID:
        """A session of Ann, with Bob as a member; its head is 2 and what `more` add to it."""
        made = await self.create(key or uuid4().hex, *more, by=by)
        return made.session_id

    async def create(self, key: str, *more: Body, by: Actor = ANN) -> Created:
        """A session of Ann, with Bob as a member, and an id of its own."""
        bodies: list[Body] = [
            SessionCreated("Roof repair", {"a": 1}),
            ParticipantAdded("bob", Role.MEMBER),
        ]
        return await self.log.create(
            Begin(key=key), by=by, session_id=uuid4(), begin=lambda: bodies + list(more)
        )

    async def say(self, id: UUID, text: str, *, by: Actor = ANN, key: str = "") -> Committed:
        """A message; without a key, with a new one."""
        return await self.write(id, MessageSent(text), by=by, key=key)

    async def write(
        self, id: UUID, *bodies: Body, by: Actor = ANN, key: str = "", note: str = ""
    ) -> Committed:
        """Have `bodies` happen."""
        return await self.decide(id, lambda _: bodies, by=by, key=key, note=note)

    async def decide(
        self, id: UUID, decide: Decide, *, by: Actor = ANN, key: str = "", note: str = ""
    ) -> Committed:
        """Have a rule decide."""
        input = Write(session_id=id, key=key or uuid4().hex, note=note)
        return await self.log.commit(input, by=by, decide=decide)

    async def together(self, id: UUID, *writes: Any) -> list[Any]:
        """What these writes, of one lane, give or raise when they have one transaction."""
        gate = Gate()
        held = asyncio.create_task(self.decide(id, gate))
        await gate.reached()
        tasks = [asyncio.ensure_future(each) for each in writes]
        await asyncio.sleep(0)  # they begin, in their order, and wait in the lane
        gate.open()
        await held
        return await asyncio.gather(*tasks, return_exceptions=True)

    async def stored(self, model: type[Model], **values: object) -> int:
        """How many rows there are with these values."""
        rows = model._default_manager.using(self.alias).filter(**values)
        return await self.log.run(rows.count)

    async def cursors(self, id: UUID) -> dict[str, int]:
        """How far everybody in a session has read."""
        session = await self.log.find(id)
        assert session is not None
        return {each.user: each.seen for each in session.participants.values()}

    async def events(self, id: UUID) -> list[Event]:
        """The whole log of a session."""
        events = await self.log.read(id, after=0, limit=100_000)
        return [replace(each, data=msgspec.json.decode(each.data)) for each in events]

    async def require_sound(self, id: UUID) -> Session:
        """The session, whose log has no hole and whose state is the fold of it."""
        session, events = await self.log.find(id), await self.events(id)
        assert session is not None
        assert list(range(1, len(events) + 1)) == [each.seq for each in events]
        assert fold(events) == session
        return session


#: Makes nodes on a database, by its alias and the options of a log.
Nodes: TypeAlias = Callable[..., Node]
