"""The kinds of writes that the port has, and what each does in its turn."""

from collections.abc import Callable, Sequence
from typing import TypeVar
from uuid import UUID

from flows.actor import Actor
from flows.atoms.audit import Act
from flows.atoms.sessions import Begin, Committed, Created, Decide
from flows.errors import KeyConflict
from flows.events import Body
from flows.input import Mutation, SessionMutation
from flows.session import Session
from sessions_app.adapters.batch import Batch, Origin, Write
from sessions_app.adapters.statements import Receipt
from sessions_app.tracing import trace

T = TypeVar("T")


class Repeatable(Write[T]):
    """A write whose key makes it safe to repeat: the same input gets the first result."""

    def __init__(self, session_id: UUID, input: Mutation, by: Actor) -> None:
        self.session_id = session_id
        self.keyed = self._keyed = (by.name, input.key)
        self._origin = Origin(by.name, input.key, trace.get())
        self._flow = input.flow_name
        self._fingerprint = input.fingerprint()

    def first_result(self, batch: Batch) -> Receipt | None:
        """What came of this input the first time. Raises KeyConflict if the key is another's."""
        receipt = batch.receipts.get(self._keyed)
        if receipt is None:
            return None
        if (receipt.flow, receipt.fingerprint) != (self._flow, self._fingerprint):
            raise KeyConflict
        return receipt

    def append(self, batch: Batch, session_id: UUID, bodies: Sequence[Body]) -> int:
        """Have `bodies` happen and keep what came of it; the session's seq afterwards."""
        seq = batch.append(session_id, bodies, self._origin)
        batch.keep_receipt(self._keyed, Receipt(self._flow, self._fingerprint, session_id, seq))
        return seq


class Creation(Repeatable[Created]):
    """A session begins."""

    def __init__(self, input: Mutation, by: Actor, session_id: UUID, begin: Begin) -> None:
        super().__init__(session_id, input, by)
        self._begin = begin
        self.users = {by.name}

    def take_turn(self, batch: Batch) -> Created:
        if first := self.first_result(batch):
            return Created(first.session_id, first.seq, duplicate=True)
        seq = self.append(batch, self.session_id, self._begin())
        return Created(self.session_id, seq, duplicate=False)


class Commit(Repeatable[Committed]):
    """A rule decides what happens in a session."""

    def __init__(
        self, input: SessionMutation, by: Actor, decide: Decide, act: Act | None = None
    ) -> None:
        super().__init__(input.session_id, input, by)
        self._decide = decide
        self._act = act

    def take_turn(self, batch: Batch) -> Committed:
        if first := self.first_result(batch):
            return Committed(first.seq, duplicate=True)
        bodies = list(self._decide(batch.session(self.session_id)))
        seq = self.append(batch, self.session_id, bodies)
        if self._act is not None:
            batch.acts.append(self._act)
        return Committed(seq, duplicate=False)


class Cursor(Write[bool]):
    """A rule decides up to where somebody has seen a session."""

    def __init__(self, session_id: UUID, by: Actor, decide: Callable[[Session], int]) -> None:
        self.session_id = session_id
        self.reader = self._user = by.name
        self._decide = decide

    def take_turn(self, batch: Batch) -> bool:
        seq = self._decide(batch.session(self.session_id))
        return batch.move_cursor(self.session_id, self._user, seq)
