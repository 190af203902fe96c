"""What flows need, in memory: a log, a watcher and an announcer that remember, time and ids that
tests hold.

They keep the sentences of the ports they stand for: `tests/contracts` runs on them, too.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from msgspec import UNSET, Struct
from msgspec.structs import replace

from flows.actor import Actor, Right
from flows.atoms.archive import Overview, Which, is_same, names_in
from flows.atoms.audit import Act
from flows.atoms.clock import Clock
from flows.atoms.connections import Connected, NodeStatus
from flows.atoms.ids import uuid7
from flows.atoms.sessions import (
    Begin,
    Bookmark,
    Committed,
    Created,
    Decide,
    EventPage,
    Standing,
    Summary,
)
from flows.errors import InvalidValue, KeyConflict, SessionNotFound, Unavailable, UnknownUser
from flows.events import BODIES, Body, Event, Kind, ParticipantAdded, timestamp
from flows.input import Mutation, SessionMutation
from flows.replay import Replay
from flows.session import Session, Status, apply

T = TypeVar("T")

#: The people of the tests.
USERS = frozenset({"ann", "bob", "cid", "dan"})


class FixedClock:
    """A clock that stands still until a test moves it."""

    def __init__(self, now: datetime = datetime(2026, 11, 22, 19, 3, 11, 412_000, UTC)) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, *, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)


class FixedIds:
    """Ids that are the same in every run; later ones are greater."""

    def __init__(self) -> None:
        self._made = 0

    def __call__(self) -> UUID:
        self._made += 1
        return uuid7(self._made, bytes(10))


class Receipt(Struct, frozen=True):
    """A key that was used, for what, and what came of it."""

    flow: str
    fingerprint: bytes
    session_id: UUID
    seq: int


class FakeSessions:
    """The port `Sessions`: a list of events per session. What a session is now is their fold."""

    def __init__(self, users: Iterable[str] = USERS, clock: Clock | None = None) -> None:
        self.users = set(users)
        self.clock = clock or FixedClock()
        self.history = "e1"
        self.available = True
        #: The methods that were called, in order.
        self.calls: list[str] = []
        #: What staff have done.
        self.acts: list[Act] = []
        #: By actor and key.
        self.receipts: dict[tuple[str, str], Receipt] = {}
        self._logs: dict[UUID, list[Event]] = {}
        self._seen: dict[UUID, dict[str, int]] = {}

    def log(self, session_id: UUID) -> list[Event]:
        """Everything that happened in a session, with every author's key."""
        return list(self._logs[session_id])

    def dump(self) -> bytes:
        """All that is stored: equal before and after something that changed nothing."""
        receipts = [[*owner, receipt] for owner, receipt in self.receipts.items()]
        return msgspec.json.encode([self._logs, self._seen, receipts, self.acts])

    async def create(
        self, input: Mutation, *, by: Actor, session_id: UUID, begin: Begin
    ) -> Created:
        self._begin("create")
        if first := self._first(input, by):
            return Created(first.session_id, first.seq, duplicate=True)
        bodies = _twice(lambda: list(begin()))
        self._require_users(by.name, *_added(bodies))
        self._logs[session_id], self._seen[session_id] = [], {}
        return Created(session_id, self._append(session_id, input, by, bodies), duplicate=False)

    async def commit(
        self, input: SessionMutation, *, by: Actor, decide: Decide, act: Act | None = None
    ) -> Committed:
        self._begin("commit")
        if first := self._first(input, by):
            return Committed(first.seq, duplicate=True)
        session = self._session(input.session_id)
        bodies = _twice(lambda: list(decide(session)))
        self._require_users(*_added(bodies))
        if act is not None:
            self.acts.append(act)
        return Committed(self._append(input.session_id, input, by, bodies), duplicate=False)

    async def mark_seen(
        self, session_id: UUID, *, by: Actor, decide: Callable[[Session], int]
    ) -> bool:
        self._begin("mark_seen")
        session = self._session(session_id)
        seq = _twice(lambda: decide(session))
        participant = session.participants.get(by.name)
        if participant is None or seq <= participant.seen:
            return False
        self._seen[session_id][by.name] = seq
        return True

    async def find(self, session_id: UUID) -> Session | None:
        self._begin("find")
        return self._session(session_id) if session_id in self._logs else None

    async def standings(self, session_ids: Sequence[UUID], *, of: Actor) -> dict[UUID, Standing]:
        self._begin("standings")
        known = [self._session(each) for each in session_ids if each in self._logs]
        return {each.session_id: Standing(each.seq, each.role_of(of.name)) for each in known}

    async def list_for(
        self,
        user: Actor,
        *,
        status: Status | None,
        search: str,
        before: Bookmark | None,
        limit: int,
    ) -> list[Summary]:
        self._begin("list_for")
        found = [
            each
            for each in (self._summary(session_id, user.name) for session_id in self._logs)
            if (user.may(Right.VIEW) or each.role is not None)
            and status in (None, each.status)
            and search.lower() in each.title.lower()
            and (before is None or _place(each) < _place(before))
        ]
        return sorted(found, key=_place, reverse=True)[:limit]

    async def events(
        self,
        session_id: UUID,
        *,
        of: Actor,
        after: int | None = None,
        before: int | None = None,
        kinds: Sequence[Kind] | None = None,
        limit: int,
    ) -> EventPage | None:
        self._begin("events")
        if session_id not in self._logs:
            return None
        found = [
            each if each.actor == of.name else replace(each, key=UNSET)
            for each in self._logs[session_id]
            if (after is None or each.seq > after)
            and (before is None or each.seq < before)
            and (kinds is None or each.kind in kinds)
        ]
        session = self._session(session_id)
        return EventPage(
            standing=Standing(session.seq, session.role_of(of.name)),
            events=found[:limit] if after is not None else found[-limit:],
            more=len(found) > limit,
        )

    async def epoch(self) -> str:
        self._begin("epoch")
        return self.history

    def overviews(self) -> list[Overview]:
        """All sessions, by id."""
        if not self.available:
            raise Unavailable
        return [
            Overview(
                session_id=each.session_id,
                status=each.status,
                events=each.seq,
                ended_at=None if each.ended_at is None else datetime.fromisoformat(each.ended_at),
                last_activity=datetime.fromisoformat(self._logs[each.session_id][-1].at),
            )
            for each in (self._session(session_id) for session_id in sorted(self._logs))
        ]

    def take_in(self, events: Sequence[Event], made: Replay, *, create_users: bool) -> bool:
        """Have a session with this log; False if there is the same already."""
        session_id = made.record.session_id
        if session_id in self._logs:
            if not is_same(events, self._logs[session_id]):
                raise InvalidValue("$.log", "The session is here already, with another log")
            return False
        missing = sorted(names_in(events, made) - self.users)
        if missing and not create_users:
            raise UnknownUser(missing[0], "$.log")
        if used := self.receipts.keys() & {(each.actor, each.key) for each in made.receipts}:
            actor, key = min(used)
            raise InvalidValue("$.log", f"{actor} used the key {key!r} in another session here")
        self.users.update(missing)
        self._logs[session_id], self._seen[session_id] = list(events), {}
        for each in made.receipts:
            receipt = Receipt(each.flow, each.fingerprint, session_id, each.seq)
            self.receipts[each.actor, each.key] = receipt
        return True

    def delete(self, session_id: UUID) -> None:
        """Forget a session, and the keys that were used in it."""
        del self._logs[session_id], self._seen[session_id]
        self.receipts = {
            owner: each for owner, each in self.receipts.items() if each.session_id != session_id
        }

    def _begin(self, method: str) -> None:
        self.calls.append(method)
        if not self.available:
            raise Unavailable

    def _require_users(self, *names: str) -> None:
        for name in names:
            if name not in self.users:
                raise UnknownUser(name)

    def _first(self, input: Mutation, by: Actor) -> Receipt | None:
        receipt = self.receipts.get((by.name, input.key))
        if receipt and receipt.fingerprint != input.fingerprint():
            raise KeyConflict
        return receipt

    def _append(self, session_id: UUID, input: Mutation, by: Actor, bodies: Sequence[Body]) -> int:
        log, at = self._logs[session_id], timestamp(self.clock())
        for body in bodies:
            data = msgspec.to_builtins(body)
            log.append(
                Event(
                    session_id=session_id,
                    seq=len(log) + 1,
                    kind=body.kind,
                    actor=by.name,
                    at=at,
                    key=input.key,
                    data=data,
                )
            )
        # Who takes part no more has no cursor, also when they come back.
        present = fold(log).participants
        seen = self._seen[session_id]
        self._seen[session_id] = {user: seq for user, seq in seen.items() if user in present}
        self.receipts[by.name, input.key] = Receipt(
            input.flow_name, input.fingerprint(), session_id, len(log)
        )
        return len(log)

    def _session(self, session_id: UUID) -> Session:
        if session_id not in self._logs:
            raise SessionNotFound
        return with_seen(fold(self._logs[session_id]), self._seen[session_id])

    def _summary(self, session_id: UUID, user: str) -> Summary:
        session = self._session(session_id)
        participant = session.participants.get(user)
        return Summary(
            session_id=session_id,
            title=session.title,
            status=session.status,
            role=participant.role if participant else None,
            head=session.seq,
            seen=participant.seen if participant else 0,
            last_activity=self._logs[session_id][-1].at,
        )


