"""Without a mouse, and without seeing the screen."""

from typing import Any

import pytest

from tests.browser.pages import Browsing, Page, expect
from tests.browser.people import Talker, session_with, talker
from tests.servers import PASSWORD, Server
from tests.services import NPM, node_problem

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

#: How often Tab may be pressed to get from one place to another.
FAR = 40

PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 800}

SCHEMES = pytest.mark.parametrize("scheme", ["light", "dark"])


async def tab_to(page: Page, name: str, *, back: bool = False) -> None:
    """Press Tab until what has that name has the focus, which must show."""
    for _ in range(FAR):
        await page.keyboard.press("Shift+Tab" if back else "Tab")
        focused = await page.evaluate(
            """() => {
                const at = document.activeElement
                const label = at.labels?.[0]?.textContent ?? at.getAttribute("aria-label")
                const shows = getComputedStyle(at).outlineStyle !== "none"
                return [label ?? at.textContent.trim(), shows]
            }"""
        )
        if focused[0].startswith(name):
            assert focused[1], f"The focus on {name} cannot be seen"
            return
    raise AssertionError(f"Tab does not lead to {name}")


async def test_the_whole_story_by_keyboard(browsing: Browsing, server: Server) -> None:
    """Sign in, create, write, reply, invite, rename, end and reopen without a mouse."""
    page = await browsing.page(server, viewport=DESKTOP)
    her = Talker(page)
    press, write = page.keyboard.press, page.keyboard.type
    await page.goto("/")
    await expect(page.get_by_label("User name")).to_be_focused()
    await write("owner0")
    await press("Tab")
    await write(PASSWORD)
    await press("Enter")
    await expect(page.locator("body")).to_have_attribute("data-connection", "open")

    await tab_to(page, "New session")
    await press("Enter")
    await expect(page.get_by_label("Title", exact=True)).to_be_focused()
    await write("Roof repair")
    await press("Enter")
    await expect(her.title).to_have_text("Roof repair")

    await tab_to(page, "Message")
    await write("It leaks.")
    await press("Shift+Enter")
    await write("Badly.")
    await press("Enter")
    await expect(her.texts).to_have_text(["It leaks.\nBadly."], use_inner_text=True)
    await expect(her.text).to_be_focused()

    await page.keyboard.press("Shift+Tab")
    await press("Home")
    await expect(her.line("created the session")).to_be_focused()
    await press("ArrowDown")
    await expect(her.line("It leaks.")).to_be_focused()
    await press("Enter")
    await expect(her.text).to_be_focused()
    await write("It does.")
    await press("Enter")
    await expect(her.line("It does.").locator(".quote")).to_have_text("owner0: It leaks. Badly.")

    await tab_to(page, "Invite")
    await press("Enter")
    await expect(page.get_by_label("User name")).to_be_focused()
    await write("member0")
    await press("Enter")
    await expect(her.line("owner0 added member0 as member")).to_be_visible()
    await expect(page.get_by_role("button", name="Invite")).to_be_focused()

    await tab_to(page, "Rename")
    await press("Enter")
    await expect(page.get_by_label("Title", exact=True)).to_be_focused()
    await press("Control+A")
    await write("Roof, north side")
    await press("Enter")
    await expect(her.title).to_have_text("Roof, north side")

    await tab_to(page, "End")
    await press("Enter")
    await write("It is tight.")
    await press("Enter")
    await expect(page.get_by_text("This session has ended.")).to_be_visible()
    await tab_to(page, "Reopen")
    await press("Enter")
    await press("Enter")
    await expect(her.line("owner0 reopened the session")).to_be_visible()

    await tab_to(page, "Sign out", back=True)
    await press("Enter")
    await expect(page.get_by_label("User name")).to_be_focused()


async def test_a_phone_shows_one_thing_at_a_time(browsing: Browsing, server: Server) -> None:
    """The list, then a conversation, then its people; and back. Nothing is wider than that."""
    await session_with(server, "owner1", "member1", title="x" * 200)
    his = await talker(browsing, server, "member1", viewport=PHONE, has_touch=True)
    page = his.page
    await page.locator("#list a").click()
    await expect(page.locator("#list")).to_be_hidden()
    await his.say("y" * 500)
    await expect(his.texts).to_have_count(1)
    await page.get_by_role("button", name="People").click()
    await expect(page.get_by_role("button", name="Leave")).to_be_visible()
    await expect(his.text).to_be_hidden()
    width = await page.evaluate("document.documentElement.scrollWidth")
    assert width == PHONE["width"]
    await page.get_by_role("link", name="Back to all sessions").click()
    await expect(page.locator("#list")).to_be_visible()


