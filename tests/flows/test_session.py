"""The session as a value."""

from uuid import UUID

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from flows.actor import SYSTEM, SYSTEM_NAME, Actor, Right
from flows.errors import Conflict, Forbidden, InvalidValue, SessionNotFound
from flows.errors import SessionEnded as Ended
from flows.events import (
    Body,
    Event,
    MessageSent,
    ParticipantAdded,
    ParticipantRemoved,
    Role,
    SessionCreated,
    SessionEnded,
    SessionRenamed,
    SessionResumed,
)
from flows.session import Participant, Session, Status, apply, require_role

ID = UUID("01970000-0000-7000-8000-000000000001")


def event(seq: int, body: Body, *, actor: str = "ann") -> Event:
    return Event(
        session_id=ID,
        seq=seq,
        kind=body.kind,
        actor=actor,
        at=f"2026-11-22T19:00:0{seq}.000Z",
        key=UNSET,
        data={},
    )


def after(*bodies: Body) -> Session:
    """The session of `ann` after these events."""
    begun: Body = SessionCreated("Roof repair", {"a": 1})
    session = apply(None, event(1, begun), begun)
    for seq, body in enumerate(bodies, start=2):
        session = apply(session, event(seq, body), body)
    return session


ANN = Participant("ann", Role.OWNER)
BOB = ParticipantAdded("bob", Role.MEMBER)
CID = ParticipantAdded("cid", Role.OBSERVER)


def test_created() -> None:
    """A session begins open, with its author as its owner."""
    assert (
        Session(
            session_id=ID,
            seq=1,
            title="Roof repair",
            status=Status.OPEN,
            metadata={"a": 1},
            created_at="2026-11-22T19:00:01.000Z",
            ended_at=None,
            participants={"ann": ANN},
        )
        == after()
    )


@pytest.mark.parametrize(
    ("body", "changes"),
    [
        (SessionRenamed("Wall"), {"title": "Wall"}),
        (SessionEnded("x"), {"status": Status.ENDED, "ended_at": "2026-11-22T19:00:03.000Z"}),
        (SessionResumed(), {}),
        (MessageSent("x"), {}),
        (
            ParticipantAdded("bob", Role.OBSERVER),
            {"participants": {"ann": ANN, "bob": Participant("bob", Role.OBSERVER)}},
        ),
        (ParticipantRemoved("bob"), {"participants": {"ann": ANN}}),
        (ParticipantRemoved("nobody"), {}),
        (
            CID,
            {
                "participants": {
                    "ann": ANN,
                    "bob": Participant("bob", Role.MEMBER),
                    "cid": Participant("cid", Role.OBSERVER),
                }
            },
        ),
    ],
)
def test_apply(body: Body, changes: dict[str, object]) -> None:
    """An event changes exactly what it says, and the seq."""
    before = after(BOB)
    assert replace(before, seq=3, **changes) == apply(before, event(3, body), body)
    assert after(BOB) == before


def test_resumed() -> None:
    """A session that was resumed is as it was before it ended."""
    assert replace(after(), seq=3) == after(SessionEnded("x"), SessionResumed())


def test_order_of_participants() -> None:
    """Participants are in the order in which they came; another role is no coming."""
    promoted = after(BOB, CID, ParticipantAdded("bob", Role.OBSERVER))
    assert list(promoted.participants) == ["ann", "bob", "cid"]
    back = after(BOB, CID, ParticipantRemoved("bob"), BOB)
    assert list(back.participants) == ["ann", "cid", "bob"]


def test_cursor() -> None:
    """Another role keeps the cursor; who was removed and comes back begins anew."""
    read = {"ann": ANN, "bob": Participant("bob", Role.MEMBER, seen=2)}
    session = replace(after(BOB), participants=read)
    role = ParticipantAdded("bob", Role.OBSERVER)
    now = apply(session, event(3, role), role)
    assert Participant("bob", Role.OBSERVER, seen=2) == now.participants["bob"]
    gone = ParticipantRemoved("bob")
    now = apply(session, event(3, gone), gone)
    now = apply(now, event(4, BOB), BOB)
    assert Participant("bob", Role.MEMBER, seen=0) == now.participants["bob"]


CREATED = SessionCreated("x", {})


