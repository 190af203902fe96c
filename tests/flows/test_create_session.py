"""Beginning a session."""

from typing import Any

import pytest
from msgspec.structs import replace

from flows.actor import EVERYTHING, SYSTEM, Actor
from flows.atoms.limits import Limits
from flows.create_session import CreateSession, NewParticipant, create_session, watch_again
from flows.errors import Forbidden, InvalidValue, KeyConflict, LimitReached, UnknownUser
from flows.events import ParticipantRemoved, Role
from flows.session import Status
from flows.unwatch_sessions import UnwatchSessions, unwatch_sessions
from tests.fakes import Follow
from tests.flows.stage import NOWHERE, Stage, on_stage


def create(key: str = "k", **fields: Any) -> CreateSession:
    return CreateSession(key=key, **fields)


def raw(**fields: object) -> dict[str, object]:
    return {"title": "Roof repair", "key": "k"} | fields


async def test_works(stage: Stage) -> None:
    """A session begins with one event, is open, and is owned by who began it."""
    created = await stage.run(create_session, create(title="Roof repair", metadata={"a": 1}))

    assert (created.seq, created.duplicate) == (1, False)
    (event,) = stage.sessions.log(created.session_id)
    assert (event.kind, event.actor, event.key, event.seq) == ("session_created", "ann", "k", 1)
    assert event.data == {"title": "Roof repair", "metadata": {"a": 1}}
    session = await stage.session(created.session_id)
    assert (session.status, session.owners) == (Status.OPEN, ["ann"])
    assert (session.created_at, session.ended_at) == ("2026-11-22T19:03:11.412Z", None)


async def test_nothing_given(stage: Stage) -> None:
    """A key is all it takes: no title, no metadata, nobody else."""
    created = await stage.run_raw(create_session, {"key": "k"})
    assert stage.sessions.log(created.session_id)[0].data == {"title": "", "metadata": {}}


async def test_participants(stage: Stage) -> None:
    """Each participant is announced by an event of its own, in the order given."""
    cast = [{"user": "cid", "role": "observer"}, {"user": "bob", "role": "member"}]

    created = await stage.run_raw(create_session, raw(participants=cast))

    assert created.seq == 3
    log = stage.sessions.log(created.session_id)
    kinds = ["session_created", "participant_added", "participant_added"]
    assert kinds == [event.kind for event in log]
    assert cast == [event.data for event in log[1:]]
    session = await stage.session(created.session_id)
    roles = {"ann": Role.OWNER, "cid": Role.OBSERVER, "bob": Role.MEMBER}
    assert roles == {each.user: each.role for each in session.participants.values()}


async def test_ids_differ(stage: Stage) -> None:
    """Each session has an id of its own, later ones sort later."""
    made = [await stage.run(create_session, create(key)) for key in "abc"]
    assert sorted({each.session_id for each in made}) == [each.session_id for each in made]


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("$.title", {"title": "x" * 201}),
        ("$.title", {"title": None}),
        ("$.title", {"title": "a\x00b"}),
        ("$.metadata", {"metadata": None}),
        ("$.metadata", {"metadata": []}),
        ("$.metadata", {"metadata": {"a\x00": 1}}),
        ("$.metadata", {"metadata": {"n": 1e999}}),
        ("$.metadata", {"metadata": {"n": 2**53}}),
        ("$.participants", {"participants": "bob"}),
        ("$.participants", {"participants": [{"user": "bob", "role": "member"}] * 201}),
        ("$.participants[0]", {"participants": ["bob"]}),
        ("$.participants[0].role", {"participants": [{"user": "bob", "role": "owner"}]}),
        ("$.participants[0].user", {"participants": [{"user": "", "role": "member"}]}),
        ("$.participants[0].user", {"participants": [{"user": "a\x00", "role": "member"}]}),
        (
            "$.participants[1].seen",
            {
                "participants": [
                    {"user": "bob", "role": "member"},
                    {"user": "cid", "role": "member", "seen": 1},
                ]
            },
        ),
        ("$.owner", {"owner": "bob"}),
        ("$.session_id", {"session_id": str(NOWHERE)}),
        ("$.key", {"key": ""}),
    ],
)
async def test_bad_input(stage: Stage, path: str, fields: dict[str, object]) -> None:
    """A value of the wrong kind or size, and a field that does not exist, are refused by path."""
    await stage.invalid(path, create_session, raw(**fields), connected=True)


async def test_200_participants(stage: Stage) -> None:
    """A session may begin with 200 participants beside its owner."""
    names = [f"user-{number}" for number in range(200)]
    stage.sessions.users.update(names)
    cast = [{"user": name, "role": "member"} for name in names]
    created = await stage.run_raw(create_session, raw(participants=cast))
    assert created.seq == 201


async def test_given_twice(stage: Stage) -> None:
    """A participant given twice is refused where they stand the second time, in any role."""
    cast = [NewParticipant(*each) for each in (("bob", "member"), ("cid", "observer"))]
    cast.append(NewParticipant("bob", "observer"))
    error = await stage.refused(
        InvalidValue, create_session, create(participants=cast), connected=True
    )
    assert (error.code, error.fields()) == ("invalid_input", {"path": "$.participants[2].user"})


async def test_the_owner_given(stage: Stage) -> None:
    """The owner takes part already and cannot be given another role."""
    cast = [NewParticipant("bob", "member"), NewParticipant("ann", "member")]
    error = await stage.refused(InvalidValue, create_session, create(participants=cast))
    assert error.fields() == {"path": "$.participants[1].user"}


async def test_unknown_user(stage: Stage) -> None:
    """A participant who does not exist is refused where they stand; no half-made session stays."""
    cast = [NewParticipant("bob", "member"), NewParticipant("nobody", "member")]
    error = await stage.refused(
        UnknownUser, create_session, create(participants=cast), connected=True
    )
    assert (error.code, error.fields()) == ("invalid_input", {"path": "$.participants[1].user"})


