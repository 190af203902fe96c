"""A stage: servers, what they stand on, proxies in between, sessions, and clients that write."""

import asyncio
import contextlib
import json
import random
import shutil
import signal
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar
from uuid import UUID

from tests.faults import machines
from tests.faults.clients import Client, Diary
from tests.faults.machines import Disk, Node, Postgres, Redis
from tests.faults.oracle import Attempt, Row
from tests.faults.own_client import Follower
from tests.faults.proxies import DoorbellProxy, Proxy
from tests.servers import Person, is_complaint, manage

DatabaseKind = Literal["sqlite", "postgres"]

#: Who takes part in what from the beginning; the first one owns it. `stranger0` never does, and
#: `member2` comes to the hall and goes.
CAST = {
    "hall": ("owner0", "member0", "member1", "observer0"),
    "room": ("owner1", "member1"),
    "pair": ("owner2", "member0"),
    "alone": ("owner2",),
}

#: Users who have two devices.
TWINS = ("owner0", "member0")

#: How long everything may take to come to rest once nothing is broken any more, in seconds.
REST = 60.0


S = TypeVar("S", bound="Stage")


class Stage:
    """Everything that a run plays on."""

    def __init__(self, kind: DatabaseKind, folder: Path, chance: random.Random) -> None:
        self.kind = kind
        self.folder = folder
        self.chance = chance
        self.diary = Diary()
        self.database_url = ""
        self.people: dict[str, Person] = {}
        self.nodes: list[Node] = []
        #: What clients connect to, one for each node.
        self.doors: list[Proxy] = []
        self.redis: Redis | None = None
        #: What nodes reach Redis through, one for each.
        self.bells: list[DoorbellProxy] = []
        self.postgres: Postgres | None = None
        self.disk: Disk | None = None
        self.sessions: dict[str, str] = {}
        self.clients: list[Client] = []
        self.followers: list[Follower] = []
        #: How long everything may take to come to rest, in seconds.
        self.patience = REST

    # -- setting up

    async def build(self, resources: contextlib.AsyncExitStack, nodes: int) -> None:
        """Start all that is needed, to be stopped with `resources`."""
        await self._build_database(resources)
        await self.populate()
        if self.kind == "postgres":
            self.redis = await resources.enter_async_context(machines.redis(self.folder))
        for number in range(nodes):
            await self._build_node(resources, number)

    async def populate(self) -> None:
        """Fill the empty database."""
        self.people = await asyncio.to_thread(machines.populate, self.database_url)

    async def _build_database(self, resources: contextlib.AsyncExitStack) -> None:
        if self.kind == "postgres":
            self.postgres = await resources.enter_async_context(machines.postgres(self.folder))
            self.database_url = self.postgres.url
        else:
            self.disk = resources.enter_context(machines.disk(self.folder / "disk"))
            self.database_url = f"sqlite:///{self.disk.folder / 'db.sqlite3'}"

    async def _build_node(self, resources: contextlib.AsyncExitStack, number: int) -> None:
        bell = None
        if self.redis is not None:
            bell = DoorbellProxy(self.redis.port, random.Random(self.chance.random()))  # noqa: S311
            self.bells.append(await resources.enter_async_context(bell))
        node = self.node(number, bell)
        self.nodes.append(node)
        resources.callback(node.close)
        resources.push_async_callback(end, node)
        await node.start()
        self.doors.append(await resources.enter_async_context(Proxy(node.port)))

    def node(self, number: int, bell: DoorbellProxy | None) -> Node:
        """A server process, which is not started."""
        redis_port = None if bell is None else bell.port
        settings = machines.server_environment(self.database_url, redis_port=redis_port)
        return Node(self.folder / f"node{number}.log", settings)

    async def open_sessions(self) -> None:
        """Create the sessions, through the HTTP door."""
        for name, (owner, *others) in CAST.items():
            participants = [
                {"user": each, "role": "observer" if each.startswith("observer") else "member"}
                for each in others
            ]
            params = {"title": name, "participants": participants, "key": f"create-{name}"}
            created = await self.post(owner, "create_session", params)
            session: str = created["session_id"]
            self.sessions[name] = session
            attempt = Attempt(
                owner, f"create-{name}", session, "session_created", rows=1 + len(others), sent=1
            )
            self.diary.history.attempts[owner, attempt.key] = attempt

    async def post(self, user: str, flow: str, params: object) -> Any:
        """The result of a flow by HTTP on the first node."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.nodes[0].port}/api/flows/{flow}/",
            data=json.dumps(params).encode(),
            headers={
                "Authorization": f"Bearer {self.people[user].token}",
                "Content-Type": "application/json",
            },
        )

        def ask() -> Any:
            with urllib.request.urlopen(request, timeout=20) as response:  # noqa: S310
                return json.load(response)

        return await asyncio.to_thread(ask)

    def cast(self) -> None:
        """Make a client for everybody who takes part, and for some who do not."""
        for user in sorted({each for cast in CAST.values() for each in cast}):
            theirs = [self.sessions[name] for name, cast in CAST.items() if user in cast]
            first = self.client(user, "a", theirs)
            if user in TWINS:
                first.twin = self.client(user, "b", theirs)
        self.client("member2", "a", [self.sessions["hall"]])
        self.client("stranger0", "a", list(self.sessions.values()))
        self.follow()

    def follow(self) -> None:
        """Have a client of this project follow a session, through each of the doors."""
        owner = CAST["room"][0]
        for door in self.doors:
            person, chance = self.people[owner], random.Random(self.chance.random())  # noqa: S311
            follower = Follower(
                person, door.port, self.sessions["room"], len(CAST["room"]), self.diary, chance
            )
            follower.name += f"{len(self.followers)}"
            self.followers.append(follower)

    def client(self, user: str, device: str, sessions: Sequence[str]) -> Client:
        """Another client, which does not run yet."""
        ports = [door.port for door in self.doors]
        chance = random.Random(self.chance.random())  # noqa: S311
        client = Client(self.people[user], device, ports, sessions, self.diary, chance)
        self.clients.append(client)
        return client

    # -- reading what is there

    async def rows(self) -> list[Row]:
        """The whole log of all sessions."""
        found = await asyncio.to_thread(
            machines.rows_of, self.database_url,
            "SELECT session_id, seq, kind, actor, data, key FROM sessions_app_event"
            " ORDER BY session_id, seq",
        )  # fmt: skip
        return [
            Row(
                str(UUID(str(session))), seq, kind, actor,
                json.loads(data) if isinstance(data, str) else data, key,
            )
            for session, seq, kind, actor, data, key in found
        ]  # fmt: skip

    async def heads(self) -> dict[str, int]:
        """The last seq of every session, as its own row has it."""
        found = await asyncio.to_thread(
            machines.rows_of, self.database_url, "SELECT id, last_seq FROM sessions_app_session"
        )
        return {str(UUID(str(session))): seq for session, seq in found}

    async def unsound(self) -> list[str]:
        """What `manage.py verify` finds wrong."""
        said = await asyncio.to_thread(manage, "verify", "--quiet", database_url=self.database_url)
        return (said.stdout + said.stderr).splitlines() if said.returncode else []

    def complaints(self) -> list[str]:
        """What the servers' logs tell of that nobody has handled."""
        return [line for node in self.nodes for line in node.log.splitlines() if is_complaint(line)]

    # -- coming to rest

    async def heal(self) -> None:
        """Repair all that may be broken."""
        for proxy in (*self.doors, *self.bells):
            proxy.speed = None
            for link in proxy.links:
                link.passing.set()
        for bell in self.bells:
            bell.lost = bell.doubled = bell.reordered = 0.0
        if self.disk is not None:
            self.disk.free(self.nodes)
        if self.redis is not None and not self.redis.runs:
            await self.redis.start()
        for node in self.nodes:
            node.send(signal.SIGCONT)
            if not node.runs:
                node.note_surprise()
                await node.start()
        for client in self.clients:
            if client.connection is not None:
                client.connection.reading.set()

    async def rest(self) -> None:
        """Wait until everything is answered and everybody has seen all; note what does not end."""
        deadline = time.monotonic() + self.patience
        while (open_ := await self._unfinished()) and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.25)
        self.diary.history.unfinished.extend(open_)
        seats = await self.seats()
        for client in self.clients:
            if client.connection is not None:
                for stream in client.connection.streams.values():
                    stream.lasted = (client.user, stream.session) in seats

    async def _unfinished(self) -> list[str]:
        heads, seats = await self.heads(), await self.seats()
        unanswered = [f"{each.name} {key}" for each in self.clients for key in each.unanswered]
        behind = [
            f"{client.name} in {session}, at {client.positions[session]} of {heads[session]}"
            for client in self.clients
            for session in client.positions
            if (client.user, session) in seats
            if client.positions[session] < heads[session] or client.connection is None
        ]
        following = [
            f"{each.name}, at {each.stream.position}, {sorted(each.unanswered)}"
            for each in self.followers
            if each.stream.position < heads[each.stream.session] or each.unanswered
        ]
        return unanswered + behind + following

    async def seats(self) -> set[tuple[str, str]]:
        """Who takes part in what now, as the database says."""
        found = await asyncio.to_thread(
            machines.rows_of, self.database_url,
            "SELECT u.username, p.session_id FROM sessions_app_participant p"
            " JOIN sessions_app_user u ON u.id = p.user_id WHERE p.left_seq IS NULL",
        )  # fmt: skip
        return {(user, str(UUID(str(session)))) for user, session in found}


async def end(node: Node) -> None:
    """End a node as gently as it goes."""
    if node.runs:
        with contextlib.suppress(TimeoutError):
            await node.end()


@contextlib.asynccontextmanager
async def opened(
    make: Callable[[DatabaseKind, Path, random.Random], S],
    kind: DatabaseKind,
    chance: random.Random,
    *,
    nodes: int | None = None,
) -> AsyncIterator[S]:
    """A stage with servers that run and sessions that are open; all of it is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="flow-sessions-faults-"))
    try:
        async with contextlib.AsyncExitStack() as resources:
            stage = make(kind, folder, chance)
            await stage.build(resources, nodes or (2 if kind == "postgres" else 1))
            await stage.open_sessions()
            yield stage
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def staged(
    kind: DatabaseKind, chance: random.Random, *, nodes: int | None = None
) -> contextlib.AbstractAsyncContextManager[Stage]:
    """A stage with the servers of this project."""
    return opened(Stage, kind, chance, nodes=nodes)


def missing(kind: DatabaseKind) -> str | None:
    """Why there can be no such stage, None if there can."""
    if kind == "sqlite":
        return None
    return machines.redis_reason() or machines.postgres_reason()
