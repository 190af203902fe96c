"""The flows on a stage: people, a log, a connection and a clock, none of them real.

Ann owns the session of the play, Bob is a member, Cid observes, and Dan takes no part.
"""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from uuid import UUID

import pytest
from msgspec.structs import replace

from flows.actor import SYSTEM, Actor
from flows.atoms.actor import actor
from flows.atoms.announcer import announcer
from flows.atoms.archive import archive
from flows.atoms.audit import audit
from flows.atoms.clock import Clock, clock
from flows.atoms.connections import connections
from flows.atoms.ids import NewId, new_id
from flows.atoms.limits import Limits, limits
from flows.atoms.sessions import Committed, Created, sessions
from flows.atoms.watcher import watcher
from flows.create_session import CreateSession, NewParticipant, create_session
from flows.engine import Flow, InvalidInput, Scope, preset
from flows.errors import Forbidden, KeyConflict, Refused, SessionNotFound
from flows.events import Body, Event, ParticipantRemoved, SessionEnded
from flows.input import Mutation, SessionMutation
from flows.session import Session
from tests.fakes import (
    FakeAnnouncer,
    FakeArchive,
    FakeAudit,
    FakeConnections,
    FakeSessions,
    FakeWatcher,
    FixedClock,
    FixedIds,
)

I = TypeVar("I")  # noqa: E741
O = TypeVar("O")  # noqa: E741
M = TypeVar("M", bound=Mutation)
C = TypeVar("C", Committed, Created)
E = TypeVar("E", bound=Refused)

#: A well-formed id of nothing.
NOWHERE = UUID("00000000-0000-7000-8000-00000000dead")

#: How many events the play begins with: the creation, Bob and Cid.
BEGUN = 3


class Happen(SessionMutation, frozen=True, kw_only=True):
    """Something that happens whatever the rules say."""