def body_of(event: Event) -> Body:
    """What an event says, typed."""
    body: Body = msgspec.convert(event.data, BODIES[event.kind])
    return body


def fold(
    events: Iterable[Event], begin: Session | None = None, *, seen_as: Session | None = None
) -> Session:
    """The session that `events` make, one after the other, of `begin` or of nothing.

    Cursors move without events: with `seen_as` they are taken from there.
    """
    session = reduce(lambda state, event: apply(state, event, body_of(event)), events, begin)
    assert session is not None, "a session has events"
    return session if seen_as is None else with_seen(session, _cursors(seen_as))


def with_seen(session: Session, seen: Mapping[str, int]) -> Session:
    """`session` with these cursors; who has none has seen nothing."""
    participants = {
        user: replace(each, seen=seen.get(user, 0)) for user, each in session.participants.items()
    }
    return replace(session, participants=participants)


def _cursors(session: Session) -> dict[str, int]:
    return {user: each.seen for user, each in session.participants.items()}


def _added(bodies: Iterable[Body]) -> list[str]:
    return [body.user for body in bodies if isinstance(body, ParticipantAdded)]


def _place(of: Summary | Bookmark) -> tuple[str, UUID]:
    return of.last_activity, of.session_id


def _twice(decide: Callable[[], T]) -> T:
    # A rule may be asked more than once; one that is not pure shows here.
    first, second = decide(), decide()
    assert first == second, "a rule says the same of the same session"
    return first


