"""Real server processes, and databases of their own for them. Nothing here imports Django."""

import atexit
import contextlib
import http.client
import json
import os
import re
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from tests.services import POSTGRES_URL, REDIS_URL

ROOT = Path(__file__).resolve().parent.parent

#: How long a server may take to begin or to end, in seconds; generous, the machine may be busy.
PATIENCE = 30.0

#: How many sets of people there are, so that test after test does not use up one user's rate.
FAMILIES = 8

#: Who is in a family. What they are in a session is for the test to say.
ROLES = ("owner", "member", "observer", "stranger", "outsider")

#: Everybody's password.
PASSWORD = "correct horse battery staple"

SECRET_KEY = "a-secret-that-nobody-may-ever-be-told"

ServerKind = Literal["uvicorn", "daphne", "runserver"]


class Person(NamedTuple):
    """A user who can sign in: with a bearer token, and with the key of a login as a cookie."""

    name: str
    token: str
    cookie: str


# -- databases -----------------------------------------------------------------------------------


class Database(NamedTuple):
    """A database with the people in it and nothing else, by its URL."""

    url: str

    @property
    def vendor(self) -> str:
        """Which kind it is: `sqlite` or `postgres`."""
        return self.url.partition(":")[0]

    def rows(self, query: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """What `query` finds, read past the server. Its parameters are written as `?`."""
        if self.vendor == "sqlite":
            path = self.url.removeprefix("sqlite:///")
            with contextlib.closing(sqlite3.connect(path, timeout=PATIENCE)) as connection:
                return connection.execute(query, parameters).fetchall()
        with psycopg.connect(self.url) as connection:
            return connection.execute(query.replace("?", "%s").encode(), parameters).fetchall()


@contextlib.contextmanager
def sqlite_database() -> Iterator[Database]:
    """A new SQLite file, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="flow-sessions-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / "db.sqlite3"
        shutil.copy(_sqlite_template()[0], path)
        yield Database(f"sqlite:///{path}")


@contextlib.contextmanager
def postgres_database() -> Iterator[Database]:
    """A new PostgreSQL database, dropped afterwards."""
    name = _new_name()
    _administer(
        sql.SQL("CREATE DATABASE {} TEMPLATE {}"), name, _database_name(_postgres_template()[0])
    )
    try:
        yield Database(_postgres_url(name))
    finally:
        _administer(sql.SQL("DROP DATABASE {} WITH (FORCE)"), name)


def people_of(database: Database) -> dict[str, Person]:
    """Everybody in `database`, by name."""
    template = _sqlite_template if database.vendor == "sqlite" else _postgres_template
    return {person.name: person for person in template()[1]}


@cache
def _sqlite_template() -> tuple[Path, list[Person]]:
    folder = Path(tempfile.mkdtemp(prefix="flow-sessions-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / "db.sqlite3"
    people = _populate(f"sqlite:///{path}")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        # Everything into the one file, so that copying it copies all.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path, people


@cache
def _postgres_template() -> tuple[str, list[Person]]:
    name = _new_name()
    _administer(sql.SQL("CREATE DATABASE {}"), name)
    atexit.register(_administer, sql.SQL("DROP DATABASE {} WITH (FORCE)"), name)
    url = _postgres_url(name)
    return url, _populate(url)


def _populate(database_url: str) -> list[Person]:
    output = manage(
        "shell", "--no-imports", "-c", "from tests.population import main; main()",
        database_url=database_url,
    )  # fmt: skip
    if output.returncode:
        raise RuntimeError(f"The people could not be made:\n{output.stderr}")
    return [Person(**each) for each in json.loads(output.stdout)]


def _new_name() -> str:
    return f"test_flow_sessions_{secrets.token_hex(6)}"


def _postgres_url(name: str) -> str:
    return urlunsplit(urlsplit(POSTGRES_URL)._replace(path=f"/{name}"))


def _database_name(url: str) -> str:
    return urlsplit(url).path.lstrip("/")


def _administer(statement: sql.SQL, *names: str) -> None:
    with psycopg.connect(POSTGRES_URL, autocommit=True) as connection:
        connection.execute(statement.format(*map(sql.Identifier, names)))


# -- processes -----------------------------------------------------------------------------------


def environment(
    database_url: str, *, redis_prefix: str | None = None, **more: str
) -> dict[str, str]:
    """The variables of a process of this project; with a prefix it uses Redis, else it does not."""
    return {
        **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
        # So that what only real processes run is measured, too.
        **{name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")},
        "PYTHONUNBUFFERED": "1",
        "DJANGO_SETTINGS_MODULE": "tests.served",
        "DEBUG": "false",
        "HTTPS": "false",
        "SECRET_KEY": SECRET_KEY,
        "ALLOWED_HOSTS": "127.0.0.1",
        "DATABASE_URL": database_url,
        "REDIS_URL": "" if redis_prefix is None else REDIS_URL,
        "REDIS_PREFIX": redis_prefix or "",
        **more,
    }


def manage(*arguments: str, database_url: str) -> subprocess.CompletedProcess[str]:
    """Run `manage.py` to its end."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment(database_url),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


class Server:
    """A server process on a port of its own.

    The socket that listens belongs to the test and outlives the process: there is no race for the
    port, and who connects while the process is away waits until there is one again.
    """

    def __init__(
        self,
        database: Database,
        kind: ServerKind = "uvicorn",
        *,
        redis_prefix: str | None = None,
        **more_environment: str,
    ) -> None:
        self.database = database
        self.kind = kind
        self.people = people_of(database)
        self._environment = environment(database.url, redis_prefix=redis_prefix, **more_environment)
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._log = tempfile.NamedTemporaryFile(prefix="flow-sessions-", suffix=".log")  # noqa: SIM115
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def host(self) -> str:
        """The host and the port, as in a URL."""
        return f"127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        """The port it listens on, the same for every process it has."""
        if self.kind == "runserver":
            # It takes no socket: it finds a port by itself and says which.
            found = re.findall(r"Listening on TCP address 127\.0\.0\.1:(\d+)", self.log)
            return int(found[-1]) if found else 0
        port: int = self._socket.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """Where the WebSocket is."""
        return f"ws://{self.host}/ws/"

    @property
    def log(self) -> str:
        """All that its processes have printed."""
        return Path(self._log.name).read_text(errors="replace")

    @property
    def pid(self) -> int:
        """The number of its process, which must be running."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Begin a process and wait until it is ready."""
        assert self._process is None
        fd = self._socket.fileno()
        command = {
            "uvicorn": ["manage.py", "serve", "--fd", str(fd)],
            "daphne": ["-m", "daphne", "--fd", str(fd), "project.asgi:application"],
            "runserver": ["manage.py", "runserver", "--noreload", "127.0.0.1:0"],
        }[self.kind]
        self._process = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env=self._environment,
            pass_fds=[fd],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        self._wait_until_ready()

    def stop(self) -> int:
        """Ask the process to end and wait until it has; its exit status."""
        return self._end(signal.SIGTERM)

    def hand_over(self) -> int:
        """Begin another process on the same port, and then stop the one before it; its status."""
        before, self._process = self._process, None
        self.start()
        after, self._process = self._process, before
        try:
            return self._end(signal.SIGTERM)
        finally:
            self._process = after

    def kill(self) -> None:
        """End the process at once, as a power cut would."""
        self._end(signal.SIGKILL)

    def ended(self) -> int:
        """Wait until the process has ended by itself; its exit status."""
        assert self._process is not None
        process, self._process = self._process, None
        return process.wait(PATIENCE)

    def close(self) -> None:
        """Stop it if it runs, and give the port and the log back."""
        if self._process is not None:
            self.stop()
        self._socket.close()
        self._log.close()

    def peak_memory(self) -> int:
        """The most bytes of memory that the process has held so far."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found
        return int(found[1]) * 1024

    def cpu_seconds(self) -> float:
        """How long the process has run so far, on any core, in seconds."""
        # After the name, which may hold anything: proc(5).
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def complaints(self) -> list[str]:
        """The lines of its log that tell of something nobody has handled."""
        return [line for line in self.log.splitlines() if is_complaint(line)]

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while not self._is_ready():
            assert self._process is not None
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"The server does not get ready:\n{self.log}")
            time.sleep(0.02)

    def _is_ready(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=1)
        try:
            connection.request("GET", "/healthz/ready")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _end(self, how: signal.Signals) -> int:
        assert self._process is not None
        process, self._process = self._process, None
        process.send_signal(how)
        try:
            return process.wait(PATIENCE + 5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise


_COMPLAINT = re.compile(
    r"Traceback|Unhandled|never retrieved|never awaited|Exception in|Exception ignored"
)


def is_complaint(line: str) -> bool:
    """Whether a line of a log tells of something that nobody has handled."""
    try:
        entry = json.loads(line)
    except ValueError:
        return _COMPLAINT.search(line) is not None
    # Django's words for requests that it has refused, some with the exception that it used.
    refusal = entry.get("logger", "").startswith("django.security.") or (
        entry.get("logger", "") == "django.request" and entry["level"] == "warning"
    )
    # uvicorn closes the connection (1007) and tells of it with the exception that showed it.
    refusal = refusal or entry.get("event") == "Invalid UTF-8 sequence received from client."
    return not refusal and (entry["level"] in {"error", "critical"} or "exception" in entry)


@contextlib.contextmanager
def serving(
    database: Database,
    kind: ServerKind = "uvicorn",
    *,
    redis_prefix: str | None = None,
    **more_environment: str,
) -> Iterator[Server]:
    """A server that is ready, closed afterwards."""
    server = Server(database, kind, redis_prefix=redis_prefix, **more_environment)
    try:
        server.start()
        yield server
    finally:
        server.close()
