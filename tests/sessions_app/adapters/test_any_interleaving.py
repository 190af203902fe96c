import asyncio
from uuid import UUID, uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct

from flows.actor import Actor
from flows.atoms.sessions import Committed, Decide
from flows.errors import Refused
from flows.events import (
    Body,
    MessageSent,
    ParticipantAdded,
    ParticipantRemoved,
    Role,
    SessionEnded,
    SessionRenamed,
    SessionResumed,
)
from flows.session import Session, Status
from tests.sessions_app.adapters.nodes import Nodes, Write


class Command(Struct, frozen=True):
    """Somebody, on one of two nodes, asks for something in one of two sessions, under a key."""

    node: int
    session: int
    user: str
    key: int
    what: str


COMMANDS = st.lists(
    st.builds(
        Command,
        node=st.integers(0, 1),
        session=st.integers(0, 1),
        user=st.sampled_from(["ann", "bob"]),
        key=st.integers(0, 9),
        what=st.sampled_from(
            [
                "say",
                "say twice",
                "rename",
                "end",
                "resume",
                "add",
                "remove",
                "nobody",
            ]
        ),
    ),
    max_size=40,
)


def rule(command: Command) -> Decide:
    """What a command asks for, if the session is such that it can be."""

    def decide(session: Session) -> list[Body]:
        present = "cid" in session.participants
        is_open = session.status is Status.OPEN
        said: dict[str, list[Body]] = {
            "say": [MessageSent(f"{command.key}")],
            "say twice": [MessageSent("1"), MessageSent("2")],
            "rename": [SessionRenamed(f"title {session.seq}")],
            "end": [SessionEnded()] if is_open else [],
            "resume": [] if is_open else [SessionResumed()],
            "add": [ParticipantAdded("cid", Role.OBSERVER if present else Role.MEMBER)],
            "remove": [ParticipantRemoved("cid")] if present else [],
            "nobody": [MessageSent("not me"), ParticipantAdded("nobody", Role.MEMBER)],
        }
        if not said[command.what]:
            raise Refused("no")
        return said[command.what]

    return decide


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(commands=COMMANDS)
async def test_any_interleaving(database: str, node_of: Nodes, commands: list[Command]) -> None:
    """Whoever asks whatever where and when: no seq is missing, no key has two effects, nothing
    that was refused has any, and every session is the fold of its log.
    """
    nodes = [node_of(database, lanes=2, readers=1) for _ in range(2)]
    run = uuid4().hex[:8]
    ids = [await nodes[0].begin(), await nodes[1].begin()]

    async def ask(command: Command) -> object:
        input = Write(
            session_id=ids[command.session], key=f"{run}-{command.key}", note=command.what
        )
        return await nodes[command.node].log.commit(
            input, by=Actor(command.user), decide=rule(command)
        )

    done = await asyncio.gather(*(ask(each) for each in commands), return_exceptions=True)

    logs = {id: await nodes[0].events(id) for id in ids}
    for id in ids:
        await nodes[1].require_sound(id)
    effects: dict[tuple[str, str], set[tuple[UUID, str, int]]] = {}
    for command, outcome in zip(commands, done, strict=True):
        if isinstance(outcome, Committed):
            where = ids[command.session], command.what, outcome.seq
            effects.setdefault((command.user, f"{run}-{command.key}"), set()).add(where)
        else:
            assert isinstance(outcome, Refused)
    # One effect per key, and it is what everybody was told.
    assert all(len(each) == 1 for each in effects.values())
    assert len(
        [each for each in done if isinstance(each, Committed) and not each.duplicate]
    ) == len(effects)
    told = {key: next(iter(each)) for key, each in effects.items()}
    written = {
        (event.actor, event.key): (id, event.seq) for id, log in logs.items() for event in log[2:]
    }
    assert written == {key: (id, seq) for key, (id, _, seq) in told.items()}
    await asyncio.sleep(0)
    announced = [event for node in nodes for batch in node.announced for event in batch]
    assert sorted(announced, key=lambda each: (each.session_id, each.seq)) == sorted(
        (event for log in logs.values() for event in log),
        key=lambda each: (each.session_id, each.seq),
    )
    for node in nodes:
        await node.log.close()
