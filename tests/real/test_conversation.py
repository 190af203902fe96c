"""Two people talk over real sockets, with each server."""

import re
from typing import Any
from uuid import uuid4

from tests.servers import Database, Server, serving
from tests.wire import Client, Frame

#: Notifications that come when they will.
ABOUT_THE_CONNECTION = {"presence", "ping"}


async def test_what_was_missed_comes_in_order_and_once(server: Server) -> None:
    """Who was cut off and comes back gets exactly what they missed, and then what is new."""
    ann, bob = server.people["owner0"], server.people["member0"]
    async with await Client.connect(server.url, ann.token) as writer:
        reader = await Client.connect(server.url, bob.token)
        session = await created(writer, bob.name)
        await reader.watch(session)
        assert await writer.write(session, "Are you there?") == 3
        await reader.has_events(session, 3)
        assert await reader.write(session, "Yes") == 4
        await writer.has_events(session, 4)

        await reader.cut()
        for number in range(20):
            assert await writer.write(session, f"Message {number}") == 5 + number

        async with await Client.connect(server.url, bob.token) as again:
            assert await again.watch(session, after=4) == 24
            assert again.seqs(session) == list(range(5, 25))
            texts = [each["data"]["text"] for each in again.events(session)]
            assert texts == [f"Message {number}" for number in range(20)]
            assert methods(again)[-1] == "live"
            await writer.write(session, "Welcome back")
            await again.has_events(session, 25)
            assert again.seqs(session) == list(range(5, 26))
        assert writer.seqs(session) == list(range(1, 26))
    assert server.complaints() == []


async def test_the_first_conversation_of_the_protocol(server: Server) -> None:
    """The transcript that the protocol begins with happens frame by frame, in this order."""
    ann, bob = server.people["owner0"], server.people["member0"]
    async with await Client.connect(server.url, ann.token) as client:
        welcome = await client.until(lambda: client.frames[0] if client.frames else None)
        await client.send(
            '{"jsonrpc":"2.0","id":1,"method":"create_session",'
            '"params":{"title":"Roof repair","key":"c-1"}}'
        )
        await client.until(lambda: client.notifications("event") or None)
        session = client.reply_to(1)["result"]["session_id"]  # type: ignore[index]
        await client.send(
            '{"jsonrpc":"2.0","id":2,"method":"send_message",'
            f'"params":{{"session_id":"{session}","text":"It leaks.","key":"c-2"}}}}'
        )
        await client.has_events(session, 2)
        await client.send(
            '{"jsonrpc":"2.0","id":3,"method":"send_message",'
            f'"params":{{"session_id":"{session}","text":7,"key":"c-3"}}}}'
        )
        await client.until(lambda: client.reply_to(3))

        assert welcome["method"] == "welcome"
        assert welcome["params"]["user"] == ann.name
        at = [each["at"] for each in client.events(session)]
        assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", each) for each in at)
        created_data = client.events(session)[0]["data"]
        assert created_data == {"title": "Roof repair", "metadata": {}}
        assert said(client)[1:] == [
            {
                "jsonrpc": "2.0",
                "id": 1,
                "result": {"session_id": session, "seq": 1, "duplicate": False},
            },
            event(session, 1, "session_created", ann.name, at[0], created_data, key="c-1"),
            {"jsonrpc": "2.0", "id": 2, "result": {"seq": 2, "duplicate": False}},
            event(session, 2, "message_sent", ann.name, at[1], {"text": "It leaks."}, key="c-2"),
            {
                "jsonrpc": "2.0",
                "id": 3,
                "error": {
                    "code": -32602,
                    "message": "Expected `str`, got `int`",
                    "data": {"code": "invalid_input", "path": "$.text", "retry": False},
                },
            },
        ]
        await client.cut()

    async with await Client.connect(server.url, ann.token) as other:
        await other.call(
            "add_participant", session_id=session, user=bob.name, role="member", key="c-4"
        )
    async with await Client.connect(server.url, ann.token) as client:
        await client.send(
            '{"jsonrpc":"2.0","id":1,"method":"watch_sessions",'
            f'"params":{{"sessions":[{{"session_id":"{session}","after":2}}]}}}}'
        )
        await client.until(lambda: client.notifications("live") or None)
        await client.send(
            '{"jsonrpc":"2.0","id":2,"method":"send_message",'
            f'"params":{{"session_id":"{session}","text":"It leaks.","key":"c-2"}}}}'
        )
        await client.until(lambda: client.reply_to(2))
        added = client.events(session)[0]
        assert said(client)[1:] == [
            {
                "jsonrpc": "2.0",
                "id": 1,
                "result": {"watching": [{"session_id": session, "head": 3}], "refused": []},
            },
            event(
                session,
                3,
                "participant_added",
                ann.name,
                added["at"],
                {"user": bob.name, "role": "member"},
                key="c-4",
            ),
            {
                "jsonrpc": "2.0",
                "method": "live",
                "params": {"session_id": session, "head": 3},
            },
            {"jsonrpc": "2.0", "id": 2, "result": {"seq": 2, "duplicate": True}},
        ]
    assert server.complaints() == []


