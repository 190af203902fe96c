"""Every notification by every kind of person: who is told what of a session."""

import json
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import pytest

from project.application import Application
from sessions_app.adapters.wiring import door
from sessions_app.contract.notifications import NOTIFICATIONS
from tests.sessions_app.permissions.cast import CAST, OBSERVERS, begin
from tests.sessions_app.sockets import Client, Connect, until

pytestmark = pytest.mark.django_db(transaction=True)

#: Told of a session to those who watch it, by a role or by right, and to nobody else.
OF_A_SESSION = {"event", "seen", "signal", "presence", "live"}

#: Told to a connection of what it watches itself: these need no right of their own.
OF_WHAT_IS_WATCHED = {"lagging", "unwatched", "ping"}

#: Told to who is added to a session, on connections that asked for it.
OF_ONESELF = {"added"}

#: Told to every connection of itself.
OF_THE_CONNECTION = {"welcome", "draining", "auth_expiring"}


def test_every_notification_is_in_a_table() -> None:
    """Each notification says for whom it is."""
    assert (
        NOTIFICATIONS.keys() == OF_A_SESSION | OF_WHAT_IS_WATCHED | OF_ONESELF | OF_THE_CONNECTION
    )


async def heard(client: Client, session_id: str) -> set[str]:
    """The notifications so far that are about the session."""
    # What is told to all is told to them before the answer to this.
    number = 9_999
    await client.send({"jsonrpc": "2.0", "id": number, "method": "ping", "params": {}})
    found: set[str] = set()
    while (frame := await client.frame()).get("id") != number:
        if session_id in json.dumps(frame):
            found.add(frame.get("method", ""))
    return found


async def watch(client: Client, session_id: str) -> None:
    """Try all that there is to watch a session."""
    for method, params in (
        ("observe_session", {"session_id": session_id, "after": 0}),
        ("watch_sessions", {"sessions": [{"session_id": session_id, "after": 0}]}),
    ):
        answer: Any = await client.call(method, **params)
        if "code" not in answer and not answer.get("refused"):
            return


async def test_who_is_told_of_a_session(application: Application, connect: Connect) -> None:
    """Those who take part and those who may read are told all of it; everybody else nothing, also
    those who know its id and try.
    """
    session_id = await begin(application)
    told: dict[str, set[str]] = {}
    async with AsyncExitStack() as stack:
        clients = {each.name: await stack.enter_async_context(connect(each.name)) for each in CAST}
        author = await stack.enter_async_context(connect("owner"))
        for client in clients.values():
            await watch(client, session_id)
        hub = (await application.flows.resolve(door)).hub

        async def live() -> bool:
            return all(reader.live for feed in hub.feeds.values() for reader in feed.readers)

        await until(live)
        for feed in hub.feeds.values():
            for reader in feed.readers:
                # As if they had been there for a while: then they are told who is there.
                reader.live_at = float("-inf")
        hub.look_around()
        await author.call("send_message", session_id=session_id, text="Hi", key=uuid4().hex)
        await author.call("mark_seen", session_id=session_id, seq=1)
        await author.call("signal", session_id=session_id, name="typing")
        for name, client in clients.items():
            told[name] = await heard(client, session_id)
    assert told == {
        each.name: OF_A_SESSION if each.role or each in OBSERVERS else set() for each in CAST
    }
