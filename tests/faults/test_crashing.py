"""A process that dies between a commit and its reply: the key gives the first result."""

import os
import signal

import pytest

from tests.faults.crashing import CRASH
from tests.real.test_conversation import created
from tests.servers import serving, sqlite_database
from tests.wire import Client


@pytest.mark.timeout(60)
async def test_a_commit_without_a_reply_is_found_by_its_key() -> None:
    """The message is stored, nobody was told, and repeating it adds nothing."""
    with (
        sqlite_database() as database,
        serving(database, DJANGO_SETTINGS_MODULE="tests.faults.settings") as server,
    ):
        ann = server.people["owner0"]
        async with await Client.connect(server.url, ann.token) as client:
            session = await created(client)
            os.kill(server.pid, CRASH)
            with pytest.raises(EOFError):
                await client.write(session, "Unheard", key="k")
        assert server.stop() == -signal.SIGKILL
        assert database.rows("SELECT seq FROM sessions_app_event WHERE key = ?", ["k"]) == [(2,)]

        server.start()
        async with await Client.connect(server.url, ann.token) as client:
            message = {"session_id": session, "text": "Unheard", "key": "k"}
            assert await client.call("send_message", **message) == {"seq": 2, "duplicate": True}
            assert await client.watch(session) == 2
