"""The admin's timeline in a real browser, following what a client does."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest

from tests.browser.pages import Browsing, Page, expect
from tests.browser.people import between, in_thread, write_all
from tests.servers import Server, manage, serving, sqlite_database
from tests.sessions_app.rows import HOSTILE
from tests.wire import Client

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

RTL = "\u202egnihton \u2067seod\u2066 ti\u200f"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server on which one may write as much as one likes."""
    with (
        sqlite_database() as database,
        serving(database, RATE_BURST="100000", RATE_PER_SECOND="100000") as server,
    ):
        yield server


class Timeline:
    """The page of a session's timeline, before a member of staff."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.button = page.locator("#live-button")
        self.state = page.locator("#live-state")
        self.rows = page.locator("#events tr")

    def text(self, seq: int) -> str:
        """What selects the text of an event."""
        return f"#seq-{seq} .session-text"

    async def links(self) -> list[list[str]]:
        """Each link of each row: what it is called and where it leads to."""
        found: list[list[str]] = await self.page.eval_on_selector_all(
            "#events tr:not(:first-child) a",
            "links => links.map(each => [each.textContent, each.href])",
        )
        return found

    async def words(self) -> list[list[str]]:
        """What each row says beside its links."""
        await self.page.eval_on_selector_all(
            ".session-links", "links => links.forEach(each => each.remove())"
        )
        return [text.split() for text in await self.rows.all_text_contents()]

    async def follow(self) -> None:
        """Press the button."""
        await self.page.get_by_role("button", name="Follow live").click()
        await expect(self.state).to_have_text("Live")


@contextlib.asynccontextmanager
async def talk(server: Server) -> AsyncIterator[tuple[Client, str]]:
    """A client on its socket, and a session of its user."""
    async with (
        asyncio.timeout(100),
        await Client.connect(server.url, server.people["owner0"].token) as client,
    ):
        made = await client.call("create_session", title=HOSTILE, key=uuid4().hex)
        yield client, made["session_id"]


async def timeline(
    browsing: Browsing,
    server: Server,
    session_id: str,
    name: str = "admin",
    query: str = "",
    port: int | None = None,
) -> Timeline:
    """A member of staff opens the timeline."""
    page = await browsing.page(server, server.people[name], port=port)
    await page.goto(f"/admin/sessions_app/session/{session_id}/timeline/{query}")
    return Timeline(page)


def make_staff(server: Server, name: str, *permissions: str) -> None:
    """From now on they are staff who may do this and nothing else."""
    done = manage(
        "shell", "--no-imports", "-c",
        "from django.contrib.auth.models import Permission\n"
        "from sessions_app.models import User\n"
        f"user = User.objects.get(username={name!r})\n"
        "user.is_staff = True\n"
        "user.save()\n"
        f"user.user_permissions.set(Permission.objects.filter(codename__in={permissions!r}))",
        database_url=server.database.url,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


async def test_it_follows(browsing: Browsing, server: Server) -> None:
    """What a client writes appears without a reload, in a row like that of the server."""
    async with talk(server) as (client, session_id):
        admin = await timeline(browsing, server, session_id)
        await admin.follow()
        await client.write(session_id, "Thursday at nine?")
        await expect(admin.page.locator(admin.text(2))).to_have_text("Thursday at nine?")
        await client.call("end_session", session_id=session_id, reason="Done", key=uuid4().hex)
        await expect(admin.rows.last).to_contain_text("session ended")
        # Event, receipt, and who has not seen it; when the server has been asked.
        for seq in (2, 3):
            await expect(admin.page.locator(f"#seq-{seq} a")).to_have_count(3)
        followed = await admin.links(), await admin.words()
        await admin.page.reload()
        await expect(admin.rows).to_have_count(3)
        assert (await admin.links(), await admin.words()) == followed


@pytest.mark.parametrize("text", [HOSTILE, RTL])
async def test_texts_are_texts(browsing: Browsing, server: Server, text: str) -> None:
    """Markup and marks of direction in a message are shown, and change nothing around it."""
    async with talk(server) as (client, session_id):
        admin = await timeline(browsing, server, session_id)
        await admin.follow()
        await client.write(session_id, text)
        said = admin.page.locator(admin.text(2))
        await expect(said).to_have_text(text)
        assert await said.text_content() == text
        assert await admin.page.locator("#events :is(script, img)").count() == 0
        assert await said.evaluate("element => getComputedStyle(element).unicodeBidi") in {
            "isolate",
            "plaintext",
        }


async def test_it_can_be_paused(browsing: Browsing, server: Server) -> None:
    """While it is paused nothing appears, and what waits is counted; then all of it is shown."""
    async with talk(server) as (client, session_id):
        admin = await timeline(browsing, server, session_id)
        await admin.follow()
        await admin.page.get_by_role("button", name="Pause").click()
        for text in ("one", "two"):
            await client.write(session_id, text)
        await expect(admin.state).to_have_text("Paused, 2 new")
        await expect(admin.rows).to_have_count(1)
        await admin.page.get_by_role("button", name="Follow").click()
        await expect(admin.state).to_have_text("Live")
        await expect(admin.page.locator("#events .session-text")).to_have_text(["one", "two"])


async def test_it_shows_the_kind_that_is_wanted(browsing: Browsing, server: Server) -> None:
    """With a kind chosen, other events do not appear, though there was none of it before."""
    async with talk(server) as (client, session_id):
        admin = await timeline(browsing, server, session_id, query="?kind=session_renamed")
        await expect(admin.rows).to_have_count(0)
        await admin.follow()
        await client.write(session_id, "Not this")
        await client.call("rename_session", session_id=session_id, title="This", key=uuid4().hex)
        await expect(admin.page.locator("#seq-3")).to_contain_text("This")
        await expect(admin.rows).to_have_count(1)


async def test_its_rows_are_bounded(browsing: Browsing, server: Server) -> None:
    """However much happens, it keeps the latest 500 rows; so many wait while it is paused."""
    async with talk(server) as (_, session_id):
        admin = await timeline(browsing, server, session_id)
        await admin.follow()
        await write_all(server, "owner0", session_id, [f"Live {each}" for each in range(520)])
        await expect(admin.page.locator(admin.text(521))).to_have_text("Live 519")
        await expect(admin.rows).to_have_count(500)
        await expect(admin.rows.last).to_be_in_viewport()
        await admin.page.get_by_role("button", name="Pause").click()
        await write_all(server, "owner0", session_id, [f"Held {each}" for each in range(510)])
        await expect(admin.state).to_have_text("Paused, 510 new")
        await expect(admin.rows.last).to_have_id("seq-521")
        await admin.page.get_by_role("button", name="Follow").click()
        await expect(admin.rows).to_have_count(500)
        await expect(admin.rows.first).to_have_id("seq-532")
        await expect(admin.rows.last).to_have_id("seq-1031")
        ranges = admin.page.locator(".session-pages span")
        await expect(ranges).to_have_text(["#532 to #1031 of 1031 events"] * 2)


async def test_it_tells_who_is_here(browsing: Browsing, server: Server) -> None:
    """It names those who watch the session, the reader among them."""
    async with talk(server) as (client, session_id):
        await client.watch(session_id)
        admin = await timeline(browsing, server, session_id)
        await admin.follow()
        await expect(admin.page.locator("#live-here")).to_have_text("Here now: admin, owner0")


async def test_it_says_how_the_connection_is(browsing: Browsing, server: Server) -> None:
    """It tells of a network that is gone, and shows what was missed when it is back."""
    async with talk(server) as (client, session_id), between(server) as proxy:
        admin = await timeline(browsing, server, session_id, port=proxy.port)
        await admin.follow()
        await admin.page.context.set_offline(True)
        await expect(admin.state).to_have_text("You are offline")
        await client.write(session_id, "Meanwhile")
        await admin.page.context.set_offline(False)
        await expect(admin.state).to_have_text("Live")
        await expect(admin.page.locator(admin.text(2))).to_have_text("Meanwhile")


async def test_who_may_not_read_gets_nothing(browsing: Browsing, server: Server) -> None:
    """Staff without the permission to read see no text, and nothing to follow."""
    await in_thread(lambda: make_staff(server, "stranger1", "view_session"))
    async with talk(server) as (client, session_id):
        await client.write(session_id, "A secret")
        admin = await timeline(browsing, server, session_id, "stranger1")
        await expect(admin.rows).to_have_count(2)
        assert "A secret" not in await admin.page.content()
        await expect(admin.button).to_have_count(0)
        assert await admin.page.locator("script[src*=admin_live]").count() == 0


async def test_who_may_read_no_longer_hears_no_more(browsing: Browsing, server: Server) -> None:
    """When the permission is taken away, it stops, says so, and shows nothing that follows."""
    name = "stranger2"
    await in_thread(lambda: make_staff(server, name, "view_session", "read_session"))
    async with talk(server) as (client, session_id):
        admin = await timeline(browsing, server, session_id, name)
        await admin.follow()
        await client.write(session_id, "Before")
        await expect(admin.page.locator(admin.text(2))).to_have_text("Before")
        await in_thread(lambda: make_staff(server, name, "view_session"))
        await expect(admin.state).to_have_text("No longer live. You may not read this session.")
        await expect(admin.button).to_be_hidden()
        await client.write(session_id, "After")
        await expect(admin.rows).to_have_count(2)
