"""What a process says of itself and of its connections, and how it does what it is asked."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from django.db.models import F
from msgspec.structs import replace

from flows.actor import SYSTEM
from flows.atoms.audit import Act
from flows.atoms.connections import Connected
from flows.errors import Unavailable
from flows.events import timestamp
from sessions_app.adapters import nodes
from sessions_app.adapters.connections import StoredConnections
from sessions_app.adapters.log import DjangoSessions
from sessions_app.adapters.nodes import MOST_ROWS
from sessions_app.auth import Identity
from sessions_app.close_codes import RECONNECT, REMOVED_BY_STAFF, Close
from sessions_app.credentials import Judgement
from sessions_app.heartbeat import BEAT_EVERY, ROWS_A_LOOK, SEEN_STEP, Heartbeat
from sessions_app.keeper import Keeper
from sessions_app.models import Connection, Instruction, Node, User
from tests.databases import EACH_DATABASE
from tests.fakes import FixedClock
from tests.sessions_app.kept import KeptConnection

ACT = Act(by=SYSTEM.name, done="Asked", kind="user", id="ann")


class Process:
    """A process without a server: its connections, and its heart, which a test has beat."""

    def __init__(self, log: DjangoSessions, alias: str, node: str) -> None:
        async def hold(identities: object, observers: object) -> Judgement:
            return Judgement({}, {})

        async def epoch() -> str:
            return "e1"

        self.keeper = Keeper(hold, epoch, ping_seconds=25)
        self.ended = asyncio.Event()
        self.clock = FixedClock()
        self.heart = Heartbeat(
            self.run,
            self.keeper,
            node=node,
            using=alias,
            clock=self.clock,
            end=self.ended.set,
        )
        self.node = node
        #: The units of work that were run, by name.
        self.units: list[str] = []
        self.away = False
        self._log = log

    async def run(self, unit: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        self.units.append(unit.__name__)
        if self.away:
            raise Unavailable
        return await self._log.run(unit, *args, **kwargs)


class Stage:
    """Processes on one database, and the question who is connected."""

    def __init__(self, alias: str) -> None:
        self.alias = alias
        self.log = DjangoSessions(using=alias, clock=FixedClock())
        self.connections = StoredConnections(self.log.run, using=alias, on_asked=lambda: None)
        self.processes: list[Process] = []
        self.users: dict[str, User] = {}

    async def begin(self) -> None:
        def users() -> list[User]:
            people = [User(username=name) for name in ("ann", "bob")]
            User.objects.using(self.alias).bulk_create(people)
            return list(User.objects.using(self.alias).all())

        self.users = {each.username: each for each in await self.log.run(users)}

    async def process(self, node: str) -> Process:
        process = Process(self.log, self.alias, node)
        await process.heart.start()
        self.processes.append(process)
        return process

    def connect(
        self, process: Process, id_: str, user: str = "ann", now: float = 0.0
    ) -> KeptConnection:
        owner = self.users[user]
        socket = KeptConnection(id_, Identity(owner.username, owner.pk), now=now)
        process.keeper.add(socket)
        return socket

    async def listed(self) -> list[Connected]:
        return await self.connections.find(user=None, node=None, after=None, limit=9_999)

    async def ids(self) -> list[str]:
        return [each.connection for each in await self.listed()]

    async def rows(self, model: Any) -> int:
        return await self.log.run(model.objects.using(self.alias).count)

    async def grow_old(self, node: str, *, seconds: float) -> None:
        """Let a node have said for so long nothing more."""
        rows = Node.objects.using(self.alias).filter(name=node)
        await self.log.run(rows.update, last_seen=F("last_seen") - timedelta(seconds=seconds))

    async def end(self) -> None:
        for each in self.processes:
            await each.heart.stop()
        await self.log.close()


@pytest.fixture(params=EACH_DATABASE)
def alias(request: pytest.FixtureRequest) -> str:
    alias: str = request.param
    return alias


@pytest_asyncio.fixture
async def stage(alias: str) -> AsyncIterator[Stage]:
    stage = Stage(alias)
    await stage.begin()
    yield stage
    await stage.end()


async def test_who_comes_and_goes(stage: Stage) -> None:
    """Who has come is written with the next look, and who has gone is removed with it."""
    one, two = await stage.process("n1"), await stage.process("n2")
    first, second = stage.connect(one, "c1"), stage.connect(one, "c2", "bob")
    stage.connect(two, "c3")
    for each in (one, two):
        await each.heart.look(1.0)
    assert [(each.connection, each.user, each.node) for each in await stage.listed()] == [
        ("c1", "ann", "n1"),
        ("c2", "bob", "n1"),
        ("c3", "ann", "n2"),
    ]
    one.keeper.remove(first)
    one.keeper.remove(second)
    await one.heart.look(2.0)
    assert await stage.ids() == ["c3"]


async def test_a_quiet_process_writes_one_row_a_beat(stage: Stage) -> None:
    """Between beats nothing is written, and with a beat only the node's own row."""
    process = await stage.process("n1")
    for number in range(10):
        stage.connect(process, f"c{number}")
    await process.heart.look(1.0)
    before = await stage.listed()
    process.units.clear()
    for now in (1.5, 2.5, 3.5, 4.5, 5.5):
        await process.heart.look(now)
    assert process.units == ["instructions"] * 5
    process.units.clear()
    await process.heart.look(1.0 + BEAT_EVERY)
    assert process.units == ["instructions", "write", "sweep"]
    assert before == await stage.listed()


