"""What can break: server processes, a Redis and a database of their own, each ended by its pid.

All of it is on loopback and below a folder that is given. Nothing here uses what others run.
"""

import asyncio
import contextlib
import http.client
import json
import os
import pwd
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg

from tests.servers import ROOT, Database, Person, environment, manage

#: How long a process may take to begin or to end, in seconds; the machine may be busy.
PATIENCE = 40.0


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def populate(database_url: str) -> dict[str, Person]:
    """Migrate an empty database and make everybody, by name."""
    output = manage(
        "shell", "--no-imports", "-c", "from tests.population import main; main()",
        database_url=database_url,
    )  # fmt: skip
    if output.returncode:
        raise RuntimeError(f"The people could not be made:\n{output.stderr}")
    people = [Person(**each) for each in json.loads(output.stdout)]
    return {person.name: person for person in people}


class Process:
    """A process that may be stopped, killed and started again."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The number of its process, which must be there."""
        assert self._process is not None
        return self._process.pid

    @property
    def runs(self) -> bool:
        """Whether there is a process that has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """All that its processes have printed."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def spawn(self, *command: str, user: str | None = None, **options: Any) -> None:
        """Begin a process."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, user=user, **options
            )

    def send(self, how: signal.Signals) -> None:
        """Send a signal, if it still runs."""
        if self._process is not None and self.runs:
            self._process.send_signal(how)

    async def ended(self, patience: float = PATIENCE) -> int:
        """Wait until it has ended; its exit status. TimeoutError if it does not end."""
        process = self._process
        assert process is not None
        try:
            return await asyncio.to_thread(process.wait, patience)
        except subprocess.TimeoutExpired as error:
            raise TimeoutError(f"process {process.pid} does not end") from error

    async def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; one that does not end in time is killed."""
        # A stopped process would not hear it.
        self.send(signal.SIGCONT)
        self.send(how)
        try:
            return await self.ended()
        except TimeoutError:
            self.send(signal.SIGKILL)
            await self.ended()
            raise


