"""Two server processes on one database, with one client on each."""

from collections.abc import Iterator
from contextlib import ExitStack
from uuid import uuid4

import pytest

from tests.real.test_conversation import created
from tests.servers import Database, Server, serving
from tests.services import redis_problem
from tests.wire import Client

Nodes = tuple[Server, Server]

#: Without the doorbell, heads are compared once a second (± 20 %).
WITHOUT_REDIS = 3.0


@pytest.fixture(scope="module")
def nodes(postgres: Database) -> Iterator[Nodes]:
    """Two processes, with Redis between them."""
    if problem := redis_problem():
        pytest.skip(problem)
    prefix = f"test-{uuid4().hex}"
    with ExitStack() as stack:
        first, second = (
            stack.enter_context(serving(postgres, redis_prefix=prefix)) for _ in range(2)
        )
        yield first, second


@pytest.fixture(scope="module")
def strangers(postgres: Database) -> Iterator[Nodes]:
    """Two processes that have nothing but the database in common."""
    with serving(postgres) as first, serving(postgres) as second:
        yield first, second


async def test_a_conversation_between_nodes(nodes: Nodes) -> None:
    """What is said on one node arrives on the other, also after a cut and after a crash."""
    here, there = nodes
    ann, bob = here.people["owner0"], here.people["member0"]
    async with await Client.connect(here.url, ann.token) as writer:
        reader = await Client.connect(there.url, bob.token)
        session = await created(writer, bob.name)
        await reader.watch(session)
        await writer.write(session, "Hello over there")
        await reader.has_events(session, 3)
        await reader.write(session, "Hello")
        await writer.has_events(session, 4)

        await reader.cut()
        for number in range(20):
            await writer.write(session, f"Message {number}")
        async with await Client.connect(there.url, bob.token) as again:
            assert await again.watch(session, after=4) == 24
            assert again.seqs(session) == list(range(5, 25))

        # The node that everything was written on goes; the other one goes on.
        here.kill()
        await writer.ended()
        async with await Client.connect(there.url, ann.token) as moved:
            assert await moved.watch(session, after=4) == 24
            assert await moved.write(session, "Moved over") == 25
            await moved.has_events(session, 25)
            assert moved.seqs(session) == list(range(5, 26))
    here.start()
    assert (here.complaints(), there.complaints()) == ([], [])


async def test_a_key_runs_once_on_any_node(nodes: Nodes) -> None:
    """A key that was used on one node gives the first result on the other."""
    here, there = nodes
    ann = here.people["owner0"]
    async with (
        await Client.connect(here.url, ann.token) as one,
        await Client.connect(there.url, ann.token) as other,
    ):
        session = await created(one)
        assert await one.write(session, "Once", key="k") == 2
        again = await other.call("send_message", session_id=session, text="Once", key="k")
        assert again == {"seq": 2, "duplicate": True}


async def test_two_nodes_write_in_one_order(nodes: Nodes) -> None:
    """Writers on both nodes give one gapless order, the same for whoever watches on either."""
    here, there = nodes
    ann, bob = here.people["owner0"], here.people["member0"]
    async with (
        await Client.connect(here.url, ann.token) as one,
        await Client.connect(there.url, bob.token) as other,
    ):
        session = await created(one, bob.name)
        await other.watch(session)
        for client, name in ((one, "one"), (other, "other")):
            for number in range(15):
                await client.send(
                    f'{{"jsonrpc":"2.0","id":{number},"method":"send_message","params":'
                    f'{{"session_id":"{session}","text":"{name} {number}","key":"n-{number}"}}}}'
                )
        await one.has_events(session, 32)
        await other.has_events(session, 32)
        assert one.seqs(session) == list(range(1, 33))
        texts = [
            [(each["seq"], each["data"].get("text")) for each in client.events(session)]
            for client in (one, other)
        ]
        assert texts[0] == texts[1]
        # Each wrote in order, and is told of it in that order.
        mine = [text for _, text in texts[0] if text and text.startswith("one")]
        assert mine == [f"one {number}" for number in range(15)]


async def test_without_redis_all_arrives_only_later(strangers: Nodes) -> None:
    """Nodes without a doorbell between them bring each other's events within about a second."""
    here, there = strangers
    ann, bob = here.people["owner0"], here.people["member0"]
    async with (
        await Client.connect(here.url, ann.token) as writer,
        await Client.connect(there.url, bob.token) as reader,
    ):
        session = await created(writer, bob.name)
        await reader.watch(session)
        for number in range(20):
            await writer.write(session, f"Message {number}")
        await reader.has_events(session, 22, patience=WITHOUT_REDIS)
        assert reader.seqs(session) == list(range(1, 23))
        await reader.write(session, "All of them")
        await writer.has_events(session, 23, patience=WITHOUT_REDIS)
    assert (here.complaints(), there.complaints()) == ([], [])


async def test_removing_somebody_reaches_the_other_node(nodes: Nodes) -> None:
    """Who is removed on one node is told so on the other within 2 s, and hears no more."""
    here, there = nodes
    ann, bob = here.people["owner0"], here.people["member0"]
    async with (
        await Client.connect(here.url, ann.token) as owner,
        await Client.connect(there.url, bob.token) as member,
    ):
        session = await created(owner, bob.name)
        await member.watch(session)
        await owner.call("remove_participant", session_id=session, user=bob.name, key=uuid4().hex)
        (unwatched,) = await member.until(
            lambda: member.notifications("unwatched") or None, patience=2
        )
        assert unwatched["params"]["session_id"] == session
        await owner.write(session, "They are gone")
        await owner.has_events(session, 4)
        await member.settle()
        assert member.seqs(session)[-1] <= 3
