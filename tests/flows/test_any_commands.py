"""Whatever people do, in whatever order: the laws of the log."""

from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from flows.add_participant import add_participant
from flows.atoms.sessions import Committed, Created
from flows.create_session import NewParticipant, create_session
from flows.end_session import end_session
from flows.engine import Flow
from flows.errors import KeyConflict, Refused
from flows.input import Mutation
from flows.leave_session import leave_session
from flows.mark_seen import mark_seen
from flows.remove_participant import remove_participant
from flows.rename_session import rename_session
from flows.resume_session import resume_session
from flows.send_message import send_message
from tests.fakes import fold
from tests.flows.stage import NOWHERE, Stage, on_stage

PEOPLE = st.sampled_from(["ann", "bob", "cid", "dan"])
ROLES = st.sampled_from(["member", "observer"])
NUMBERS = st.none() | st.integers(1, 12)


class Command(Struct, frozen=True):
    """Somebody asks for something; `where` counts the sessions there are."""

    by: str
    flow: Flow[Any, Any]
    fields: dict[str, Any]
    where: int


def command(flow: Flow[Any, Any], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Command]:
    # Few keys, so that they are often repeated: by others, for other params, in other sessions.
    if issubclass(flow.input_type, Mutation):
        fields["key"] = st.integers(1, 25).map(str)
    return st.builds(
        Command, PEOPLE, st.just(flow), st.fixed_dictionaries(fields), st.integers(-1, 2)
    )


COMMANDS = st.lists(
    st.one_of(
        command(
            create_session,
            title=st.sampled_from(["", "Roof"]),
            participants=st.lists(
                st.builds(NewParticipant, PEOPLE | st.just("nobody"), ROLES), max_size=3
            ),
        ),
        command(rename_session, title=st.sampled_from(["", "Roof", "Wall"])),
        command(end_session, reason=st.sampled_from([None, "Dry"])),
        command(resume_session),
        command(add_participant, user=PEOPLE | st.just("nobody"), role=ROLES),
        command(remove_participant, user=PEOPLE),
        command(leave_session),
        command(send_message, text=st.sampled_from(["a", "b"]), reply_to=NUMBERS, if_head=NUMBERS),
        command(mark_seen, seq=st.integers(0, 12)),
    ),
    max_size=40,
)


@given(COMMANDS)
async def test_laws(commands: list[Command]) -> None:
    """Every command has one outcome: written once, repeated, or refused without a trace; and the
    log has no gaps and is what the session is.
    """
    async with on_stage() as stage:
        made: list[UUID] = [await stage.begin()]
        first: dict[tuple[str, str], tuple[Flow[Any, Any], Any, Any]] = {}
        for each in commands:
            await assert_one_outcome(stage, each, made, first)
        assert len(first) + 1 == len(stage.sessions.receipts)
        for session_id in made:
            await assert_lawful(stage, session_id)


async def outcome(stage: Stage, command: Command, input: Any) -> Any:
    """The result, or the refusal."""
    try:
        return await stage.run(command.flow, input, by=command.by)
    except Refused as error:
        return error


async def assert_one_outcome(
    stage: Stage,
    command: Command,
    made: list[UUID],
    first: dict[tuple[str, str], tuple[Flow[Any, Any], Any, Any]],
) -> None:
    fields = dict(command.fields)
    if command.flow is not create_session:
        fields["session_id"] = made[command.where] if command.where < len(made) else NOWHERE
    input = command.flow.input_type(**fields)
    before, heads = stage.everything(), [len(stage.sessions.log(each)) for each in made]
    done = await outcome(stage, command, input)
    if isinstance(done, Refused):
        assert type(done) in command.flow.faults
        assert before == stage.everything()
        if isinstance(done, KeyConflict):
            flow, used, _ = first[command.by, input.key]
            assert (flow, used) != (command.flow, input)
        return
    if not isinstance(done, Committed | Created):
        assert heads == [len(stage.sessions.log(each)) for each in made]
        return
    owner = (command.by, input.key)
    if done.duplicate:
        flow, used, result = first[owner]
        assert (flow, used) == (command.flow, input)
        assert (result.seq, before) == (done.seq, stage.everything())
        return
    assert owner not in first
    first[owner] = (command.flow, input, done)
    if isinstance(done, Created):
        made.append(done.session_id)
        assert 1 + len(input.participants) == done.seq
        assert done.seq == len(stage.sessions.log(done.session_id))
    else:
        heads[made.index(input.session_id)] += 1
        assert done.seq == heads[made.index(input.session_id)]
        assert heads == [len(stage.sessions.log(each)) for each in made]


async def assert_lawful(stage: Stage, session_id: UUID) -> None:
    log = stage.sessions.log(session_id)
    assert list(range(1, len(log) + 1)) == [event.seq for event in log]
    session = await stage.session(session_id)
    assert session == fold(log, seen_as=session)
    assert session.owners
    assert all(each.seen <= session.seq for each in session.participants.values())