async def test_what_has_changed(stage: Stage) -> None:
    """A beat writes what connections are like; what a client sent last is told to the minute."""
    process = await stage.process("n1")
    socket = stage.connect(process, "c1")
    at = process.clock.now

    async def told(seconds: float) -> Connected:
        """So many seconds after it was opened, when its client has just sent something."""
        process.clock.now = at + timedelta(seconds=seconds)
        socket.heard_at = seconds
        await process.heart.look(seconds)
        (row,) = await stage.listed()
        return row

    first = await told(0)
    assert first.since == first.last_seen == timestamp(at)
    socket.watching, socket.observing, socket.lag = 3, 1, 7
    second = await told(SEEN_STEP - 1)
    assert replace(first, watching=3, observing=1, lag=7) == second
    third = await told(SEEN_STEP + 9)
    assert replace(second, last_seen=timestamp(process.clock.now)) == third


async def test_many_at_once(stage: Stage) -> None:
    """However many come or go at once, one transaction has no more than some hundreds of them."""
    process = await stage.process("n1")
    sockets = [stage.connect(process, f"c{each:04}") for each in range(MOST_ROWS * 2 + 1)]
    await process.heart.look(1.0)
    assert process.units.count("write") == 3
    assert len(await stage.ids()) == len(sockets)
    for each in sockets:
        process.keeper.remove(each)
    process.units.clear()
    await process.heart.look(2.0)
    assert process.units.count("write") == 3
    assert await stage.ids() == []


async def test_thousands_at_once(stage: Stage) -> None:
    """A look writes so many and no more, so that it ends: the next one goes on."""
    process = await stage.process("n1")
    for each in range(ROWS_A_LOOK + 1):
        stage.connect(process, f"c{each:04}")
    await process.heart.look(1.0)
    assert await stage.rows(Connection) == ROWS_A_LOOK
    await process.heart.look(2.0)
    assert await stage.rows(Connection) == ROWS_A_LOOK + 1


async def test_a_node_that_died(stage: Stage) -> None:
    """A node that says nothing more is in no list after 20 s, and after 25 s any other removes
    what it has left.
    """
    dead, alive = await stage.process("n1"), await stage.process("n2")
    stage.connect(dead, "c1")
    stage.connect(alive, "c2")
    for each in (dead, alive):
        await each.heart.look(1.0)
    assert await stage.ids() == ["c1", "c2"]

    await stage.grow_old("n1", seconds=21)
    assert await stage.ids() == ["c2"]
    assert [each.node for each in await stage.connections.nodes()] == ["n2"]
    assert not await stage.connections.close("c1", reconnect=False, act=ACT)
    assert not await stage.connections.drain("n1", act=ACT)
    await alive.heart.look(1.0 + BEAT_EVERY)
    assert await stage.rows(Connection) == 2

    await stage.grow_old("n1", seconds=10)
    await alive.heart.look(1.0 + 2 * BEAT_EVERY)
    assert (await stage.rows(Node), await stage.rows(Connection)) == (1, 1)


