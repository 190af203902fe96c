"""This project's own Python client under faults: one who writes, and sees all in one stream."""

import asyncio
import random
from contextlib import suppress

from sessions_app.client import CallFailed, SessionsClient
from tests.faults.clients import Diary
from tests.faults.oracle import Answer, Attempt, Shown, Stream
from tests.servers import Person


class Follower:
    """A user of `SessionsClient`, which reconnects, repeats and resumes for them."""

    def __init__(
        self,
        person: Person,
        port: int,
        session: str,
        head: int,
        diary: Diary,
        chance: random.Random,
    ) -> None:
        self.name = f"{person.name}.own"
        #: One stream over all its connections: from the beginning, and without a gap.
        self.stream = Stream(person.name, "our client", session, 0, head, lasted=True)
        diary.history.streams.append(self.stream)
        #: The keys that wait for their answers.
        self.unanswered: set[str] = set()
        self.writing = True
        self._url = f"ws://127.0.0.1:{port}/ws/"
        self._token = person.token
        self._diary = diary
        self._chance = chance

    async def run(self) -> None:
        """Watch and write, until cancelled."""
        async with SessionsClient(self._url, self._token, chance=self._chance.random) as client:
            writing = asyncio.create_task(self._write(client))
            try:
                async for event in client.watch(self.stream.session, after=0):
                    key = event.get("key")
                    self.stream.shown.append(
                        Shown(event["seq"], event["kind"], event["actor"], event["data"], key)
                    )
            finally:
                writing.cancel()
                await asyncio.gather(writing, return_exceptions=True)

    async def _write(self, client: SessionsClient) -> None:
        user, session = self.stream.user, self.stream.session
        number = 0
        while True:
            await asyncio.sleep(self._chance.uniform(0.1, 0.5))
            if not self.writing:
                return
            number += 1
            key = f"{self.name}-{number}"
            data = {"text": f"{self.name} {number}"}
            # Sent again with each new connection: how often is its affair.
            attempt = Attempt(user, key, session, "message_sent", data, sent=2)
            self._diary.history.attempts[user, key] = attempt
            self.unanswered.add(key)
            # It gives up after many times; whether the message is stored is then not known.
            with suppress(CallFailed):
                result = await client.call(
                    "send_message", {"session_id": session, "key": key, **data}
                )
                self._diary.history.answers.append(Answer(user, key, session, result["seq"]))
            self.unanswered.discard(key)