class Follow(Struct, frozen=True):
    """The events after `after` are sent, and `live` if that is a replay; `head` was the head.

    `observe`: by right, not by taking part.
    """

    session_id: UUID
    after: int
    head: int
    replay: bool = True
    observe: bool = False


class FakeArchive:
    """The port `Archive` on the log of `FakeSessions`."""

    def __init__(self, sessions: "FakeSessions") -> None:
        self._sessions = sessions
        #: Sessions in which somebody writes at the moment.
        self.locked: set[UUID] = set()

    async def survey(self, which: Which, *, after: UUID | None, limit: int) -> list[Overview]:
        found = [each for each in self._sessions.overviews() if which.includes(each)]
        return [each for each in found if after is None or each.session_id > after][:limit]

    async def delete(
        self, session_ids: Collection[UUID], *, may: Callable[[Overview], bool]
    ) -> list[Overview]:
        gone = [
            each
            for each in self._sessions.overviews()
            if each.session_id in session_ids and each.session_id not in self.locked and may(each)
        ]
        for each in gone:
            self._sessions.delete(each.session_id)
        return gone

    async def add(self, events: Sequence[Event], made: Replay, *, create_users: bool) -> bool:
        return self._sessions.take_in(events, made, create_users=create_users)


class FakeAudit:
    """The port `Audit`: remembers, in order, what was done."""

    def __init__(self) -> None:
        self.acts: list[Act] = []
        self.available = True

    async def record(self, act: Act) -> None:
        if not self.available:
            raise Unavailable
        self.acts.append(act)


