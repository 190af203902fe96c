"""What staff have done is kept: with the write that it was, or on its own.

The fixtures `sessions` and `audit` are empty, and `acts` reads what was kept, in order, as: by
whom, on what, its id, and what was done and why.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeAlias
from uuid import UUID

import pytest
import pytest_asyncio
from django.contrib.admin.models import LogEntry

from flows.actor import SYSTEM_NAME, Actor
from flows.atoms.audit import Act, Audit
from flows.atoms.ids import uuid7
from flows.atoms.sessions import Sessions
from flows.errors import AlreadyDone
from flows.events import Body, SessionCreated, SessionRenamed
from flows.input import Mutation, SessionMutation
from flows.session import Session
from sessions_app.adapters.acts import OPERATOR, message_of, operator
from sessions_app.adapters.log import DjangoSessions
from tests.fakes import FakeAudit, FakeSessions

ANN = Actor("ann")
ID = uuid7(1, bytes(10))

Kept: TypeAlias = tuple[str, str, str, str]
Acts: TypeAlias = Callable[[], Awaitable[list[Kept]]]


class Begin(Mutation, frozen=True, kw_only=True, omit_defaults=True):
    """Begins a session."""


class Rename(SessionMutation, frozen=True, kw_only=True, omit_defaults=True):
    """Renames it."""


def act(**fields: Any) -> Act:
    """Bob renames the session."""
    usual: dict[str, Any] = {"by": "bob", "done": "Renamed", "kind": "session", "id": str(ID)}
    return Act(**(usual | fields))


@pytest.fixture
def audit(sessions: Sessions) -> Audit:
    """The port, on each store."""
    return sessions if isinstance(sessions, DjangoSessions) else FakeAudit()


@pytest.fixture
def acts(sessions: Sessions, audit: Audit, store: str | None) -> Acts:
    """Reads what was kept."""

    def stored() -> list[Kept]:
        entries = LogEntry.objects.using(store).select_related("user", "content_type")
        return [
            (
                each.user.username,
                each.content_type.model if each.content_type else "",
                each.object_id or "",
                each.get_change_message(),
            )
            for each in entries.order_by("pk")
        ]

    async def read() -> list[Kept]:
        if isinstance(sessions, DjangoSessions):
            return await sessions.run(stored)
        assert isinstance(sessions, FakeSessions)
        assert isinstance(audit, FakeAudit)
        return [
            (OPERATOR if each.by == SYSTEM_NAME else each.by, each.kind, each.id, message_of(each))
            for each in (*sessions.acts, *audit.acts)
        ]

    return read


@pytest_asyncio.fixture(autouse=True)
async def session(sessions: Sessions) -> UUID:
    """A session of Ann."""
    bodies = [SessionCreated("Roof repair", {})]
    await sessions.create(Begin(key="b"), by=ANN, session_id=ID, begin=lambda: bodies)
    return ID


async def rename(sessions: Sessions, key: str, what: Act) -> None:
    def decide(session: Session) -> Iterable[Body]:
        if session.title == key:
            raise AlreadyDone("It is called that")
        return [SessionRenamed(key)]

    await sessions.commit(Rename(session_id=ID, key=key), by=Actor("bob"), decide=decide, act=what)


async def test_with_a_write(sessions: Sessions, acts: Acts) -> None:
    """An act is kept with what it was, with the reason if there is one."""
    await rename(sessions, "Wall", act())
    await rename(sessions, "Door", act(reason="Spam & <b>"))
    assert [
        ("bob", "session", str(ID), "Renamed"),
        ("bob", "session", str(ID), "Renamed: Spam & <b>"),
    ] == await acts()


async def test_refused(sessions: Sessions, acts: Acts) -> None:
    """What is refused was not done, and what is only repeated was done once."""
    await rename(sessions, "Wall", act())
    await rename(sessions, "Wall", act())
    await rename(sessions, "Wall again", act())
    page = await sessions.find(ID)
    assert page is not None
    before = await acts()
    with pytest.raises(AlreadyDone):
        await sessions.commit(
            Rename(session_id=ID, key="other"), by=Actor("bob"), decide=_refuse, act=act()
        )
    assert before == await acts()
    assert len(before) == 2


def _refuse(session: Session) -> Iterable[Body]:
    raise AlreadyDone("No")


async def test_on_its_own(audit: Audit, acts: Acts) -> None:
    """An act that writes nothing else is kept all the same."""
    await audit.record(act(done="Observed", reason="A complaint"))
    await audit.record(act(done="Disconnected", kind="connection", id="c1"))
    await audit.record(act(done="Drained", kind="node", id="n1"))
    assert [
        ("bob", "session", str(ID), "Observed: A complaint"),
        ("bob", "connection", "c1", "Disconnected"),
        ("bob", "node", "n1", "Drained"),
    ] == await acts()


async def test_of_the_system(audit: Audit, sessions: Sessions, acts: Acts) -> None:
    """What an operator does is kept as an act of `manage.py`, and says who it was and where."""
    await rename(sessions, "Wall", act(by=SYSTEM_NAME))
    await audit.record(act(by=SYSTEM_NAME, done="Drained", kind="node", id="n1", reason="Old"))
    assert [
        ("manage.py", "session", str(ID), f"Renamed by {operator()}"),
        ("manage.py", "node", "n1", f"Drained by {operator()}: Old"),
    ] == await acts()
