"""Clients under test: our own in Python, and any other as a program of its own."""

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

from sessions_app.client import CallFailed, SessionsClient, Stopped

TOKEN = "a-token"


class PythonDriver:
    """`sessions_app.client`, in this process."""

    def __init__(self, client: SessionsClient) -> None:
        self._client = client
        self._told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopped = False

    async def do(self, command: dict[str, Any]) -> None:
        work = self._watch if command["do"] == "watch" else self._call
        self._start(work(command))
        await asyncio.sleep(0)  # so that commands begin in the order in which they are given

    async def told(self) -> dict[str, Any]:
        return await self._told.get()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _tell(self, told: str, **fields: object) -> None:
        self._told.put_nowait({"told": told, **fields})

    async def _call(self, command: dict[str, Any]) -> None:
        try:
            result = await self._client.call(command["method"], command["params"])
        except CallFailed as failed:
            self._tell("error", ref=command["ref"], code=failed.code)
        except Stopped as stopped:
            self._tell_stopped(stopped)
        else:
            self._tell("result", ref=command["ref"], result=result)

    async def _watch(self, command: dict[str, Any]) -> None:
        session = command["session"]
        try:
            async with aclosing(self._client.watch(session, command["after"])) as events:
                async for event in events:
                    self._tell("event", event=event)
        except CallFailed as failed:
            self._tell("unwatched", session=session, code=failed.code)
        except Stopped as stopped:
            self._tell_stopped(stopped)

    def _tell_stopped(self, stopped: Stopped) -> None:
        if not self._stopped:
            self._stopped = True
            self._tell("stopped", code=stopped.code)


@asynccontextmanager
async def python_driver(url: str) -> AsyncIterator[PythonDriver]:
    """Our client, connected to `url` for as long as it lasts."""
    async with SessionsClient(url, TOKEN, chance=lambda: 0.0) as client:
        driver = PythonDriver(client)
        try:
            yield driver
        finally:
            await driver.close()


class ProcessDriver:
    """A program that reads commands and tells what happens, a line of JSON each."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin
        assert process.stdout
        self._in, self._out = process.stdin, process.stdout

    async def do(self, command: dict[str, Any]) -> None:
        self._in.write(json.dumps(command).encode() + b"\n")
        await self._in.drain()

    async def told(self) -> dict[str, Any]:
        line = await self._out.readline()
        if not line:
            raise AssertionError("the program has ended")
        told: dict[str, Any] = json.loads(line)
        return told


@asynccontextmanager
async def process_driver(command: Sequence[str], url: str) -> AsyncIterator[ProcessDriver]:
    """The program `command`, which is told where to connect, ended afterwards."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    try:
        driver = ProcessDriver(process)
        await driver.do({"do": "open", "url": url, "token": TOKEN})
        yield driver
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
