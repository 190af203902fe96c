"""`manage.py chat`: a conversation from a terminal, over the WebSocket."""

import asyncio
import os
import sys
import threading
import uuid
from argparse import ArgumentParser
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from websockets.exceptions import WebSocketException

from sessions_app.client import CallFailed, SessionsClient, Stopped
from sessions_app.sentences import plain, sentence

#: How much of what was said before is shown at first.
EARLIER = 20

#: After the last line, in seconds: how long to wait for the event of what was written.
LAST_EVENT = 5.0


class Command(BaseCommand):
    """Take part in a session."""

    help = (
        "Take part in a session from a terminal: what is written in it appears, and every line "
        "that is typed is sent. Connects again when the connection breaks, sends again what was "
        "not acknowledged, and misses nothing. Ends with standard input (Ctrl-D), after all of it "
        "was acknowledged; the exit status is 1 if a line was refused."
    )

    # Nothing here needs this server's own settings, only the URL.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Where, and as whom."""
        parser.add_argument("session", help="id of the session")
        parser.add_argument(
            "--url", default="ws://127.0.0.1:8000/ws/", help="the socket (default: %(default)s)"
        )
        parser.add_argument(
            "--token",
            default=os.environ.get("FLOW_SESSIONS_TOKEN"),
            help="a token of create_token (default: the variable FLOW_SESSIONS_TOKEN)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Talk."""
        token = options["token"]
        if not token:
            raise CommandError("Give a token, with --token or in FLOW_SESSIONS_TOKEN")
        if not token.isascii() or not token.isprintable():
            raise CommandError("This is not a token")
        try:
            refused = asyncio.run(self._talk(options["url"], token, options["session"]))
        except (CallFailed, Stopped, WebSocketException, OSError) as error:
            raise CommandError(plain(str(error))) from error
        except KeyboardInterrupt:
            sys.exit(130)
        if refused:
            sys.exit(1)

    async def _talk(self, url: str, token: str, session_id: str) -> int:
        client = SessionsClient(url, token, on_change=self._changed)
        async with client:
            conversation = Conversation(client, session_id, self._say, self._complain)
            return await conversation.hold(lines_of(sys.stdin.fileno()))

    def _say(self, line: str) -> None:
        self.stdout.write(plain(line))
        self.stdout.flush()

    def _complain(self, line: str) -> None:
        self.stderr.write(plain(line))

    def _changed(self, trouble: str | None) -> None:
        if trouble is not None:
            self._complain(f"({trouble}; connecting again)")


class Conversation:
    """Lines that go into a session, and events that come out of it."""

    def __init__(
        self,
        client: SessionsClient,
        session_id: str,
        say: Callable[[str], None],
        complain: Callable[[str], None],
    ) -> None:
        self._client = client
        self._session_id = session_id
        self._say = say
        self._complain = complain
        self._shown = 0
        self._moved = asyncio.Event()

    async def hold(self, lines: AsyncIterator[str]) -> int:
        """Talk until there are no more lines; how many of them were refused."""
        session = await self._client.call("get_session", {"session_id": self._session_id})
        self._say(f"{session['title'] or session['session_id']} ({session['status']})")
        head = session["seq"]
        listening = asyncio.create_task(self._listen(max(0, head - EARLIER)))
        speaking = asyncio.create_task(self._speak(lines))
        try:
            # Listening never ends by itself, but it may fail.
            await asyncio.wait({listening, speaking}, return_when=asyncio.FIRST_COMPLETED)
            if not speaking.done():
                await listening
            return await speaking
        finally:
            for task in (listening, speaking):
                task.cancel()
            await asyncio.gather(listening, speaking, return_exceptions=True)

    async def _listen(self, after: int) -> None:
        async for event in self._client.watch(self._session_id, after):
            time = datetime.fromisoformat(event["at"]).astimezone().strftime("%H:%M:%S")
            self._say(f"{time} {sentence(event['kind'], event['actor'], event['data'])}")
            self._shown = event["seq"]
            self._moved.set()

    async def _speak(self, lines: AsyncIterator[str]) -> int:
        refused, written = 0, 0
        async for line in lines:
            if not line:
                continue
            try:
                # One after the other, so that they are written in the order they were typed in.
                done = await self._client.call(
                    "send_message",
                    {"session_id": self._session_id, "text": line, "key": uuid.uuid4().hex},
                )
                written = done["seq"]
            except CallFailed as error:
                refused += 1
                self._complain(str(error))
        with suppress(TimeoutError):  # it is written; only the sight of it is missing
            async with asyncio.timeout(LAST_EVENT):
                await self._until_shown(written)
        return refused

    async def _until_shown(self, seq: int) -> None:
        while self._shown < seq:
            self._moved.clear()
            await self._moved.wait()


async def lines_of(descriptor: int) -> AsyncIterator[str]:
    """The lines that come from a terminal, a pipe or a file, without their ends."""
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str | None] = asyncio.Queue(maxsize=100)

    def put(line: str | None) -> None:
        asyncio.run_coroutine_threadsafe(lines.put(line), loop).result()

    def pump() -> None:
        # A thread, since asyncio reads no files, and would make a terminal non-blocking for others
        # too. It ends with the process: a read cannot be interrupted.
        rest = b""
        # When the loop is gone, nobody wants the line.
        with suppress(RuntimeError, asyncio.CancelledError):
            while chunk := os.read(descriptor, 65_536):
                *complete, rest = (rest + chunk).split(b"\n")
                for line in complete:
                    put(line.decode(errors="replace").rstrip("\r"))
            if rest:
                put(rest.decode(errors="replace"))
            put(None)

    threading.Thread(target=pump, daemon=True).start()
    while (line := await lines.get()) is not None:
        yield line