class FakeConnections:
    """The port `Connections`: what a test says is connected, and what was asked."""

    def __init__(self, users: Iterable[str] = USERS) -> None:
        self.users = set(users)
        self.connected: list[Connected] = []
        self.there: list[NodeStatus] = []
        #: What nodes were asked, in order: the subject, its name, whether to reconnect.
        self.asked: list[tuple[str, str, bool]] = []
        self.acts: list[Act] = []
        self.available = True

    async def find(
        self, *, user: str | None, node: str | None, after: str | None, limit: int
    ) -> list[Connected]:
        self._begin()
        found = [
            each
            for each in self.connected
            if user in (None, each.user)
            and node in (None, each.node)
            and (after is None or each.connection > after)
        ]
        return sorted(found, key=lambda each: each.connection)[:limit]

    async def nodes(self) -> list[NodeStatus]:
        self._begin()
        return sorted(self.there, key=lambda each: each.node)

    async def close_user(self, user: str, *, reconnect: bool, act: Act) -> int | None:
        self._begin()
        if user not in self.users:
            return None
        self._ask("user", user, act, reconnect=reconnect)
        return sum(each.user == user for each in self.connected)

    async def close(self, connection: str, *, reconnect: bool, act: Act) -> bool:
        self._begin()
        if connection not in {each.connection for each in self.connected}:
            return False
        self._ask("connection", connection, act, reconnect=reconnect)
        return True

    async def drain(self, node: str, *, act: Act) -> bool:
        self._begin()
        if node not in {each.node for each in self.there}:
            return False
        self._ask("node", node, act)
        return True

    def _begin(self) -> None:
        if not self.available:
            raise Unavailable

    def _ask(self, subject: str, name: str, act: Act, *, reconnect: bool = False) -> None:
        self.asked.append((subject, name, reconnect))
        self.acts.append(act)


class FakeWatcher:
    """The port `Watcher`: remembers, in order, what it was told."""

    def __init__(self, connection: str = "c1") -> None:
        self.connection = connection
        #: What is followed; to be registered alone sends nothing.
        self.watching: set[UUID] = set()
        self.registered: list[UUID] = []
        self.follows: list[Follow] = []
        self.forgotten: list[UUID] = []
        #: What a test says goes on: sessions and reasons.
        self.observed: set[tuple[UUID, str]] = set()
        #: The methods that were called, in order.
        self.calls: list[str] = []

    async def register(self, session_ids: Sequence[UUID]) -> None:
        self.calls.append("register")
        self.registered += session_ids

    def follow(
        self,
        session_id: UUID,
        *,
        after: int,
        head: int,
        replay: bool = True,
        observe: bool = False,
        reason: str = "",
    ) -> None:
        self.calls.append("follow")
        assert session_id in self.registered, "what is followed is registered before"
        self.watching.add(session_id)
        self.follows.append(Follow(session_id, after, head, replay, observe))

    def observes(self, session_id: UUID, *, reason: str) -> bool:
        return (session_id, reason) in self.observed

    def forget(self, session_ids: Sequence[UUID]) -> None:
        self.calls.append("forget")
        self.forgotten += session_ids
        self.watching.difference_update(session_ids)


class SeenTold(Struct, frozen=True):
    """What those who watch were told of a cursor."""

    session_id: UUID
    user: str
    seq: int
    origin: str | None


class SignalTold(Struct, frozen=True):
    """What those who watch were told of a signal."""

    session_id: UUID
    actor: str
    name: str
    data: Any
    origin: str | None


class FakeAnnouncer:
    """The port `Announcer`: remembers, in order, what it told."""

    def __init__(self) -> None:
        self.told: list[SeenTold | SignalTold] = []

    def seen(self, session_id: UUID, *, user: str, seq: int, origin: str | None) -> None:
        self.told.append(SeenTold(session_id, user, seq, origin))

    def signal(
        self, session_id: UUID, *, actor: str, name: str, data: Any, origin: str | None
    ) -> None:
        self.told.append(SignalTold(session_id, actor, name, data, origin))
