"""A client of forty lines, in another language and written from the contract alone."""

import asyncio
import re
import shutil
from pathlib import Path

import pytest

from tests.servers import ROOT, Database, serving
from tests.services import NPM
from tests.wire import Client

PATIENCE = 30.0

EXAMPLE = ROOT / "docs" / "examples" / "talk.mjs"

pytestmark = pytest.mark.node


class Talk:
    """The example as a process, and the lines that it has printed."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.printed: list[str] = []

    async def write(self, text: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(text.encode() + b"\n")
        await self.process.stdin.drain()

    async def until(self, text: str) -> str:
        """Read on until a line has `text` in it."""
        assert self.process.stdout
        async with asyncio.timeout(PATIENCE):
            while True:
                line = (await self.process.stdout.readline()).decode()
                assert line, "it has ended"
                self.printed.append(line.rstrip("\n"))
                if text in line:
                    return line


async def start(folder: Path, *arguments: str) -> Talk:
    """The example in a folder where there is nothing but `ws`."""
    (folder / "node_modules").mkdir(exist_ok=True)
    if not (folder / "node_modules" / "ws").exists():
        (folder / "node_modules" / "ws").symlink_to(NPM / "node_modules" / "ws")
    shutil.copy(EXAMPLE, folder)
    pipe = asyncio.subprocess.PIPE
    return Talk(
        await asyncio.create_subprocess_exec(
            "node", "talk.mjs", *arguments, cwd=folder, stdin=pipe, stdout=pipe, stderr=pipe
        )
    )


async def test_it_holds_a_conversation_over_a_crash(tmp_path: Path, sqlite: Database) -> None:
    """Both sides of a server's death are told once and in order, as they are stored."""
    with serving(sqlite) as server:
        ann, bob = server.people["owner0"], server.people["member0"]
        talk = await start(tmp_path, server.url, ann.token)
        try:
            session = (await talk.until("session ")).split()[1]
            await talk.write("It leaks.")
            await talk.until("It leaks.")
            async with await Client.connect(server.url, ann.token) as other:
                await other.call(
                    "add_participant", session_id=session, user=bob.name, role="member", key="add"
                )
            async with await Client.connect(server.url, bob.token) as other:
                await other.write(session, "Where?")
            await talk.until("Where?")

            server.kill()
            for number in range(3):
                await talk.write(f"While away {number}")
            server.start()
            async with await Client.connect(server.url, bob.token) as other:
                await other.write(session, "I am back")
            await talk.write("So am I")
            await talk.until("So am I")

            stored = sqlite.rows(
                "SELECT seq, kind FROM sessions_app_event WHERE session_id = ? ORDER BY seq",
                [session.replace("-", "")],
            )
            told = [line.split()[:3] for line in talk.printed if not line.startswith("session")]
            # Lines that were written while the server was away may come after the last one.
            while len(told) < len(stored):
                told.append((await talk.until("message_sent")).split()[:3])
            assert [(int(seq), kind) for seq, _, kind in told] == stored
            assert len(stored) == 9
            said = re.findall(r"While away \d", "\n".join(talk.printed))
            assert sorted(said) == [f"While away {number}" for number in range(3)]
        finally:
            talk.process.kill()
            await talk.process.wait()


async def test_it_stops_when_told_to(tmp_path: Path, sqlite: Database) -> None:
    """With a token that nobody knows it ends by itself, and says the close code."""
    with serving(sqlite) as server:
        talk = await start(tmp_path, server.url, "nobody-has-this-token")
        assert talk.process.stderr
        async with asyncio.timeout(PATIENCE):
            assert await talk.process.stderr.read() == b"stopped: 4501\n"
            assert await talk.process.wait() == 1


def test_it_is_short() -> None:
    """It needs nothing but `ws`, and about forty lines."""
    lines = EXAMPLE.read_text().splitlines()
    assert len(lines) < 50
    imported = re.findall(r'from "([^"]+)"', "\n".join(lines))
    assert [name for name in imported if not name.startswith("node:")] == ["ws"]
