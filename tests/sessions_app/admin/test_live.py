"""What staff and operators do, as seen by clients of a real server."""

import asyncio
import re
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import aclosing
from typing import Any

import pytest

from sessions_app.client import SessionsClient
from tests.servers import Server, manage, serving, sqlite_database


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with sqlite_database() as database, serving(database) as server:
        yield server


class Staff:
    """A member of staff with a browser."""

    def __init__(self, server: Server, name: str) -> None:
        self._address = f"http://{server.host}/admin/sessions_app/session/"
        self._cookie = f"sessionid={server.people[name].cookie}"

    def end(self, session_id: str, reason: str) -> None:
        """End a session as the page of a session offers it."""
        asked = self._open(f"{session_id}/change/")
        form = {"action": "end_sessions", "_selected_action": session_id}
        form["csrfmiddlewaretoken"] = re.findall(r'csrfmiddlewaretoken" value="(\w+)"', asked)[0]
        confirming = self._open("", form)
        assert 'name="reason"' in confirming
        self._open("", {**form, "confirmed": "yes", "reason": reason})

    def _open(self, path: str, form: dict[str, str] | None = None) -> str:
        request = urllib.request.Request(  # noqa: S310
            self._address + path,
            data=urllib.parse.urlencode(form).encode() if form else None,
            headers={"Cookie": self._cookie},
        )
        with urllib.request.build_opener(self._Keeping(self)).open(request) as response:
            page: str = response.read().decode()
            return page

    class _Keeping(urllib.request.BaseHandler):
        """Keeps the cookies that the server sets."""

        def __init__(self, staff: "Staff") -> None:
            self._staff = staff

        def http_response(self, request: Any, response: Any) -> Any:
            for cookie in response.headers.get_all("Set-Cookie", []):
                self._staff._cookie += "; " + cookie.partition(";")[0]
            return response


async def begin(client: SessionsClient, title: str) -> str:
    created = await client.call("create_session", {"title": title, "key": title})
    return str(created["session_id"])


async def test_staff_end_a_session(server: Server) -> None:
    """Who is connected sees that staff have ended the session, why, and by whom."""
    staff = Staff(server, "admin")
    async with (
        asyncio.timeout(30),
        SessionsClient(server.url, server.people["owner0"].token) as client,
    ):
        session_id = await begin(client, "Staff")
        async with aclosing(client.watch(session_id, 1)) as events:
            await asyncio.to_thread(staff.end, session_id, "Spam")
            event = await anext(events)
        assert (event["kind"], event["actor"], event["data"]) == (
            "session_ended",
            "admin",
            {"reason": "Spam"},
        )


async def test_operators_end_a_session(server: Server) -> None:
    """Who is connected sees what a command has written, though it is another process."""
    async with (
        asyncio.timeout(30),
        SessionsClient(server.url, server.people["owner0"].token) as client,
    ):
        session_id = await begin(client, "Operators")
        async with aclosing(client.watch(session_id, 1)) as events:
            ended = await asyncio.to_thread(
                manage, "end_session", session_id, database_url=server.database.url
            )
            event = await anext(events)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert (event["kind"], event["actor"], event["data"]) == ("session_ended", "$system", {})
