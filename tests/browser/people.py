"""What people do with the page: the words of the stories."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

from websockets.asyncio.client import connect

from tests.browser.pages import Browsing, Locator, Page, expect
from tests.faults.proxies import Proxy
from tests.servers import PASSWORD, Person, Server
from tests.wire import Client


class Talker:
    """Somebody before their page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.text = page.get_by_label("Message", exact=True)
        self.title = page.locator("#title")
        self.banner = page.locator("#banner")

    @property
    def session_id(self) -> str:
        """The session that the address names."""
        return self.page.url.partition("/sessions/")[2].partition("/")[0]

    @property
    def texts(self) -> Locator:
        """The messages on the screen that are in the log."""
        return self.page.locator("#lines .text")

    def line(self, text: str) -> Locator:
        """The line of the log with that text."""
        return self.page.locator("#lines > li").filter(has_text=text)

    async def sign_in(self, person: Person) -> None:
        """With a password, from whatever page one was sent to."""
        await self.page.get_by_label("User name").fill(person.name)
        await self.page.get_by_label("Password").fill(PASSWORD)
        await self.page.get_by_role("button", name="Sign in").click()
        await expect(self.page.locator("#sessions")).to_be_attached()

    async def create(self, title: str, people: str = "") -> str:
        """A session; its id."""
        await self.page.get_by_role("button", name="New session").click()
        dialog = self.page.get_by_role("dialog")
        await dialog.get_by_label("Title").fill(title)
        await dialog.get_by_label("With").fill(people)
        await dialog.get_by_role("button", name="Create").click()
        await expect(self.title).to_have_text(title)
        return self.session_id

    async def press(self, step: str, **values: str) -> None:
        """A button beside the people, and what its dialog asks."""
        await self.page.locator("#details").get_by_role("button", name=step, exact=True).click()
        dialog = self.page.get_by_role("dialog")
        for label, value in values.items():
            await dialog.get_by_label(label).fill(value)
        await dialog.locator(".primary").click()
        await expect(dialog).to_have_count(0)

    async def open(self, session_id: str) -> None:
        """A session by its address."""
        await self.page.goto(f"/sessions/{session_id}/")
        await expect(self.page.locator("#lines > li").first).to_be_visible()

    async def say(self, text: str) -> None:
        """Write a message."""
        await self.text.fill(text)
        await self.text.press("Enter")

    async def sees(self, *texts: str) -> None:
        """These messages are in the log on the screen, in this order, and no others are."""
        await expect(self.texts).to_have_text(list(texts))

    async def seqs(self) -> list[int]:
        """The seqs of the lines on the screen."""
        seqs: list[int] = await self.page.eval_on_selector_all(
            "#lines > li", "lines => lines.map(line => Number(line.dataset.seq))"
        )
        return seqs


async def talker(
    browsing: Browsing, server: Server, name: str, *, port: int | None = None, **how: Any
) -> Talker:
    """Somebody who is signed in, on a machine of their own, before the list."""
    how.setdefault("viewport", {"width": 1280, "height": 800})
    page = await browsing.page(server, server.people[name], port=port, **how)
    await page.goto("/")
    await expect(page.locator("body")).to_have_attribute("data-connection", "open")
    return Talker(page)


async def session_with(server: Server, owner: str, *others: str, title: str = "Roof") -> str:
    """A session that is there before the story begins."""
    async with await Client.connect(server.url, server.people[owner].token) as client:
        participants = [{"user": name, "role": "member"} for name in others]
        made = await client.call(
            "create_session", title=title, participants=participants, key=uuid4().hex
        )
        session_id: str = made["session_id"]
        return session_id


async def write_all(server: Server, name: str, session_id: str, texts: list[str]) -> None:
    """Many messages at once, by a client that does not watch."""
    headers = {"Authorization": f"Bearer {server.people[name].token}"}
    async with connect(server.url, additional_headers=headers, max_size=None) as socket:
        await socket.recv()
        for start in range(0, len(texts), 50):
            batch = [
                {
                    "jsonrpc": "2.0",
                    "id": number,
                    "method": "send_message",
                    "params": {"session_id": session_id, "text": text, "key": uuid4().hex},
                }
                for number, text in enumerate(texts[start : start + 50])
            ]
            await socket.send(json.dumps(batch))
            replies = json.loads(await socket.recv())
            assert all("result" in reply for reply in replies)


def stored(server: Server, session_id: str) -> list[tuple[int, str]]:
    """The messages in the database, by their seq."""
    rows = server.database.rows(
        "SELECT seq, kind, data FROM sessions_app_event WHERE session_id = ? ORDER BY seq",
        [session_id.replace("-", "") if server.database.vendor == "sqlite" else session_id],
    )
    return [(seq, data) for seq, kind, data in rows if kind == "message_sent"]


@contextlib.asynccontextmanager
async def between(server: Server) -> AsyncIterator[Proxy]:
    """A proxy before the server, which the test can cut."""
    async with Proxy(server.port) as proxy:
        yield proxy


async def in_thread(work: Any) -> None:
    """Do what blocks without holding up the browser's messages."""
    await asyncio.to_thread(work)
