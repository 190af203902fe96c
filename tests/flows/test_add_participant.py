"""Letting somebody take part in a session, or giving them another role."""

from typing import Literal
from uuid import UUID

import pytest

from flows.add_participant import AddParticipant, add_participant
from flows.errors import AlreadyDone, Forbidden, SessionEnded, SessionNotFound, UnknownUser
from flows.events import ParticipantRemoved, Role
from flows.session import Participant
from tests.flows.stage import Stage


def add(
    session_id: UUID,
    user: str = "dan",
    role: Literal["member", "observer"] = "member",
    *,
    key: str = "k",
) -> AddParticipant:
    return AddParticipant(session_id=session_id, user=user, role=role, key=key)


async def role_of(stage: Stage, session_id: UUID, user: str) -> Role | None:
    session = await stage.session(session_id)
    return session.role_of(user)


async def test_works(stage: Stage) -> None:
    """Who was added takes part, last in the list, and has seen nothing."""
    session_id = await stage.begin()

    done = await stage.run(add_participant, add(session_id))

    assert (done.seq, done.duplicate) == (4, False)
    (event,) = stage.news(session_id)
    assert (event.kind, event.actor) == ("participant_added", "ann")
    assert event.data == {"user": "dan", "role": "member"}
    session = await stage.session(session_id)
    assert list(session.participants) == ["ann", "bob", "cid", "dan"]
    assert Participant("dan", Role.MEMBER, 0) == session.participants["dan"]


async def test_another_role(stage: Stage) -> None:
    """Who takes part already can be given another role, and keeps their place and cursor."""
    session_id = await stage.begin()

    await stage.run(add_participant, add(session_id, "bob", "observer", key="1"))
    await stage.run(add_participant, add(session_id, "cid", "member", key="2"))

    session = await stage.session(session_id)
    assert list(session.participants) == ["ann", "bob", "cid"]
    assert (session.role_of("bob"), session.role_of("cid")) == (Role.OBSERVER, Role.MEMBER)


async def test_coming_back(stage: Stage) -> None:
    """Who was removed can be added again, with another role."""
    session_id = await stage.begin()
    await stage.happen(session_id, ParticipantRemoved("bob"))
    await stage.run(add_participant, add(session_id, "bob", "observer"))
    assert Role.OBSERVER is await role_of(stage, session_id, "bob")


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("$.role", {"role": "owner"}),
        ("$.role", {"role": "Member"}),
        ("$.role", {"role": 7}),
        ("$.role", {"role": []}),
        ("$.user", {"user": ""}),
        ("$.user", {"user": "x" * 151}),
        ("$.user", {"user": "a\x00b"}),
        ("$.user", {"user": "a\ud83d"}),
        ("$.user", {"user": None}),
        ("$.session_id", {"session_id": True}),
    ],
)
async def test_bad_input(stage: Stage, path: str, fields: dict[str, object]) -> None:
    """A role that cannot be given and a name that nobody can have are refused where they stand."""
    raw = {"session_id": str(await stage.begin()), "user": "dan", "role": "member", "key": "k"}
    await stage.invalid(path, add_participant, raw | fields)


async def test_unknown_user(stage: Stage) -> None:
    """Somebody who does not exist is refused at `$.user`; so is the system, which is no user."""
    session_id = await stage.begin()
    for name in ("nobody", "Dan", "$system"):
        error = await stage.refused(UnknownUser, add_participant, add(session_id, name))
        assert (error.code, error.fields()) == ("invalid_input", {"path": "$.user"})


async def test_unknown_user_to_a_stranger(stage: Stage) -> None:
    """Who may not add does not learn which users there are."""
    session_id = await stage.begin()
    await stage.refused(SessionNotFound, add_participant, add(session_id, "nobody"), by="dan")
    await stage.refused(Forbidden, add_participant, add(session_id, "nobody"), by="bob")


async def test_not_found(stage: Stage) -> None:
    """A session that one takes no part in looks like none."""
    await stage.hides(add_participant, add)


async def test_who_may(stage: Stage) -> None:
    """Owners add; members and observers do not, not even themselves."""
    await stage.allows(add_participant, lambda id: add(id, key=stage.key()), ["ann"])
    session_id = await stage.begin()
    await stage.refused(Forbidden, add_participant, add(session_id, "cid", "member"), by="cid")


async def test_last_owner(stage: Stage) -> None:
    """The last owner cannot be made a member or an observer, by herself or by anybody."""
    session_id = await stage.begin()
    await stage.refused(Forbidden, add_participant, add(session_id, "ann", "member"))
    await stage.refused(Forbidden, add_participant, add(session_id, "ann", "observer"))
    assert Role.OWNER is await role_of(stage, session_id, "ann")


async def test_ended(stage: Stage) -> None:
    """Nobody is added to a session that has ended."""
    session_id = await stage.ended()
    await stage.refused(SessionEnded, add_participant, add(session_id))
    await stage.refused(SessionEnded, add_participant, add(session_id, "bob"))


async def test_already_done(stage: Stage) -> None:
    """Who takes part with that role is not added again."""
    session_id = await stage.begin()
    await stage.refused(AlreadyDone, add_participant, add(session_id, "bob", "member"))
    await stage.refused(AlreadyDone, add_participant, add(session_id, "cid", "observer"))


async def test_repeated_key(stage: Stage) -> None:
    """A repeated key adds once: who was removed since stays out."""
    session_id = await stage.begin()
    other = add(session_id, "dan", "observer")
    await stage.repeats(add_participant, add(session_id), other=other)
    await stage.happen(session_id, ParticipantRemoved("dan"))
    assert (await stage.run(add_participant, add(session_id))).duplicate
    assert None is await role_of(stage, session_id, "dan")
