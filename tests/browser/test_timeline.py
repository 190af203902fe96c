"""The admin's timeline in a real browser, following what a client does."""

import asyncio

import pytest

from sessions_app.client import SessionsClient
from tests.browser.pages import Browsing, expect
from tests.servers import Server
from tests.sessions_app.rows import HOSTILE

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


async def test_the_timeline_follows(browsing: Browsing, server: Server) -> None:
    """What a client writes appears without a reload, as text, except while the page is paused."""
    page = await browsing.page(server, server.people["admin"])
    async with (
        asyncio.timeout(50),
        SessionsClient(server.url, server.people["owner0"].token) as client,
    ):
        created = await client.call("create_session", {"title": HOSTILE, "key": "live"})
        session_id = created["session_id"]

        async def say(text: str) -> None:
            params = {"session_id": session_id, "text": text, "key": text[:60]}
            await client.call("send_message", params)

        await page.goto(f"/admin/sessions_app/session/{session_id}/timeline/")
        await page.get_by_role("button", name="Follow live").click()
        await expect(page.locator("#live-state")).to_have_text("live")
        await say(HOSTILE)
        await expect(page.locator("#seq-2 .session-text")).to_have_text(HOSTILE)
        assert await page.locator("#events script, #events img").count() == 0

        await page.get_by_role("button", name="Pause").click()
        await say("While paused")
        await expect(page.locator("#live-state")).to_have_text("paused, 1 new")
        assert await page.locator("#seq-3").count() == 0
        await page.get_by_role("button", name="Go on").click()
        await expect(page.locator("#seq-3 .session-text")).to_have_text("While paused")