async def test_targets_are_large_enough(browsing: Browsing, server: Server) -> None:
    """What one presses is at least 44 pixels high and wide; links within a line of text aside."""
    session = await session_with(server, "owner2", "member2")
    her = await talker(browsing, server, "owner2", viewport=PHONE)
    small = """() => [...document.querySelectorAll("button, input, select, textarea, #list a")]
        .filter((each) => each.type !== "hidden" && each.checkVisibility())
        .map((each) => [each.id || each.textContent, each.getBoundingClientRect()])
        .filter(([, {width, height}]) => width < 44 || height < 44)
        .map(([name]) => name)"""
    assert await her.page.evaluate(small) == []
    await her.open(session)
    await her.say("It leaks.")
    await expect(her.texts).to_have_count(1)
    assert await her.page.evaluate(small) == []
    await her.page.get_by_role("button", name="People").click()
    assert await her.page.evaluate(small) == []


# -- what axe finds ------------------------------------------------------------------------------


async def problems(page: Page) -> list[Any]:
    """What axe-core takes for serious on the page as it is, in the top layer, too."""
    source = (NPM / "node_modules" / "axe-core" / "axe.min.js").read_text()
    # As an extension would: not as a script of the page, which its policy forbids.
    await page.evaluate(source)
    found: list[Any] = await page.evaluate(
        """async () => (await axe.run()).violations
            .filter(({impact}) => ["serious", "critical"].includes(impact))
            .map(({id, nodes}) => [id, nodes.map(({html, failureSummary: why}) => [html, why])])"""
    )
    return found


@pytest.mark.node
@pytest.mark.parametrize(
    ("scheme", "viewport"), [("dark", PHONE), ("light", DESKTOP)], ids=["phone", "desktop"]
)
async def test_axe_finds_nothing_serious(
    browsing: Browsing, server: Server, scheme: str, viewport: dict[str, int]
) -> None:
    """On signing in, the list, a conversation with all there is in one, dialogs and banners."""
    assert node_problem() is None
    how: dict[str, Any] = {"viewport": viewport, "color_scheme": scheme}
    name = f"{scheme}-{viewport['width']}"
    stranger = await browsing.page(server, **how)
    await stranger.goto("/sign-in/")
    assert await problems(stranger) == []
    await stranger.get_by_label("User name").fill("owner3")
    await stranger.get_by_label("Password").fill("wrong")
    await stranger.get_by_role("button", name="Sign in").click()
    await expect(stranger.get_by_role("alert")).to_be_visible()
    assert await problems(stranger) == []

    session = await session_with(server, "owner3", "member3", title=name)
    his = await talker(browsing, server, "member3")
    await his.open(session)
    await his.say("It leaks.")
    her = await talker(browsing, server, "owner3", **how)
    await expect(her.page.locator("#list li", has_text=name)).to_be_visible()
    assert await problems(her.page) == []
    await her.open(session)
    if viewport is DESKTOP:
        await her.line("It leaks.").get_by_role("button", name="Reply").click()
    await her.say("Badly.")
    await expect(his.line("Badly.")).to_be_visible()
    await his.text.press_sequentially("When")
    await expect(her.page.locator("#typing")).not_to_be_empty()
    await expect(her.line("Badly.").locator(".seen")).to_be_visible()
    assert await problems(her.page) == []
    if viewport is PHONE:
        await her.page.get_by_role("button", name="People").click()
        assert await problems(her.page) == []
    await her.page.get_by_role("button", name="Invite").click()
    await her.page.get_by_label("User name").fill("nobody-of-that-name")
    await her.page.get_by_role("dialog").get_by_role("button", name="Invite").click()
    await expect(her.page.get_by_role("alert")).to_be_visible()
    assert await problems(her.page) == []
    await her.page.keyboard.press("Escape")
    await her.page.context.set_offline(True)
    await expect(her.banner).to_be_visible()
    assert await problems(her.page) == []


@pytest.mark.node
@SCHEMES
async def test_axe_finds_nothing_serious_in_the_contract(
    browsing: Browsing, server: Server, scheme: str
) -> None:
    """On the page for those who write a client, either."""
    page = await browsing.page(server, color_scheme=scheme)
    await page.goto("/api/docs/")
    assert await problems(page) == []