@pytest.mark.parametrize(
    ("session", "seq", "body"),
    [
        (None, 1, MessageSent("x")),
        (None, 2, CREATED),
        (None, 0, CREATED),
        (after(), 1, MessageSent("x")),
        (after(), 3, MessageSent("x")),
        (after(), 1, CREATED),
        (after(), 2, CREATED),
    ],
)
def test_impossible_logs(session: Session | None, seq: int, body: Body) -> None:
    """A log with a hole, without a beginning or with two cannot have been written."""
    with pytest.raises(ValueError, match=r"event|creat"):
        apply(session, event(seq, body), body)


def test_roles() -> None:
    """A role is that of who takes part; others have none."""
    session = after(BOB, CID)
    roles = [Role.OWNER, Role.MEMBER, Role.OBSERVER, None]
    assert roles == [session.role_of(name) for name in ("ann", "bob", "cid", "dan")]
    assert session.owners == ["ann"]


@pytest.mark.parametrize("least", list(Role))
@pytest.mark.parametrize("role", [*Role, None])
def test_require_role(role: Role | None, least: Role) -> None:
    """The role decides; without one there is no session; by right anything goes."""
    ranks = list(Role)
    require_role(SYSTEM, role, Right.ACT, at_least=least)
    if role is None:
        with pytest.raises(SessionNotFound):
            require_role(Actor("ann"), role, Right.ACT, at_least=least)
    elif ranks.index(role) < ranks.index(least):
        with pytest.raises(Forbidden, match=f"takes the role {least}, yours is {role}"):
            require_role(Actor("ann"), role, Right.ACT, at_least=least)
    else:
        require_role(Actor("ann"), role, Right.ACT, at_least=least)


@pytest.mark.parametrize("has", list(Right))
@pytest.mark.parametrize("takes", list(Right))
def test_rights(has: Right, takes: Right) -> None:
    """A right stands in for a role where it is the one that is asked for, and nowhere else.

    Who may view is told that it is the right that is missing; to all others there is no session.
    """
    actor = Actor("boss", frozenset({has}))
    if has is takes:
        require_role(actor, None, takes, at_least=Role.OWNER)
    elif has is Right.VIEW:
        with pytest.raises(Forbidden, match=f"takes the right to {takes}"):
            require_role(actor, None, takes)
    else:
        with pytest.raises(SessionNotFound):
            require_role(actor, None, takes)
    # A role is as good as it was.
    require_role(actor, Role.MEMBER, takes, at_least=Role.MEMBER)


def test_require() -> None:
    """A session asks for the role of who acts in it."""
    session = after(BOB)
    session.require(Actor("bob"), at_least=Role.MEMBER)
    session.require(Actor("dan", frozenset({Right.ACT})), at_least=Role.OWNER)
    with pytest.raises(Forbidden):
        session.require(Actor("bob"), at_least=Role.OWNER)
    with pytest.raises(SessionNotFound):
        session.require(Actor("dan"), at_least=Role.OBSERVER)


def test_require_open() -> None:
    """An ended session takes no writes."""
    after().require_open()
    after(SessionEnded(), SessionResumed()).require_open()
    with pytest.raises(Ended):
        after(SessionEnded()).require_open()


def test_require_head() -> None:
    """A head that is given must be the head."""
    after(BOB).require_head(None)
    after(BOB).require_head(2)
    for head in (0, 1, 3):
        with pytest.raises(Conflict) as caught:
            after(BOB).require_head(head)
        assert caught.value.head == 2


def test_require_seq() -> None:
    """A seq that is given must be there."""
    for seq in (None, 0, 1, 2):
        after(BOB).require_seq(seq, "$.seq")
    with pytest.raises(InvalidValue, match=r"no event 3, its head is 2 - at `\$\.seq`"):
        after(BOB).require_seq(3, "$.seq")


def test_require_another_owner() -> None:
    """The only owner cannot go; one of two, or who is none, can."""
    with pytest.raises(Forbidden):
        after(BOB).require_another_owner("ann")
    after(BOB).require_another_owner("bob")
    after(BOB).require_another_owner("dan")
    after(ParticipantAdded("bob", Role.OWNER)).require_another_owner("ann")


def test_the_system() -> None:
    """The system has every right, under a name that no user can have."""
    for right in Right:
        SYSTEM.require(right)
    assert (SYSTEM.name, SYSTEM.rights) == ("$system", frozenset(Right))
    assert SYSTEM_NAME[0] == "$"
    assert not Actor("ann").rights
    assert {Actor("ann")} == {Actor("ann", frozenset())}