async def test_who_may(stage: Stage) -> None:
    """Any user begins sessions; the system, and a user who is gone, cannot own one."""
    for name in ("ann", "dan"):
        await stage.run(create_session, create(), by=name)
    await stage.run(create_session, create(), by=Actor("bob", EVERYTHING))
    await stage.refused(Forbidden, create_session, create(), by=SYSTEM)
    await stage.refused(Forbidden, create_session, create(), by="gone", connected=True)


async def test_repeated_key(stage: Stage) -> None:
    """A repeated key begins one session; another title, say, is another input."""
    cast = [NewParticipant("bob", "member")]
    input = create(title="Roof repair", participants=cast)
    for other in (
        create(title="Wall repair", participants=cast),
        create(title="Roof repair"),
        create(title="Roof repair", participants=cast, metadata={"a": 1}),
        create(title="Roof repair", participants=[NewParticipant("bob", "observer")]),
    ):
        async with on_stage() as fresh:
            await fresh.repeats(create_session, input, other=other)


async def test_watches_from_the_beginning(stage: Stage) -> None:
    """The connection that asked watches the session from its first event on; it is no replay."""
    cast = [NewParticipant("bob", "member")]
    created = await stage.run(create_session, create(participants=cast), connected=True)
    assert [Follow(created.session_id, after=0, head=2, replay=False)] == stage.watcher.follows
    assert {created.session_id} == stage.watcher.watching


async def test_a_duplicate_is_watched_from_its_head(stage: Stage) -> None:
    """A connection that repeats the key watches the first session, from where it is now."""
    created = await stage.run(create_session, create())
    await stage.happen(created.session_id, ParticipantRemoved("bob"))

    again = await stage.run(create_session, create(), connected=True)

    assert replace(created, duplicate=True) == again
    assert [Follow(created.session_id, after=2, head=2, replay=False)] == stage.watcher.follows
    assert stage.calls[-5:] == ["register", "create", "register", "standings", "follow"]


async def test_a_duplicate_that_is_watched_goes_on(stage: Stage) -> None:
    """Repeating the key where the session is watched skips nothing that is still to be sent."""
    created = await stage.run(create_session, create(), connected=True)
    await stage.run(create_session, create(), connected=True)
    assert [Follow(created.session_id, after=0, head=1, replay=False)] == stage.watcher.follows


async def test_a_duplicate_that_was_unwatched(stage: Stage) -> None:
    """Repeating the key watches the session again when it is watched no more."""
    created = await stage.run(create_session, create(), connected=True)
    ids = [created.session_id]
    await stage.run(unwatch_sessions, UnwatchSessions(session_ids=ids), connected=True)
    await stage.run(create_session, create(), connected=True)
    assert Follow(created.session_id, after=1, head=1, replay=False) == stage.watcher.follows[-1]


async def test_a_duplicate_that_one_may_not_watch(stage: Stage) -> None:
    """Who takes part no more gets the first result and watches nothing; by right one does."""
    created = await stage.run(create_session, create())
    await stage.happen(created.session_id, ParticipantRemoved("ann"))

    again = await stage.run(create_session, create(), connected=True)
    assert replace(created, duplicate=True) == again
    assert stage.watcher.follows == []

    await stage.run(create_session, create(), by=Actor("ann", EVERYTHING), connected=True)
    assert [Follow(created.session_id, after=2, head=2, replay=False)] == stage.watcher.follows


async def test_a_duplicate_that_is_gone(stage: Stage) -> None:
    """A session that was deleted meanwhile is not watched."""
    await watch_again(NOWHERE, stage.sessions, Actor("ann"), stage.watcher)
    assert stage.watcher.follows == []


async def test_no_connection(stage: Stage) -> None:
    """Without a connection nothing is watched."""
    await stage.run(create_session, create())
    assert stage.watcher.registered == []


async def test_limit() -> None:
    """A connection that watches as much as it may begins no further session."""
    async with on_stage(Limits(watching=2)) as stage:
        for key in "ab":
            await stage.run(create_session, create(key), connected=True)
        error = await stage.refused(LimitReached, create_session, create("c"), connected=True)
        assert (error.code, error.fields()) == ("limit_reached", {"limit": 2})
        await stage.run(create_session, create("c"))


async def test_repeated_at_the_limit() -> None:
    """Where no more can be watched, a repeated key gives its first result and watches nothing
    more; another input for it is a conflict, whatever else is wrong with it.
    """
    async with on_stage(Limits(watching=2)) as stage:
        elsewhere = await stage.run(create_session, create("a"))
        here = await stage.run(create_session, create("b"), connected=True)
        await stage.run(create_session, create("c"), connected=True)
        before = stage.everything()

        for key, first in (("a", elsewhere), ("b", here)):
            again = await stage.run(create_session, create(key), connected=True)
            assert replace(first, duplicate=True) == again
        assert before == stage.everything()

        twice = [NewParticipant("bob", "member")] * 2
        await stage.refused(
            KeyConflict, create_session, create("a", participants=twice), connected=True
        )


async def test_registers_before_there_is_anything_to_miss(stage: Stage) -> None:
    """The watch is in place before the session begins, so that no event falls in between."""
    await stage.run(create_session, create(), connected=True)
    assert stage.calls == ["register", "create", "follow"]


async def test_key_of_another_flow(stage: Stage) -> None:
    """A key that another flow has used is taken."""
    session_id = await stage.begin()
    used = stage.sessions.log(session_id)[0].key
    assert isinstance(used, str)
    await stage.refused(KeyConflict, create_session, create(used))
