"""What people are told of sessions that they are added to."""

from typing import Any

import pytest

from tests.sessions_app.sockets import Client, Connect

pytestmark = pytest.mark.django_db(transaction=True)


async def told(client: Client) -> list[dict[str, Any]]:
    """What came so far, but for the answer to this."""
    number = 9_999
    await client.send({"jsonrpc": "2.0", "id": number, "method": "ping", "params": {}})
    found: list[dict[str, Any]] = []
    while (frame := await client.frame()).get("id") != number:
        found.append(frame)
    return found


def added(session_id: str, seq: int, role: str) -> dict[str, Any]:
    params = {"session_id": session_id, "seq": seq, "role": role, "actor": "ann"}
    return {"jsonrpc": "2.0", "method": "added", "params": params}


async def test_who_is_added_is_told(connect: Connect) -> None:
    """Each connection that asked for it is told when its user is added to a session, from its
    beginning or later, and when they get another role; nobody else is, nor who did it.
    """
    async with (
        connect("ann", query="added=1") as ann,
        connect("bob", query="ticket=&added=1") as bob,
        connect("bob", query="added=1") as elsewhere,
        connect("bob", query="added=0") as silent,
        connect("cid", query="added=1") as cid,
    ):
        made = await ann.call(
            "create_session", participants=[{"user": "bob", "role": "member"}], key="c"
        )
        session_id = made["session_id"]
        params = {"session_id": session_id, "user": "bob"}
        await ann.call("remove_participant", **params, key="r")
        await ann.call("add_participant", **params, role="observer", key="a")
        hints = [added(session_id, 2, "member"), added(session_id, 4, "observer")]
        assert await told(elsewhere) == hints
        assert await told(bob) == hints
        assert await told(silent) == []
        assert await told(cid) == []
        assert "added" not in [each["method"] for each in await told(ann)]


async def test_who_watches_is_not_told_twice(connect: Connect) -> None:
    """A connection that watches the session hears the event itself, and no hint."""
    async with connect("ann") as ann, connect("bob", query="added=1") as bob:
        made = await ann.call(
            "create_session", participants=[{"user": "bob", "role": "member"}], key="c"
        )
        session_id = made["session_id"]
        await bob.call("watch_sessions", sessions=[{"session_id": session_id, "after": 2}])
        await told(bob)
        params = {"session_id": session_id, "user": "bob"}
        await ann.call("add_participant", **params, role="observer", key="a")
        assert [each["method"] for each in await told(bob)] == ["event"]


async def test_what_is_refused_is_not_told(connect: Connect) -> None:
    """Who was not added is told nothing: a refusal, and a key that is repeated, add nobody."""
    async with connect("ann") as ann, connect("bob", query="added=1") as bob:
        made = await ann.call("create_session", key="c")
        params = {"session_id": made["session_id"], "user": "bob", "role": "member"}
        await ann.call("end_session", session_id=made["session_id"], key="e")
        refused = await ann.call("add_participant", **params, key="a")
        assert refused["data"]["code"] == "session_ended"
        await ann.call("resume_session", session_id=made["session_id"], key="r")
        for _ in range(2):
            await ann.call("add_participant", **params, key="a")
        assert await told(bob) == [added(made["session_id"], 4, "member")]