class Stage:
    """A scope with fakes, and the questions that every flow is asked."""

    def __init__(self, granted: Limits = Limits()) -> None:  # noqa: B008
        self.clock = FixedClock()
        self.sessions = FakeSessions(clock=self.clock)
        self.announcer = FakeAnnouncer()
        self.watcher = FakeWatcher()
        self.audit = FakeAudit()
        self.archive = FakeArchive(self.sessions)
        self.connections = FakeConnections()
        #: What the log and the connection were asked, in order.
        self.calls = self.watcher.calls = self.sessions.calls
        now: Clock = self.clock
        make: NewId = FixedIds()
        self.scope = Scope(
            presets=[
                preset(sessions, self.sessions),
                preset(announcer, self.announcer),
                preset(archive, self.archive),
                preset(audit, self.audit),
                preset(connections, self.connections),
                preset(clock, now),
                preset(new_id, make),
                preset(limits, granted),
            ]
        )
        self._keys = 0

    # -- acting ----------------------------------------------------------------------------------

    def key(self) -> str:
        """A key that nobody has used."""
        self._keys += 1
        return f"key-{self._keys}"

    async def run(
        self, flow: Flow[I, O], input: I, *, by: str | Actor = "ann", connected: bool = False
    ) -> O:
        """What `flow` gives `by`, over a socket if `connected`."""
        return await self.scope.run(flow, input, tags=self._tags(by, connected=connected))

    async def run_raw(
        self, flow: Flow[Any, O], raw: Any, *, by: str | Actor = "ann", connected: bool = False
    ) -> O:
        """What `flow` gives `by` for unchecked params."""
        return await self.scope.run_raw(flow, raw, tags=self._tags(by, connected=connected))

    def _tags(self, by: str | Actor, *, connected: bool) -> list[Any]:
        who = Actor(by) if isinstance(by, str) else by
        return [actor(who), watcher(self.watcher)] if connected else [actor(who)]

    async def begin(self, **fields: Any) -> UUID:
        """The session of the play: Ann owns it, Bob is a member of it, Cid observes it."""
        cast = [NewParticipant("bob", "member"), NewParticipant("cid", "observer")]
        input = CreateSession(key=self.key(), participants=cast, **fields)
        return (await self.run(create_session, input)).session_id

    async def happen(self, session_id: UUID, *bodies: Body) -> None:
        """Let `bodies` happen, whatever the rules say."""
        input = Happen(session_id=session_id, key=self.key())
        await self.sessions.commit(input, by=SYSTEM, decide=lambda _: bodies)

    async def ended(self) -> UUID:
        """A session of the play that has ended."""
        session_id = await self.begin()
        await self.happen(session_id, SessionEnded())
        return session_id

    async def session(self, session_id: UUID) -> Session:
        """A session as it is now."""
        session = await self.sessions.find(session_id)
        assert session is not None, "there is such a session"
        return session

    def news(self, session_id: UUID) -> list[Event]:
        """What happened in a session since the play began."""
        return self.sessions.log(session_id)[BEGUN:]

    # -- asking ----------------------------------------------------------------------------------

    def everything(self) -> tuple[object, ...]:
        """All that is stored and all that was told: equal when nothing happened in between."""
        told = list(self.announcer.told)
        watcher = self.watcher
        followed = (set(watcher.watching), list(watcher.follows), list(watcher.forgotten))
        asked = list(self.connections.asked)
        acts = [*self.audit.acts, *self.connections.acts]
        return self.sessions.dump(), told, followed, asked, acts

    async def refused(
        self,
        error: type[E],
        flow: Flow[I, Any],
        input: I,
        *,
        by: str | Actor = "ann",
        connected: bool = False,
    ) -> E:
        """`flow` refuses with exactly this error; nothing has changed and nothing was announced."""
        before = self.everything()
        with pytest.raises(error) as caught:
            await self.run(flow, input, by=by, connected=connected)
        assert type(caught.value) is error
        assert error in flow.faults
        assert before == self.everything()
        return caught.value

    async def invalid(
        self,
        path: str,
        flow: Flow[Any, Any],
        raw: Any,
        *,
        by: str | Actor = "ann",
        connected: bool = False,
    ) -> str:
        """`flow` refuses the params at `path`, and nothing has changed; the reason."""
        before = self.everything()
        with pytest.raises(InvalidInput) as caught:
            await self.run_raw(flow, raw, by=by, connected=connected)
        assert path == caught.value.path
        assert flow.name == caught.value.flow
        assert before == self.everything()
        return caught.value.reason

    async def hides(
        self, flow: Flow[I, Any], input_of: Callable[[UUID], I], *, connected: bool = False
    ) -> None:
        """To Dan, a session he takes no part in looks exactly like one that does not exist."""
        foreign, left = await self.begin(), await self.begin()
        await self.happen(left, ParticipantRemoved("bob"))
        errors = [
            await self.refused(SessionNotFound, flow, input_of(each), by=by, connected=connected)
            for each, by in ((NOWHERE, "dan"), (foreign, "dan"), (left, "bob"))
        ]
        looks = [(each.code, str(each), each.fields()) for each in errors]
        assert [looks[0]] * 3 == looks

    async def allows(
        self,
        flow: Flow[I, Any],
        input_of: Callable[[UUID], I],
        who: Iterable[str],
        *,
        having: Iterable[Body] = (),
        connected: bool = False,
    ) -> None:
        """Of those who take part, `who` may do it and the others are forbidden to; so is nobody
        who has the right instead.
        """
        for name in ("ann", "bob", "cid"):
            session_id = await self.begin()
            await self.happen(session_id, *having)
            if name in who:
                acts = list(self.sessions.acts)
                await self.run(flow, input_of(session_id), by=name, connected=connected)
                assert acts == self.sessions.acts, "what a role allows is nobody else's affair"
            else:
                await self.refused(
                    Forbidden, flow, input_of(session_id), by=name, connected=connected
                )
        session_id = await self.begin()
        await self.happen(session_id, *having)
        await self.run(flow, input_of(session_id), by=SYSTEM, connected=connected)
        if issubclass(flow.input_type, Mutation):
            act = self.sessions.acts[-1]
            assert (act.by, act.kind, act.id) == (SYSTEM.name, "session", str(session_id))

    async def repeats(self, flow: Flow[M, C], input: M, *, other: M, by: str = "ann") -> None:
        """A repeated key gives the first result, for ever: also after the session ended and the
        author takes part no more. With other params it is refused.
        """
        first = await self.run(flow, input, by=by)
        assert not first.duplicate
        session_id = self._session_of(input, first)
        since: list[Body] = [SessionEnded(), ParticipantRemoved(by)]
        while True:
            before = self.everything()
            assert replace(first, duplicate=True) == await self.run(flow, input, by=by)
            assert before == self.everything()
            assert other.key == input.key
            await self.refused(KeyConflict, flow, other, by=by)
            if not since:
                break
            await self.happen(session_id, since.pop(0))

    def _session_of(self, input: Mutation, result: Committed | Created) -> UUID:
        if isinstance(result, Created):
            return result.session_id
        assert isinstance(input, SessionMutation)
        return input.session_id


@asynccontextmanager
async def on_stage(granted: Limits = Limits()) -> AsyncIterator[Stage]:  # noqa: B008
    """A stage while its scope is open."""
    stage = Stage(granted)
    async with stage.scope:
        yield stage
