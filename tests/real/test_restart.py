"""A server dies and is started again: what it has acknowledged is there, and goes on."""

from collections.abc import Iterator

import pytest

from tests.real.test_conversation import created
from tests.servers import Database, Server, serving
from tests.wire import Client, Refused


@pytest.fixture(params=["sqlite", "postgres"], scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server on each kind of database."""
    database: Database = request.getfixturevalue(request.param)
    with serving(database) as server:
        yield server


async def test_history_goes_on_after_a_crash(server: Server) -> None:
    """After SIGKILL and a new start the log is complete, and the next event has the next seq."""
    ann, bob = server.people["owner0"], server.people["member0"]
    async with (
        await Client.connect(server.url, ann.token) as writer,
        await Client.connect(server.url, bob.token) as reader,
    ):
        session = await created(writer, bob.name)
        await reader.watch(session)
        for number in range(10):
            await writer.write(session, f"Message {number}")
        await reader.has_events(session, 5)
        server.kill()
        assert await reader.ended() == 1006
        seen = reader.seqs(session)

    server.start()
    async with (
        await Client.connect(server.url, ann.token) as writer,
        await Client.connect(server.url, bob.token) as reader,
    ):
        assert await reader.watch(session, after=seen[-1]) == 12
        assert await writer.write(session, "Back again") == 13
        await reader.has_events(session, 13)
        assert seen + reader.seqs(session) == list(range(1, 14))
        page = await writer.call("list_events", session_id=session, after=2)
        texts = [each["data"]["text"] for each in page["events"]]
        assert texts == [*(f"Message {number}" for number in range(10)), "Back again"]
    assert server.complaints() == []


async def test_a_key_runs_once_across_a_crash(server: Server) -> None:
    """The same key gives the first result, before and after a crash, and other params conflict."""
    ann = server.people["owner1"]
    async with await Client.connect(server.url, ann.token) as client:
        session = await created(client)
        message = {"session_id": session, "text": "Once", "key": "k-1"}
        assert await client.call("send_message", **message) == {"seq": 2, "duplicate": False}
        assert await client.call("send_message", **message) == {"seq": 2, "duplicate": True}
        server.kill()
        await client.ended()

    server.start()
    async with await Client.connect(server.url, ann.token) as client:
        assert await client.call("send_message", **message) == {"seq": 2, "duplicate": True}
        with pytest.raises(Refused) as refused:
            await client.call("send_message", **{**message, "text": "Twice"})
        assert (refused.value.number, refused.value.code) == (-32009, "key_conflict")
        assert (await client.call("get_session", session_id=session))["seq"] == 2


async def test_all_that_was_acknowledged_is_there_after_a_crash_in_full_flight(
    server: Server,
) -> None:
    """A crash amid writes loses none that was answered, and repeating the others adds each once."""
    ann = server.people["owner2"]
    async with await Client.connect(server.url, ann.token) as client:
        session = await created(client)
        for number in range(30):
            await client.send(
                f'{{"jsonrpc":"2.0","id":{number},"method":"send_message","params":'
                f'{{"session_id":"{session}","text":"{number}","key":"k-{number}"}}}}'
            )
        await client.until(lambda: client.reply_to(5))
        server.kill()
        await client.ended()
        answered = {each["id"]: each["result"]["seq"] for each in client.strays()}

    server.start()
    async with await Client.connect(server.url, ann.token) as client:
        seqs = [await client.write(session, str(number), f"k-{number}") for number in range(30)]
        assert sorted(seqs) == list(range(2, 32))
        assert {number: seqs[number] for number in answered} == answered
        page = await client.call("list_events", session_id=session, after=1)
        assert {each["seq"]: each["data"]["text"] for each in page["events"]} == {
            seq: str(number) for number, seq in enumerate(seqs)
        }


async def test_a_stop_is_no_crash(server: Server) -> None:
    """On SIGTERM the server ends by itself, and tells its clients to come back."""
    async with await Client.connect(server.url, server.people["owner3"].token) as client:
        await client.settle()
        assert server.stop() == 0
        assert await client.ended() == 4001
    assert server.complaints() == []
    server.start()
