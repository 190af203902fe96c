"""`python -m tests.faults.comparison`: the same clients and faults against what tutorials build."""

import argparse
import asyncio
import json
import random
from collections.abc import Sequence

import psycopg

from tests.faults import machines, mischief, naive
from tests.faults.clients import Client
from tests.faults.machines import Node
from tests.faults.oracle import Attempt, Row
from tests.faults.proxies import DoorbellProxy
from tests.faults.run import Report, judge, play, run, show
from tests.faults.stage import CAST, Stage, opened
from tests.servers import Person


class NaiveStage(Stage):
    """A stage for the naive server, on PostgreSQL and Redis."""

    async def populate(self) -> None:
        """Make the tables, and users with tokens and sessions that never change."""
        with psycopg.connect(self.database_url) as connection:
            connection.execute(naive.TABLES)
        users = {each for cast in CAST.values() for each in cast} | {"member2", "stranger0"}
        self.people = {each: Person(each, f"token-{each}", "") for each in sorted(users)}
        self.sessions = {name: naive.new_session() for name in CAST}

    def node(self, number: int, bell: DoorbellProxy | None) -> Node:
        """A server process, which is not started."""
        assert bell is not None
        settings = machines.server_environment(self.database_url, redis_port=bell.port)
        settings["NAIVE_USERS"] = json.dumps(
            {each.token: each.name for each in self.people.values()}
        )
        settings["NAIVE_MEMBERS"] = json.dumps(
            {self.sessions[name]: cast for name, cast in CAST.items()}
        )
        command = (
            "-m", "uvicorn", "tests.faults.naive:application", "--ws", "websockets-sansio",
            "--lifespan", "off", "--timeout-graceful-shutdown", "5", "--fd",
        )  # fmt: skip
        return Node(self.folder / f"node{number}.log", settings, command)

    async def open_sessions(self) -> None:
        """Create the sessions, past the servers."""
        for name, (owner, *others) in CAST.items():
            session, key = self.sessions[name], f"create-{name}"
            with psycopg.connect(self.database_url) as connection:
                connection.execute("INSERT INTO naive_session VALUES (%s, 0)", [session])
            url = self.database_url
            naive.insert(url, session, "session_created", owner, {}, key)
            for other in others:
                naive.insert(url, session, "participant_added", owner, {"user": other}, key)
            self.diary.history.attempts[owner, key] = Attempt(
                owner, key, session, "session_created", rows=1 + len(others), sent=1
            )

    def client(self, user: str, device: str, sessions: Sequence[str]) -> Client:
        """A client that expects nothing of what was before it."""
        client = super().client(user, device, sessions)
        for name, cast in CAST.items():
            if self.sessions[name] in client.positions:
                client.positions[self.sessions[name]] = len(cast)
        return client

    def follow(self) -> None:
        """Nobody: our own client would wait for ever for what is never shown."""

    async def rows(self) -> list[Row]:
        """The whole log of all sessions."""
        query = "SELECT session, seq, kind, actor, data, key FROM naive_event ORDER BY 1, 2"
        found = await asyncio.to_thread(machines.rows_of, self.database_url, query)
        return [Row(*each) for each in found]

    async def heads(self) -> dict[str, int]:
        """The last seq of every session."""
        query = "SELECT id, last_seq FROM naive_session"
        return dict(await asyncio.to_thread(machines.rows_of, self.database_url, query))

    async def unsound(self) -> list[str]:
        """Nothing: `verify` does not know these tables."""
        return []

    async def seats(self) -> set[tuple[str, str]]:
        """Who takes part in what."""
        return {(user, self.sessions[name]) for name, cast in CAST.items() for user in cast}


async def run_naive(seed: int, seconds: float, patience: float) -> Report:
    """A run as all others, on the naive server; it never comes to rest, so wait no longer."""
    chance = random.Random(seed)  # noqa: S311
    async with opened(NaiveStage, "postgres", chance) as stage:
        stage.patience = patience
        counts = await play(stage, seconds, mischief.all_faults("postgres"))
        return await judge(stage, seed, seconds, counts)


def main() -> None:
    """Run both, and print what each shows."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.comparison", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    show(asyncio.run(run("postgres", seed=asked.seed, seconds=asked.seconds)))
    show(asyncio.run(run_naive(asked.seed, asked.seconds, 10.0)))


if __name__ == "__main__":
    main()
