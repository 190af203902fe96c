"""The servers that are compared: each begins on a new database, and is read when it is over."""

import atexit
import contextlib
import http.client
import json
import os
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit
from uuid import UUID

import psycopg

from bench.dialects import NUMBER
from bench.filling import filling

ROOT = Path(__file__).resolve().parent.parent
POSTGRES = os.environ.get("TEST_POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/postgres")
REDIS = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/0")

#: How long a server may take to begin or to end, in seconds.
PATIENCE = 60.0

#: The processors of servers and of the load generator; where there is one only, they share it.
PROCESSORS = sorted(os.sched_getaffinity(0))
SERVER_PROCESSORS, LOAD_PROCESSOR = PROCESSORS[:1], PROCESSORS[-1]


class Unavailable(Exception):
    """This contender cannot run here, and why."""


class Contender:
    """One server on a new database, once started."""

    name: str
    dialect: ClassVar[str] = "plain"
    #: Whether everybody gets a room's messages in the order in which they are stored.
    ordered: ClassVar[bool] = False

    def __init__(self, *, postgres: bool = False, processes: int = 1) -> None:
        self.postgres = postgres
        self.processes = processes
        self.pids: list[int] = []
        self.ports: list[int] = []
        self._running: list[subprocess.Popen[bytes]] = []
        self._folder = ""
        self._database = ""
        self.url = ""

    # -- what each has of its own

    def prepare(self) -> None:
        """Make the tables; `self.url` is there and empty."""

    def command(self, port: int, fd: int) -> list[str]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return {}

    def people(self, rooms: Sequence[Sequence[int]]) -> list[dict[str, Any]]:
        """For each room and each number in it, who connects, in the plan's words."""
        return [{"room": f"room-{index}"} for index, members in enumerate(rooms) for _ in members]

    def stored(self) -> dict[str, list[int]]:
        """By room, the numbers of the messages that are stored, in order."""
        return self._numbers("SELECT room, text FROM message ORDER BY id")

    # -- its life

    def __enter__(self) -> "Contender":
        self._folder = tempfile.mkdtemp(prefix="flow-bench-")
        try:
            self._make_database()
            self.prepare()
            self.start()
        except BaseException:
            self._clean_up()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._clean_up()

    def start(self) -> None:
        for index in range(self.processes):
            listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
            port, fd = listener.getsockname()[1], listener.fileno()
            where = PROCESSORS[index % len(PROCESSORS) : index % len(PROCESSORS) + 1]
            process = subprocess.Popen(
                self.command(port, fd),
                cwd=ROOT,
                env={**self._plain_environment(), **self.environment(), "FD": str(fd)},
                pass_fds=[fd],
                stdin=subprocess.DEVNULL,
                stdout=self._log(index),
                stderr=subprocess.STDOUT,
                preexec_fn=partial(os.sched_setaffinity, 0, where),
            )
            self._running.append(process)
            self.pids.append(process.pid)
            self.ports.append(port)
            self._await(process, port)
            listener.close()

    def log(self) -> str:
        return "".join(
            each.read_text("utf-8", "replace") for each in Path(self._folder).glob("*.log")
        )

    def _log(self, index: int) -> Any:
        return (Path(self._folder) / f"{index}.log").open("wb")

    def _plain_environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return {**kept, "PYTHONPATH": str(ROOT), "DATABASE_URL": self.url}

    def _await(self, process: subprocess.Popen[bytes], port: int) -> None:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and process.poll() is None:
            # Any answer at all: that it listens says nothing, the socket was there before.
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", port), 1) as s,
            ):
                s.settimeout(PATIENCE)
                s.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
                if s.recv(1):
                    return
            time.sleep(0.05)
        raise RuntimeError(f"{self.name} does not begin:\n{self.log()[-2000:]}")

    def _clean_up(self) -> None:
        for process in self._running:
            process.send_signal(signal.SIGTERM)
        for process in self._running:
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running, self.pids, self.ports = [], [], []
        if self._database:
            _administer(f'DROP DATABASE "{self._database}" WITH (FORCE)')
            self._database = ""
        shutil.rmtree(self._folder, ignore_errors=True)

    # -- its database

    def _make_database(self) -> None:
        if not self.postgres:
            self.url = f"sqlite:///{self._folder}/db.sqlite3"
            return
        name = f"flow_bench_{secrets.token_hex(6)}"
        try:
            _administer(f'CREATE DATABASE "{name}"')
        except psycopg.OperationalError as error:
            raise Unavailable(f"PostgreSQL cannot be reached: {error}") from error
        self._database = name
        self.url = urlsplit(POSTGRES)._replace(path=f"/{name}").geturl()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        if self.postgres:
            with psycopg.connect(self.url) as connection:
                return connection.execute(query.encode()).fetchall()
        path = self.url.removeprefix("sqlite:///")
        with contextlib.closing(sqlite3.connect(path, timeout=PATIENCE)) as connection:
            return connection.execute(query).fetchall()

    def execute(self, statement: str) -> None:
        """Change what is stored, past the server."""
        if self.postgres:
            with psycopg.connect(self.url) as connection:
                connection.execute(statement.encode())
            return
        path = self.url.removeprefix("sqlite:///")
        with contextlib.closing(sqlite3.connect(path, timeout=PATIENCE)) as connection:
            connection.execute(statement)
            connection.commit()

    def _numbers(self, query: str) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for room, text in self.rows(query):
            number = NUMBER.search(text.encode())
            assert number is not None
            found.setdefault(str(room), []).append(int(number[1]))
        return found

    def run(self, *command: str) -> str:
        """Run something to its end."""
        done = subprocess.run(
            [sys.executable, *command],
            cwd=ROOT,
            env={**self._plain_environment(), **self.environment()},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{self.name}: {command} failed:\n{done.stdout}{done.stderr}")
        return done.stdout


def _administer(statement: str) -> None:
    with psycopg.connect(POSTGRES, autocommit=True) as connection:
        connection.execute(statement.encode())


#: Who wrote what is there before the work begins.
FILLER = "u2000"

#: How many people this server knows: the most that any work needs.
PEOPLE = 2_001


def token_of(number: int) -> str:
    """The access token of a benchmark's user."""
    return f"fs_{number:043d}"


class Ours(Contender):
    """This server; all but the rate limits as it is by default."""

    ordered = True

    def __init__(
        self,
        *,
        postgres: bool = False,
        processes: int = 1,
        daphne: bool = False,
        arrays: bool = True,
        tree: Path = ROOT,
    ) -> None:
        super().__init__(postgres=postgres, processes=processes)
        self.daphne = daphne
        self.tree = tree
        self.dialect = "ours" if arrays else "ours, no arrays"  # type: ignore[misc]
        self.name = " ".join(
            [
                "Flow Sessions",
                "PostgreSQL" if postgres else "SQLite",
                *(["daphne"] if daphne else []),
                *([f"{processes} processes, Redis"] if processes > 1 else []),
                *([] if arrays else ["without arrays"]),
                *([f"({tree.name})"] if tree != ROOT else []),
            ]
        )
        self._prefix = f"bench-{secrets.token_hex(6)}"

    def environment(self) -> dict[str, str]:
        return {
            "PYTHONPATH": f"{self.tree}:{ROOT}",
            "DEBUG": "false",
            "HTTPS": "false",
            "SECRET_KEY": "benchmark",
            "LOG_LEVEL": "WARNING",
            "RATE_BURST": "1000000",
            "RATE_PER_SECOND": "1000000",
            "STATIC_ROOT": self._folder,
            "REDIS_URL": REDIS if self.processes > 1 else "",
            "REDIS_PREFIX": self._prefix,
        }

    #: What a new database begins as, once made: tables, people, their tokens.
    templates: ClassVar[dict[tuple[Path, bool], str]] = {}

    def prepare(self) -> None:
        """Make the tables and the people, or copy them from an earlier run's."""
        template = self.templates.get((self.tree, self.postgres))
        if template is None:
            self.run(str(self.tree / "manage.py"), "migrate", "-v", "0")
            self.run(str(Path(__file__).with_name("people.py")), str(PEOPLE))
            self.templates[self.tree, self.postgres] = self._keep()
        elif self.postgres:
            _administer(f'DROP DATABASE "{self._database}" WITH (FORCE)')
            _administer(f'CREATE DATABASE "{self._database}" TEMPLATE "{template}"')
        else:
            shutil.copy(template, self.url.removeprefix("sqlite:///"))

    def _keep(self) -> str:
        if self.postgres:
            name = f"flow_bench_{secrets.token_hex(6)}"
            _administer(f'CREATE DATABASE "{name}" TEMPLATE "{self._database}"')
            atexit.register(_administer, f'DROP DATABASE "{name}" WITH (FORCE)')
            return name
        folder = tempfile.mkdtemp(prefix="flow-bench-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        self.rows("PRAGMA wal_checkpoint(TRUNCATE)")
        return shutil.copy(self.url.removeprefix("sqlite:///"), folder)

    def command(self, port: int, fd: int) -> list[str]:
        if self.daphne:
            return [sys.executable, "-m", "daphne", "--fd", str(fd), "project.asgi:application"]
        return [sys.executable, str(self.tree / "manage.py"), "serve", "--fd", str(fd)]

    def people(self, rooms: Sequence[Sequence[int]]) -> list[dict[str, Any]]:
        tokens = [token_of(number) for number in range(PEOPLE)]
        found = []
        for members in rooms:
            room = self._create(tokens, members)
            found += [{"room": room, "token": tokens[each]} for each in members]
        return found

    def _create(self, tokens: Sequence[str], members: Sequence[int]) -> str:
        """A session of these users, the first being its owner; over HTTP, as anybody would."""
        others = [{"user": f"u{each}", "role": "member"} for each in members[1:]]
        room = ""
        for begin in range(0, max(1, len(others)), 200):
            some = others[begin : begin + 200]
            if not room:
                params = {"title": "Roof repair", "participants": some, "key": secrets.token_hex(8)}
                room = self._post("create_session", tokens[members[0]], params)["session_id"]
            else:
                for each in some:
                    params = {"session_id": room, **each, "key": secrets.token_hex(8)}
                    self._post("add_participant", tokens[members[0]], params)
        return room

    def _post(self, flow: str, token: str, params: dict[str, Any]) -> dict[str, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[0], timeout=PATIENCE)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        connection.request("POST", f"/api/flows/{flow}/", json.dumps(params), headers)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        if answer.status != 200:
            raise RuntimeError(f"{flow}: {answer.status} {body[:300]!r}")
        found: dict[str, Any] = json.loads(body)
        return found

    def stored(self) -> dict[str, list[int]]:
        text = "data->>'text'" if self.postgres else "json_extract(data, '$.text')"
        found = self._numbers(
            f"SELECT session_id, {text} FROM sessions_app_event"
            f" WHERE kind = 'message_sent' AND actor <> '{FILLER}' ORDER BY session_id, seq"
        )
        return {str(UUID(room)): numbers for room, numbers in found.items()}

    def fill(self, sessions: int, events: int) -> str:
        """Have so many sessions with so many events each, past the server; the last one's id."""
        # An index in no order is made at the end, at once: that takes a tenth of the time.
        index = self.rows(
            "SELECT indexdef FROM pg_indexes WHERE indexname = 'event_by_stretch'"
            if self.postgres
            else "SELECT sql FROM sqlite_master WHERE name = 'event_by_stretch'"
        )
        some = filling(sessions, events, postgres=self.postgres)
        for statement in ["DROP INDEX event_by_stretch", *some, *(sql for (sql,) in index)]:
            self.execute(statement)
        ((room,),) = self.rows("SELECT id FROM sessions_app_session ORDER BY id DESC LIMIT 1")
        return str(UUID(str(room)))

    def verify(self) -> str:
        """What `manage.py verify` says, to be called while the database is there."""
        return self.run(str(self.tree / "manage.py"), "verify", "--quiet").strip()


class Tutorial(Contender):
    """Channels' tutorial: on uvicorn, or as it comes."""

    def __init__(self, *, postgres: bool = False, tuned: bool = True, daphne: bool = False) -> None:
        super().__init__(postgres=postgres)
        self.tuned = tuned
        self.daphne = daphne
        self.name = (
            f"tutorial {'PostgreSQL' if postgres else 'SQLite'} {'tuned' if tuned else 'naive'}"
            f"{' daphne' if daphne else ''}"
        )

    def environment(self) -> dict[str, str]:
        return {"TUNED": "1" if self.tuned else "0"}

    def prepare(self) -> None:
        self.run("-m", "bench.peers.tutorial")

    def command(self, port: int, fd: int) -> list[str]:
        if self.daphne:
            return [
                sys.executable, "-m", "daphne", "-v", "0", "--fd", str(fd),
                "bench.peers.tutorial:application",
            ]  # fmt: skip
        return uvicorn("bench.peers.tutorial:application", fd)


def uvicorn(application: str, fd: int) -> list[str]:
    return [
        sys.executable, "-m", "uvicorn", application, "--fd", str(fd),
        "--log-level", "warning", "--ws-per-message-deflate", "false",
    ]  # fmt: skip


class SocketIo(Contender):
    """python-socketio with a SQLite insert per message."""

    name = "python-socketio SQLite"
    dialect = "socketio"

    def command(self, port: int, fd: int) -> list[str]:
        return uvicorn("bench.peers.socketio_server:application", fd)


class FastApi(Contender):
    """FastAPI, SQLAlchemy's asyncio side, aiosqlite."""

    name = "FastAPI + SQLAlchemy SQLite"

    def command(self, port: int, fd: int) -> list[str]:
        return uvicorn("bench.peers.fastapi_server:application", fd)


class Node(Contender):
    """Node with ws and better-sqlite3."""

    def __init__(self, *, grouped: bool) -> None:
        super().__init__()
        self.grouped = grouped
        self.name = f"Node ws + better-sqlite3 {'grouped' if grouped else 'per message'}"

    def prepare(self) -> None:
        if shutil.which("node") is None:
            raise Unavailable("there is no Node")
        probe = "new (require('better-sqlite3'))(':memory:'); require('ws')"
        done = subprocess.run(
            ["node", "-e", probe],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            lines = [each for each in done.stderr.splitlines() if "Error" in each]
            raise Unavailable(f"its modules cannot be loaded: {(lines or ['?'])[0].strip()}")

    def command(self, port: int, fd: int) -> list[str]:
        return ["node", str(Path(__file__).with_name("peers") / "server.mjs")]

    def environment(self) -> dict[str, str]:
        return {
            "DATABASE": self.url.removeprefix("sqlite:///"),
            "GROUPED": "1" if self.grouped else "0",
        }
