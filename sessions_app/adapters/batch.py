"""One transaction: the writes that waited in a lane, each in its turn, stored together."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

import msgspec
from django.db import Error, connections, transaction
from msgspec import Struct
from msgspec.structs import replace

from flows.atoms.audit import Act
from flows.atoms.clock import Clock
from flows.errors import SessionNotFound, UnknownUser
from flows.events import Body, Event, MessageSent, ParticipantAdded
from flows.session import Participant, Session, apply
from sessions_app import models
from sessions_app.adapters.acts import keep_acts
from sessions_app.adapters.known import Known
from sessions_app.adapters.rows import Moment, Stored, caught_up, load_sessions, moment
from sessions_app.adapters.seats import Seats
from sessions_app.adapters.statements import Keyed, NewEvent, Progress, Receipt, statements

T = TypeVar("T")

#: Events of another node with which a session that is known is caught up; with more, it is loaded.
MOST_MISSED = 200


class Write(ABC, Generic[T]):
    """Something to be written in one session, and what its caller gets."""

    session_id: UUID
    #: Who, and their key: it is looked up before anything else.
    keyed: Keyed | None = None
    #: Users whose being there decides, as far as that is known beforehand.
    users: Collection[str] = ()
    #: Whose cursor decides.
    reader: str | None = None

    @abstractmethod
    def take_turn(self, batch: "Batch") -> T:
        """Add to the batch what is to be stored, or raise and leave it as it was."""


class Settled(NamedTuple):
    """A committed batch: for each write what its caller gets (or gets raised), and all events."""

    outcomes: Sequence[object]
    events: Sequence[Event]


class Origin(Struct, frozen=True):
    """What the events of one write have in common."""

    actor: str
    key: str
    trace: str


def transact(writes: Sequence[Write[Any]], *, using: str, clock: Clock, known: Known) -> Settled:
    """Commit `writes` in one transaction; one that refuses or crashes in its turn is left out.

    What the database raises concerns all of them: then nothing was stored.
    """
    batch = Batch(using, moment(clock()), known)
    with transaction.atomic(using=using, durable=True):
        batch.load(writes)
        outcomes = [batch.turn(write) for write in writes]
        batch.store()
    known.update(batch.sessions.values())
    return Settled(outcomes, batch.announced)


class Batch:
    """What the writes of one transaction find, and what they leave to be stored."""

    def __init__(self, using: str, now: Moment, known: Known) -> None:
        self._using = using
        self._now = now
        self._known = known
        self._statements = statements(connections[using])
        #: Each session as the turns so far have left it.
        self.sessions: dict[UUID, Stored] = {}
        #: Each session as it is stored, to see what has to be stored anew.
        self._before: dict[UUID, Session] = {}
        #: Sessions that begin in this batch, and who owns them.
        self._begun: dict[UUID, str] = {}
        self._messages: dict[UUID, int] = {}
        self.receipts: dict[Keyed, Receipt] = {}
        self._new_receipts: dict[Keyed, Receipt] = {}
        self.announced: list[Event] = []
        #: What staff have done.
        self.acts: list[Act] = []
        self._new_events: list[NewEvent] = []
        self._users: dict[str, int] = {}
        self._seats = Seats()
        self._cursors: dict[tuple[UUID, str], int] = {}

    # -- before the turns

    def load(self, writes: Sequence[Write[Any]]) -> None:
        """Lock and load what the turns will need."""
        # Locks first: who wrote the same key in the same session just now, on another node, has
        # committed once we hold the lock, so that its receipt is found. Each turn asks for its
        # receipt before it asks anything else.
        heads, self.receipts = self._statements.lock_sessions(
            [write.session_id for write in writes],
            [write.keyed for write in writes if write.keyed],
        )
        self._load_sessions(heads)
        self._load_users({user for write in writes for user in write.users})
        self._load_cursors([(w.session_id, w.reader) for w in writes if w.reader])

    def _load_sessions(self, heads: dict[UUID, int]) -> None:
        behind: dict[UUID, Stored] = {}
        for session_id, seq in heads.items():
            if (stored := self._known.get(session_id)) is None:
                continue
            if stored.session.seq == seq:
                self.sessions[session_id] = stored
            elif 0 < seq - stored.session.seq <= MOST_MISSED:
                behind[session_id] = stored
        if behind:
            self._catch_up(behind, heads)
        if missing := heads.keys() - self.sessions.keys():
            self.sessions |= load_sessions(missing, using=self._using)
        self._before = {key: stored.session for key, stored in self.sessions.items()}

    def _catch_up(self, behind: dict[UUID, Stored], heads: dict[UUID, int]) -> None:
        # Another node has written to them: a few rows of the log cost less than whole sessions.
        log = self._statements.events_from(
            {session_id: stored.session.seq for session_id, stored in behind.items()}
        )
        for session_id, stored in behind.items():
            if now := caught_up(stored, log.get(session_id, ()), head=heads[session_id]):
                self.sessions[session_id] = now

    def _load_users(self, names: Collection[str]) -> None:
        if missing := set(names) - self._users.keys():
            users = models.User.objects.using(self._using)
            found = users.filter(username__in=missing, is_active=True)
            self._users |= dict(found.values_list("username", "id"))

    def _load_cursors(self, pairs: list[tuple[UUID, str]]) -> None:
        if not pairs:
            return
        rows = (
            models.Participant.objects.using(self._using)
            .filter(
                session__in={session_id for session_id, _ in pairs},
                user__username__in={user for _, user in pairs},
                left_seq=None,
            )
            .values_list("session_id", "user__username", "seen_seq")
        )
        for session_id, user, seen in rows:
            self._see(session_id, user, seen)

    # -- the turns

    def turn(self, write: Write[Any]) -> object:
        """What the caller of `write` gets, or the exception it gets."""
        try:
            return write.take_turn(self)
        except Error:
            raise  # The database's: it concerns the whole transaction.
        except BaseException as error:  # noqa: BLE001 - it is raised where the caller waits
            return error

    def session(self, session_id: UUID) -> Session:
        """The session as it is now; raises SessionNotFound."""
        stored = self.sessions.get(session_id)
        if stored is None:
            raise SessionNotFound
        return stored.session

    def append(self, session_id: UUID, bodies: Sequence[Body], origin: Origin) -> int:
        """Have these events happen in a session, all or none; its seq afterwards.

        Raises UnknownUser.
        """
        before = self.sessions.get(session_id)
        # Time never goes back within a session, whatever the clocks of the nodes say.
        at = max(self._now, before.last, key=_at) if before else self._now
        session = before.session if before else None
        events: list[Event] = []
        rows: list[NewEvent] = []
        states: list[Session | None] = []
        for body in bodies:
            states.append(session)
            made = _event(session_id, session.seq + 1 if session else 1, body, origin, at)
            session = apply(session, made, body)
            events.append(made)
            rows.append(_row(made, body, origin, at))
        if needed := _who_must_be(bodies, origin, begun=before is None):
            self._require_users(needed)
        if session is None:
            raise ValueError("a session begins with an event")

        # Nothing refuses any more: from here on the batch changes.
        for made, body, state in zip(events, bodies, states, strict=True):
            self._note(made, body, state)
        if before is None:
            self._begun[session_id] = origin.actor
        self.sessions[session_id] = Stored(session, at)
        self.announced += events
        self._new_events += rows
        return session.seq

    def keep_receipt(self, keyed: Keyed, receipt: Receipt) -> None:
        """Remember what came of a key, for ever."""
        self.receipts[keyed] = self._new_receipts[keyed] = receipt

    def move_cursor(self, session_id: UUID, user: str, seq: int) -> bool:
        """Let `user` have seen everything up to `seq`; whether that is new."""
        participant = self.session(session_id).participants.get(user)
        if participant is None or seq <= participant.seen:
            return False
        self._see(session_id, user, seq)
        self._cursors[session_id, user] = seq
        return True

    def _see(self, session_id: UUID, user: str, seq: int) -> None:
        stored = self.sessions[session_id]
        participants = stored.session.participants
        participant = participants.get(user)
        if participant is not None and participant.seen != seq:
            moved = {**participants, user: Participant(user, participant.role, seq)}
            self.sessions[session_id] = replace(
                stored, session=replace(stored.session, participants=moved)
            )

    def _require_users(self, names: Sequence[str]) -> None:
        self._load_users(names)
        for name in names:
            if name not in self._users:
                raise UnknownUser(name)

    def _note(self, made: Event, body: Body, before: Session | None) -> None:
        session_id = made.session_id
        if isinstance(body, MessageSent):
            self._messages[session_id] = self._messages.get(session_id, 0) + 1
        elif joined := self._seats.note(made, body, before):
            self._cursors.pop((session_id, joined), None)

    # -- after the turns

    def store(self) -> None:
        """Write down what the turns have left."""
        if self._begun:
            begun = [self._session_row(each) for each in self._begun]
            models.Session.objects.using(self._using).bulk_create(begun)
        moved = {each.session_id for each in self.announced} - self._begun.keys()
        for session_id in moved:
            self._store_changes(session_id)
        self._statements.append(
            [self._progress(each) for each in sorted(moved, key=_number)],
            self._new_events,
            self._new_receipts,
            self._now.at,
        )
        self._seats.store(self._users, using=self._using)
        self._statements.move_cursors(self._cursors)
        if self.acts:
            keep_acts(self.acts, using=self._using)

    def _progress(self, session_id: UUID) -> Progress:
        stored = self.sessions[session_id]
        return Progress(
            session_id, stored.session.seq, self._messages.get(session_id, 0), stored.last.at
        )

    def _store_changes(self, session_id: UUID) -> None:
        before, after = self._before[session_id], self.sessions[session_id].session
        if _changing(before) != _changing(after):
            rows = models.Session.objects.using(self._using).filter(pk=session_id)
            rows.update(**_changing(after))

    def _session_row(self, session_id: UUID) -> models.Session:
        stored = self.sessions[session_id]
        session = stored.session
        return models.Session(
            id=session_id,
            owner_id=self._users[self._begun[session_id]],
            metadata=session.metadata,
            last_seq=session.seq,
            message_count=self._messages.get(session_id, 0),
            created_at=session.created_at,
            last_activity=stored.last.at,
            **_changing(session),
        )


def _number(session_id: UUID) -> int:
    return session_id.int


def _at(moment: Moment) -> datetime:
    return moment.at


def _changing(session: Session) -> dict[str, Any]:
    return {"title": session.title, "status": session.status, "ended_at": session.ended_at}


def _event(session_id: UUID, seq: int, body: Body, origin: Origin, at: Moment) -> Event:
    return Event(
        session_id=session_id,
        seq=seq,
        kind=body.kind,
        actor=origin.actor,
        at=at.text,
        key=origin.key,
        data=msgspec.to_builtins(body),
    )


def _row(made: Event, body: Body, origin: Origin, at: Moment) -> NewEvent:
    return NewEvent(
        made.session_id,
        made.seq,
        body.kind,
        origin.actor,
        msgspec.json.encode(body).decode(),
        origin.key,
        at.at,
        origin.trace,
    )


def _who_must_be(bodies: Sequence[Body], origin: Origin, *, begun: bool) -> list[str]:
    added = [body.user for body in bodies if isinstance(body, ParticipantAdded)]
    return [origin.actor, *added] if begun else added