async def test_a_key_is_its_authors_own(server: Server) -> None:
    """The key of an event is shown to its author only, live and in the log."""
    ann, bob = server.people["owner0"], server.people["member0"]
    async with (
        await Client.connect(server.url, ann.token) as author,
        await Client.connect(server.url, bob.token) as other,
    ):
        session = await created(author, bob.name)
        await other.watch(session)
        await author.write(session, "Hello", key="mine")
        await author.has_events(session, 3)
        await other.has_events(session, 3)
        assert author.events(session)[2]["key"] == "mine"
        assert [each for each in other.events(session) if "key" in each] == []
        page = await other.call("list_events", session_id=session, after=0)
        assert [each for each in page["events"] if "key" in each] == []
        page = await author.call("list_events", session_id=session, after=0)
        assert page["events"][2]["key"] == "mine"


async def test_a_cookie_opens_a_socket_from_its_own_origin(server: Server) -> None:
    """Who has signed in with the browser needs nothing but the cookie and the right page."""
    ann = server.people["owner0"]
    headers = {"Cookie": f"sessionid={ann.cookie}", "Origin": f"http://{server.host}"}
    async with await Client.connect(server.url, headers=headers) as client:
        (welcome,) = await client.until(lambda: client.notifications("welcome") or None)
        assert welcome["params"]["user"] == ann.name


async def test_django_s_own_server_serves_a_conversation(sqlite: Database) -> None:
    """`manage.py runserver` has the sockets, too."""
    with serving(sqlite, "runserver") as server:
        async with await Client.connect(server.url, server.people["owner0"].token) as client:
            session = await created(client)
            assert await client.write(session, "Hello") == 2
            await client.has_events(session, 2)


async def created(client: Client, *members: str) -> str:
    """A new session of the client's, with these members."""
    participants = [{"user": name, "role": "member"} for name in members]
    result = await client.call(
        "create_session", title="Roof", participants=participants, key=uuid4().hex
    )
    return str(result["session_id"])


def event(
    session: str, seq: int, kind: str, actor: str, at: str, data: Frame, *, key: str
) -> Frame:
    """An event as its author is told of it."""
    params = {
        "session_id": session, "seq": seq, "kind": kind, "actor": actor, "at": at, "key": key,
        "data": data,
    }  # fmt: skip
    return {"jsonrpc": "2.0", "method": "event", "params": params}


def said(client: Client) -> list[Any]:
    """What has come, but for what comes when it will."""
    return [each for each in client.frames if each.get("method") not in ABOUT_THE_CONNECTION]


def methods(client: Client) -> list[str]:
    """The notifications as they came, but for those that come when they will."""
    return [each["method"] for each in said(client) if "method" in each]
