"""A database that is lost, locked or away, and those who write meanwhile."""

import asyncio
import threading

import pytest
from django.db import transaction

from flows.atoms.sessions import Committed
from flows.errors import Unavailable
from flows.events import Body
from flows.session import Session
from sessions_app import models
from tests.sessions_app.adapters.databases import Proxy, backend, is_waiting, kill, settings_of
from tests.sessions_app.adapters.nodes import Gate, Nodes


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True, databases=["postgres"])
async def test_lost_connection(postgres: str, node_of: Nodes) -> None:
    """A connection that dies between or within transactions is replaced; callers do not notice."""
    lane = node_of(postgres, lanes=1)
    id = await lane.begin()
    backends: list[int] = []

    def tell(session: Session) -> list[Body]:
        backends.append(backend(postgres))
        return []

    await lane.decide(id, tell)
    await lane.log.run(kill, postgres, backends.pop())
    assert await lane.say(id, "a") == Committed(3, duplicate=False)

    await lane.decide(id, tell)
    gate = Gate()
    tasks = [asyncio.create_task(lane.decide(id, gate))]
    await gate.reached()
    tasks.append(asyncio.create_task(lane.say(id, "b")))
    await lane.log.run(kill, postgres, backends.pop())
    gate.open()
    assert await asyncio.gather(*tasks) == [
        Committed(4, duplicate=False),
        Committed(5, duplicate=False),
    ]
    assert (await lane.require_sound(id)).seq == 5


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True, databases=["postgres"])
async def test_given_up(postgres: str, node_of: Nodes) -> None:
    """A transaction that the database gives up, for a deadlock say, is tried again."""
    lane, other = node_of(postgres, lanes=1), node_of(postgres, lanes=1)
    low, high = sorted([await lane.begin(), await lane.begin()])
    loop = asyncio.get_running_loop()
    locked, go_on = asyncio.Event(), threading.Event()

    def lock_the_other_way_round() -> None:
        with transaction.atomic(using=postgres):
            rows = models.Session.objects.using(postgres).select_for_update()
            rows.get(pk=high)
            loop.call_soon_threadsafe(locked.set)
            assert go_on.wait(30)
            rows.get(pk=low)

    rival = asyncio.create_task(other.log.run(lock_the_other_way_round))
    await locked.wait()
    writes = asyncio.create_task(lane.together(low, lane.say(low, "x"), lane.say(high, "x")))
    while not await other.log.run(is_waiting, postgres):
        continue
    go_on.set()
    await asyncio.gather(rival, return_exceptions=True)
    assert await writes == [Committed(4, duplicate=False), Committed(3, duplicate=False)]
    for id in (low, high):
        await lane.require_sound(id)


@pytest.mark.django_db(transaction=True, databases=["default"])
async def test_locked(sqlite: str, node_of: Nodes) -> None:
    """When somebody else keeps SQLite locked, all who wait are told and may try again."""
    lane, other = node_of(sqlite, lanes=1), node_of(sqlite)
    with settings_of(sqlite, options={"timeout": 0.05}):
        id = await lane.begin()
    gate = Gate()
    held = asyncio.create_task(other.decide(id, gate))
    await gate.reached()
    writes = [lane.say(id, "x", key=f"{number}") for number in range(5)]
    done = await asyncio.gather(*writes, return_exceptions=True)
    assert [type(each) for each in done] == [Unavailable] * 5
    gate.open()
    await held
    for number in range(5):
        assert not (await lane.say(id, "x", key=f"{number}")).duplicate
    assert (await lane.require_sound(id)).seq == 8


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True, databases=["postgres"])
async def test_away_and_back(postgres: str, node_of: Nodes) -> None:
    """While the database is away, all are told at once and may try again; then it just goes on."""
    async with Proxy.to(postgres) as proxy:
        with settings_of(postgres, HOST="127.0.0.1", PORT=proxy.listen_port):
            node = node_of(postgres)
            id = await node.begin()
            await proxy.stop()
            for _ in range(2):
                writes = [node.say(id, "x", key=f"{number}") for number in range(20)]
                done = await asyncio.gather(*writes, node.create("k"), return_exceptions=True)
                assert [type(each) for each in done] == [Unavailable] * 21
                with pytest.raises(Unavailable):
                    await node.log.find(id)
            await proxy.start()
            writes = [node.say(id, "x", key=f"{number}") for number in range(20)]
            assert {each.duplicate for each in await asyncio.gather(*writes)} == {False}
            assert not (await node.create("k")).duplicate
            assert (await node.require_sound(id)).seq == 22
            await node.log.close()