async def test_a_node_that_was_taken_for_dead(stage: Stage) -> None:
    """A process that stood still for long is back, with all its connections, when it goes on."""
    slow, alive = await stage.process("n1"), await stage.process("n2")
    stage.connect(slow, "c1")
    await slow.heart.look(1.0)
    await stage.grow_old("n1", seconds=31)
    await alive.heart.look(1.0 + BEAT_EVERY)
    assert await stage.rows(Connection) == 0

    stage.connect(slow, "c2")
    await slow.heart.look(60.0)
    await slow.heart.look(61.0)
    assert await stage.ids() == ["c1", "c2"]


async def test_a_process_that_ends(stage: Stage) -> None:
    """A process that ends takes its rows with it at once."""
    process = await stage.process("n1")
    stage.connect(process, "c1")
    await process.heart.look(1.0)
    await process.heart.stop()
    assert (await stage.rows(Node), await stage.rows(Connection)) == (0, 0)


@pytest.mark.parametrize(
    ("reconnect", "code"), [(False, REMOVED_BY_STAFF), (True, RECONNECT)], ids=["away", "again"]
)
async def test_closing_a_user(stage: Stage, reconnect: bool, code: Close) -> None:  # noqa: FBT001
    """All that a user has on any node is closed, once: who comes again afterwards stays."""
    one, two = await stage.process("n1"), await stage.process("n2")
    anns = [stage.connect(one, "c1"), stage.connect(one, "c2"), stage.connect(two, "c3")]
    bob = stage.connect(one, "c4", "bob")
    # Not a look since: no row says that they are there.
    assert await stage.connections.close_user("ann", reconnect=reconnect, act=ACT) == 0
    for each in (one, two):
        await each.heart.look(1.0)
    assert [each.closed for each in (*anns, bob)] == [[code]] * 3 + [[]]
    again = stage.connect(one, "c5")
    late = await stage.process("n3")
    early = stage.connect(late, "c6")
    for each in (one, late):
        await each.heart.look(2.0)
    assert again.closed == early.closed == []


async def test_closing_a_connection(stage: Stage) -> None:
    """A connection is closed wherever it is, and no other of its user."""
    one, two = await stage.process("n1"), await stage.process("n2")
    sockets = [stage.connect(one, "c1"), stage.connect(two, "c2"), stage.connect(two, "c3")]
    for each in (one, two):
        await each.heart.look(1.0)
    assert await stage.connections.close("c2", reconnect=False, act=ACT)
    for each in (one, two):
        await each.heart.look(2.0)
    assert [each.closed for each in sockets] == [[], [REMOVED_BY_STAFF], []]


async def test_draining(stage: Stage) -> None:
    """A node that is asked to drain does so, says so and then ends; others do not."""
    one, two = await stage.process("n1"), await stage.process("n2")
    assert await stage.connections.drain("n2", act=ACT)
    for each in (one, two):
        await each.heart.look(1.0)
    await asyncio.wait_for(two.ended.wait(), 10)
    await two.heart.look(2.0)
    assert {each.node: each.draining for each in await stage.connections.nodes()} == {
        "n1": False,
        "n2": True,
    }
    assert (one.keeper.draining, one.ended.is_set()) == (False, False)


async def test_what_was_asked_goes(stage: Stage) -> None:
    """What nodes were asked is removed when all have had the time to do it."""
    process = await stage.process("n1")
    await stage.connections.close_user("ann", reconnect=False, act=ACT)
    await process.heart.look(1.0)
    assert await stage.rows(Instruction) == 1
    rows = Instruction.objects.using(stage.alias)
    await stage.log.run(rows.update, at=F("at") - nodes.ASKED - timedelta(seconds=1))
    await process.heart.look(1.0 + BEAT_EVERY)
    assert await stage.rows(Instruction) == 0


async def test_without_the_database(stage: Stage) -> None:
    """A process begins, goes on and ends without it, and says who is there when it is back."""
    process = Process(stage.log, stage.alias, "n1")
    process.away = True
    stage.processes.append(process)
    await process.heart.start()
    stage.connect(process, "c1")
    with pytest.raises(Unavailable):
        await process.heart.look(1.0)
    process.away = False
    await process.heart.look(2.0)
    assert await stage.ids() == ["c1"]
    process.away = True
    await process.heart.stop()


async def test_clocks(stage: Stage) -> None:
    """A node tells its own clock beside the database's, so that they can be compared."""
    before = datetime.now(UTC)
    await stage.process("n1")
    (node,) = await stage.connections.nodes()
    for told in (node.clock, node.last_seen, node.started):
        assert abs(datetime.fromisoformat(told) - before) < timedelta(minutes=1)