class Node(Process):
    """A server process. Its listening socket belongs to us and outlives it."""

    def __init__(
        self, log: Path, settings: Mapping[str, str], command: tuple[str, ...] | None = None
    ) -> None:
        super().__init__(log)
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=1024)
        fd = str(self._socket.fileno())
        self._command = command or ("manage.py", "serve", "--fd")
        self._command = (*self._command, fd)
        self._settings = dict(settings)
        self.port: int = self._socket.getsockname()[1]
        #: Exit statuses of processes that have ended without being told to.
        self.surprises: list[int] = []

    async def start(self) -> None:
        """Begin a process and wait until it answers."""
        self.spawn(
            sys.executable, *self._command,
            cwd=ROOT, env=self._settings, pass_fds=[self._socket.fileno()],
        )  # fmt: skip
        async with asyncio.timeout(PATIENCE):
            while not await asyncio.to_thread(self._is_alive):
                if not self.runs:
                    raise RuntimeError(f"The server does not start:\n{self.log[-4000:]}")
                await asyncio.sleep(0.05)

    async def restart(self, how: signal.Signals, pause: float) -> None:
        """End the process, and begin another one after `pause` seconds."""
        self.note_surprise()
        with contextlib.suppress(ProcessLookupError):
            await self.end(how)
        await asyncio.sleep(pause)
        await self.start()

    def note_surprise(self) -> None:
        """Remember the exit status if the process has ended by itself."""
        if self._process is not None and not self.runs:
            self.surprises.append(self._process.returncode)

    def memory(self) -> int:
        """Bytes of memory that the process holds now."""
        pages = Path(f"/proc/{self.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def limit_files(self, size: int) -> None:
        """Let no file of the process grow beyond `size` bytes; -1: as large as they like."""
        hard = resource.prlimit(self.pid, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (size, hard))

    def close(self) -> None:
        """Give the port back."""
        self._socket.close()

    def _is_alive(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=1)
        try:
            connection.request("GET", "/healthz/live")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


class Redis(Process):
    """A Redis that keeps nothing when it is started again."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "redis.log")
        self._folder = folder
        self.port = free_port()

    async def start(self) -> None:
        """Begin a process and wait until it listens."""
        self.spawn(
            "redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
            "--appendonly", "no", "--dir", str(self._folder),
        )  # fmt: skip
        await _listening(self.port)

    def pause(self, seconds: float) -> None:
        """Have it answer nobody for a while."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(f"CLIENT PAUSE {round(seconds * 1000)}\r\n".encode())
            connection.recv(100)


def redis_reason() -> str | None:
    """Why there can be no Redis of our own, None if there can."""
    return None if shutil.which("redis-server") else "there is no redis-server to start"


async def _listening(port: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


# -- databases -------------------------------------------------------------------------------------


def _postgres_programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


def postgres_reason() -> str | None:
    """Why there can be no PostgreSQL cluster of our own, None if there can."""
    if _postgres_programs() is None:
        return "there are no programs to make a PostgreSQL cluster with"
    if os.getuid() == 0 and _owner() is None:
        return "PostgreSQL does not run as root, and there is no user postgres"
    return None


def _owner() -> str | None:
    """Who a cluster belongs to: root may not have one."""
    if os.getuid() != 0:
        return pwd.getpwuid(os.getuid()).pw_name
    with contextlib.suppress(KeyError):
        return pwd.getpwnam("postgres").pw_name
    return None


class Postgres:
    """A PostgreSQL cluster with one database, which can be cut off and restarted."""

    def __init__(self, folder: Path) -> None:
        programs = _postgres_programs()
        assert programs is not None
        self._programs = programs
        self._data = folder / "postgres"
        self.port = free_port()
        self.url = f"postgres://postgres@127.0.0.1:{self.port}/postgres"

    async def make(self) -> None:
        """Make the cluster and start it."""
        self._data.mkdir()
        # Its owner is somebody else, who must be able to come to it.
        self._data.parent.chmod(0o755)
        shutil.chown(self._data, _owner() or os.getuid())
        await self._run("initdb", "-U", "postgres", "-A", "trust", "--no-sync")
        # As durable as it comes: what is told to be committed survives.
        with (self._data / "postgresql.conf").open("a") as conf:
            conf.write(
                f"port = {self.port}\nlisten_addresses = '127.0.0.1'\n"
                "unix_socket_directories = ''\nmax_connections = 100\n"
            )
        await self.start()

    async def start(self) -> None:
        """Start it."""
        log = self._data / "log.txt"
        await self._run("pg_ctl", "start", "-w", "-t", "60", "-l", str(log))

    async def stop(self, mode: str = "fast") -> None:
        """Stop it: `fast` ends all connections, `immediate` is a crash."""
        await self._run("pg_ctl", "stop", "-w", "-m", mode)

    def terminate_connections(self) -> int:
        """End all connections but this one; how many."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            ended = connection.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
            ).fetchone()
        return int(ended[0]) if ended else 0

    async def _run(self, program: str, *arguments: str) -> None:
        process = await asyncio.create_subprocess_exec(
            str(self._programs / program), "-D", str(self._data), *arguments,
            cwd=self._data, user=_owner(), env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        # Not `communicate`: the server inherits the pipe and keeps it open.
        if await asyncio.wait_for(process.wait(), PATIENCE + 30):
            assert process.stderr is not None
            problem = await process.stderr.read(2000)
            raise RuntimeError(f"{program} failed: {problem.decode(errors='replace')}")


class Disk:
    """A small disk for a folder, which can be filled up: a mount of its own where that is allowed.

    Else the files of the processes that write there may not grow.
    """

    SIZE = 64 * 1024 * 1024

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"
        self.mounted = False

    def mount(self) -> None:
        """Make it, if that is allowed."""
        self.folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={self.SIZE}", "tmpfs", str(self.folder)]
        done = subprocess.run(command, capture_output=True, check=False) if _is_root() else None
        self.mounted = done is not None and done.returncode == 0

    def fill(self, nodes: list[Node]) -> None:
        """Leave no room."""
        if not self.mounted:
            largest = max(each.stat().st_size for each in self.folder.iterdir())
            for node in nodes:
                node.limit_files(largest)
            return
        with contextlib.suppress(OSError), self._ballast.open("wb", buffering=0) as ballast:
            while True:
                ballast.write(b"\0" * 4096)

    def free(self, nodes: list[Node]) -> None:
        """Make room again."""
        self._ballast.unlink(missing_ok=True)
        if not self.mounted:
            for node in nodes:
                node.limit_files(-1)

    def unmount(self) -> None:
        """Give it back; everything that was on it is gone."""
        if self.mounted:
            subprocess.run(["umount", "-l", str(self.folder)], check=False)


def _is_root() -> bool:
    return os.getuid() == 0


@contextlib.contextmanager
def disk(folder: Path) -> Iterator[Disk]:
    """A small disk."""
    made = Disk(folder)
    made.mount()
    try:
        yield made
    finally:
        made.unmount()


@contextlib.asynccontextmanager
async def postgres(folder: Path) -> AsyncIterator[Postgres]:
    """A PostgreSQL that runs."""
    cluster = Postgres(folder)
    await cluster.make()
    try:
        yield cluster
    finally:
        with contextlib.suppress(RuntimeError):
            await cluster.stop("immediate")


@contextlib.asynccontextmanager
async def redis(folder: Path) -> AsyncIterator[Redis]:
    """A Redis that runs."""
    server = Redis(folder)
    await server.start()
    try:
        yield server
    finally:
        if server.runs:
            await server.end(signal.SIGKILL)


def server_environment(
    database_url: str, *, redis_port: int | None = None, **more: str
) -> dict[str, str]:
    """The variables of a server under faults; its rates are no limit to the load."""
    return environment(
        database_url,
        DJANGO_SETTINGS_MODULE="tests.faults.settings",
        REDIS_URL="" if redis_port is None else f"redis://127.0.0.1:{redis_port}/0",
        REDIS_PREFIX="faults",
        RATE_BURST="1000000",
        RATE_PER_SECOND="1000000",
        **more,
    )


def rows_of(database_url: str, query: str) -> list[tuple[Any, ...]]:
    """What `query` finds, read past the servers."""
    if database_url.startswith("sqlite"):
        path = database_url.removeprefix("sqlite:///")
        with contextlib.closing(sqlite3.connect(path, timeout=PATIENCE)) as connection:
            return connection.execute(query).fetchall()
    return Database(database_url).rows(query)
