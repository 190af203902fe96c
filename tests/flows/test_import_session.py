"""Taking in a session from its exported log."""

from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from flows.actor import Right
from flows.errors import Forbidden, InvalidValue, UnknownUser
from flows.events import MessageSent, SessionEnded
from flows.import_session import Imported, ImportSession, import_session
from flows.send_message import SendMessage, send_message
from tests.flows.people import staff, without
from tests.flows.stage import Stage

KEEPER = staff(Right.DELETE)


async def moved(stage: Stage, *, keys: bool = True) -> tuple[UUID, list[dict[str, Any]]]:
    """A session that is here no more, and its log; with the key `w` Bob has written in it."""
    session_id = await stage.begin()
    await stage.run(send_message, SendMessage(session_id=session_id, text="x", key="w"), by="bob")
    await stage.happen(session_id, SessionEnded())
    log = stage.sessions.log(session_id)
    stage.sessions.delete(session_id)
    shown = log if keys else [replace(each, key=UNSET) for each in log]
    return session_id, [msgspec.to_builtins(each) for each in shown]


async def test_works(stage: Stage) -> None:
    """A session is as it was: its log, what it amounts to, and its keys, which never run again."""
    session_id, log = await moved(stage)
    done = await stage.run(import_session, ImportSession(log=log), by=KEEPER)
    assert done == Imported(session_id, 5, before=False)
    assert [msgspec.to_builtins(each) for each in stage.sessions.log(session_id)] == log
    again = SendMessage(session_id=session_id, text="x", key="w")
    told = await stage.run(send_message, again, by="bob")
    assert (told.seq, told.duplicate) == (4, True)


async def test_again(stage: Stage) -> None:
    """One that is here already with the same log stays as it is, also if its keys are not told."""
    _, log = await moved(stage)
    await stage.run(import_session, ImportSession(log=log), by=KEEPER)
    before = stage.everything()
    without_keys = [{k: v for k, v in each.items() if k != "key"} for each in log]
    for each in (log, without_keys):
        assert (await stage.run(import_session, ImportSession(log=each), by=KEEPER)).before
    assert before == stage.everything()


async def test_another_log(stage: Stage) -> None:
    """One that is here with another log, a longer or a shorter one, is refused."""
    session_id, log = await moved(stage)
    await stage.run(import_session, ImportSession(log=log), by=KEEPER)
    for other in (log[:-1], [*log[:-1], {**log[-1], "at": "2030-01-01T00:00:00.000Z"}]):
        error = await stage.refused(
            InvalidValue, import_session, ImportSession(log=other), by=KEEPER
        )
        assert "with another log" in str(error)
    await stage.happen(session_id, MessageSent("x"))
    await stage.refused(InvalidValue, import_session, ImportSession(log=log), by=KEEPER)


async def test_other_names(stage: Stage) -> None:
    """Who is called otherwise here is so everywhere in the log."""
    session_id, log = await moved(stage)
    input = ImportSession(log=log, users={"bob": "dan"})
    await stage.run(import_session, input, by=KEEPER)
    assert list((await stage.session(session_id)).participants) == ["ann", "dan", "cid"]
    assert stage.sessions.log(session_id)[3].actor == "dan"


async def test_unknown_users(stage: Stage) -> None:
    """Whoever is not here is refused by name, or made if that is asked for."""
    session_id, log = await moved(stage)
    input = ImportSession(log=log, users={"cid": "new"})
    error = await stage.refused(UnknownUser, import_session, input, by=KEEPER)
    assert error.user == "new"
    await stage.run(import_session, replace(input, create_users=True), by=KEEPER)
    assert "new" in (await stage.session(session_id)).participants


async def test_a_key_of_another_session(stage: Stage) -> None:
    """A key that was used in another session here meanwhile is refused: it would be two things."""
    _, log = await moved(stage)
    other = await stage.begin()
    await stage.run(send_message, SendMessage(session_id=other, text="x", key="w"), by="bob")
    error = await stage.refused(InvalidValue, import_session, ImportSession(log=log), by=KEEPER)
    assert "'w'" in str(error)


async def test_damaged_logs(stage: Stage) -> None:
    """A log with a hole, or with a line that is no event, is refused with the place."""
    _, log = await moved(stage)
    for wrong, says in (
        ([*log[:2], *log[3:]], "event 4: event 4 does not follow 2"),
        ([*log[:1], {"seq": 2}], "line 2: Object missing required field"),
        ([], "there is no event"),
        ([{**log[0], "data": 7}], "Expected `object`, got `int`"),
        ([log[0], {**log[1], "data": {"user": []}}], "event 2: its data are not those"),
    ):
        input = ImportSession(log=wrong)
        error = await stage.refused(InvalidValue, import_session, input, by=KEEPER)
        assert error.path == "$.log"
        assert says in error.reason


async def test_bad_input(stage: Stage) -> None:
    """What is no log is refused by path."""
    await stage.invalid("$.log", import_session, {"log": "x"}, by=KEEPER)
    await stage.invalid("$.log[0]", import_session, {"log": [1]}, by=KEEPER)


async def test_who_may(stage: Stage) -> None:
    """It takes the right to keep whole sessions."""
    _, log = await moved(stage, keys=False)
    for by in without(Right.DELETE):
        await stage.refused(Forbidden, import_session, ImportSession(log=log), by=by)
