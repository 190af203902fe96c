"""What nodes say of themselves and do when they are asked, as real processes on one database."""

import asyncio
import json
import re
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from urllib.parse import urlencode

import pytest

from tests.servers import PATIENCE, Database, Server, manage, postgres_database, serving
from tests.services import postgres_problem
from tests.wire import Client

Nodes = tuple[Server, Server]

#: Runs a flow as the system, in a process of its own that is no node.
RUN = """
from flows.actor import SYSTEM
from sessions_app.inventory import all_flows
from sessions_app.scope import run
import json, msgspec
flow = next(each for each in all_flows() if each.name == {name!r})
print(msgspec.json.encode(run(flow, {raw!r}, actor=SYSTEM)).decode())
"""


@pytest.fixture
def database() -> Iterator[Database]:
    if problem := postgres_problem():
        pytest.skip(problem)
    with postgres_database() as database:
        yield database


@pytest.fixture
def nodes(database: Database) -> Iterator[Nodes]:
    """Two processes that have nothing but the database in common."""
    with ExitStack() as stack:
        first, second = (stack.enter_context(serving(database)) for _ in range(2))
        yield first, second


async def asked(database: Database, name: str, **raw: object) -> object:
    """What a flow gives an operator."""
    code = RUN.format(name=name, raw=raw)
    done = await asyncio.to_thread(
        manage, "shell", "--no-imports", "-c", code, database_url=database.url
    )
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


async def listed(database: Database, users: list[str]) -> None:
    """Wait until these users are connected, and no others."""
    query = (
        "SELECT u.username FROM sessions_app_connection c JOIN sessions_app_user u"
        " ON u.id = c.user_id ORDER BY u.username"
    )
    await _until(lambda: [name for (name,) in database.rows(query)] == users)


def page_of_connections(server: Server, form: dict[str, str] | None = None) -> str:
    """The admin's page of who is connected, as this node serves it; with `form`, after that."""
    url = f"http://{server.host}/admin/sessions_app/connection/"
    cookie = f"sessionid={server.people['admin'].cookie}"
    body = None
    if form is not None:
        token = "t" * 32
        cookie += f"; csrftoken={token}"
        body = urlencode(form | {"csrfmiddlewaretoken": token}).encode()
    request = urllib.request.Request(url, body, {"Cookie": cookie})
    with urllib.request.urlopen(request) as answer:  # noqa: S310 (our own server)
        content: str = answer.read().decode()
        return content


def on_the_page(server: Server) -> dict[str, str]:
    """The connections on that page: their ids, by user."""
    row = r'value="(\w+)" class="action-select".*?<th class="field-user[^"]*"><a [^>]*>(\w+)</a>'
    return {name: key for key, name in re.findall(row, page_of_connections(server))}


async def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not await asyncio.to_thread(holds):
        assert time.monotonic() < deadline, "it did not come true in time"
        await asyncio.sleep(0.05)


async def test_disconnecting_reaches_every_node(nodes: Nodes, database: Database) -> None:
    """An operator closes all sockets of a user, on nodes that the command is no part of."""
    here, there = nodes
    ann, bob = here.people["owner0"], here.people["member0"]
    async with (
        await Client.connect(here.url, ann.token) as one,
        await Client.connect(there.url, ann.token) as two,
        await Client.connect(there.url, bob.token) as other,
    ):
        await listed(database, ["member0", "owner0", "owner0"])
        assert await asked(database, "disconnect_user", user=ann.name) == {"connections": 2}
        assert [await each.ended(patience=3) for each in (one, two)] == [4511, 4511]
        assert await other.call("ping") == {}
        await listed(database, ["member0"])
    assert (here.complaints(), there.complaints()) == ([], [])


async def test_staff_close_connections_of_another_node(nodes: Nodes, database: Database) -> None:
    """What staff choose on the page of one node is closed on the other, with the code for it."""
    here, there = nodes
    ann, bob, eve = (here.people[name] for name in ("owner0", "member0", "observer0"))
    async with (
        await Client.connect(there.url, ann.token) as one,
        await Client.connect(there.url, bob.token) as two,
        await Client.connect(there.url, eve.token) as other,
    ):
        await listed(database, ["member0", "observer0", "owner0"])
        ids = await asyncio.to_thread(on_the_page, here)
        for client, name, action, code in (
            (one, "owner0", "disconnect", 4511),
            (two, "member0", "reconnect", 4002),
        ):
            form = {"action": action, "_selected_action": ids[name]}
            form |= {"confirmed": "yes", "reason": "Spam"}
            await asyncio.to_thread(page_of_connections, here, form)
            assert await client.ended(patience=3) == code
        assert await other.call("ping") == {}
    assert (here.complaints(), there.complaints()) == ([], [])


async def test_a_node_that_is_drained_ends(nodes: Nodes, database: Database) -> None:
    """A node that is asked to drain sends its clients away and ends in order; the other stays."""
    here, there = nodes
    ann, bob = here.people["owner0"], here.people["member0"]
    async with (
        await Client.connect(here.url, ann.token) as one,
        await Client.connect(there.url, bob.token) as other,
    ):
        (welcome,) = await one.until(lambda: one.notifications("welcome") or None)
        await asked(database, "drain_node", node=welcome["params"]["node"])
        await one.until(lambda: one.notifications("draining") or None, patience=3)
        assert await one.ended() == 4001
        assert await asyncio.to_thread(here.ended) == 0
        assert await other.call("ping") == {}
        await listed(database, ["member0"])
    assert (here.complaints(), there.complaints()) == ([], [])


async def test_a_node_that_is_killed_vanishes(nodes: Nodes, database: Database) -> None:
    """What a killed process has left is removed by another, when it has been silent for long; the
    admin's page shows it no more even before that.
    """
    here, there = nodes
    ann, bob = here.people["owner0"], here.people["member0"]
    async with (
        await Client.connect(here.url, ann.token) as one,
        await Client.connect(there.url, bob.token),
    ):
        await listed(database, ["member0", "owner0"])
        (welcome,) = await one.until(lambda: one.notifications("welcome") or None)
        assert sorted(await asyncio.to_thread(on_the_page, there)) == ["member0", "owner0"]
        here.kill()
        assert await one.ended() == 1006
        # Half a minute passes for it.
        database.rows(
            "UPDATE sessions_app_node SET last_seen = last_seen - interval '31 s'"
            " WHERE name = ? RETURNING name",
            [welcome["params"]["node"]],
        )
        assert list(await asyncio.to_thread(on_the_page, there)) == ["member0"]
        await listed(database, ["member0"])
        assert database.rows("SELECT count(*) FROM sessions_app_node") == [(1,)]
