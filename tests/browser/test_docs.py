"""The page of the contract, in a real browser."""

import pytest

from tests.browser.pages import Browsing, expect
from tests.servers import Server
from tests.services import NPM

pytestmark = [
    pytest.mark.browser,
    pytest.mark.node,
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
async def test_everybody_can_read_it(
    browsing: Browsing, server: Server, scheme: str, width: int
) -> None:
    """axe finds nothing serious, nothing is cut off, and no other host is asked."""
    size = {"width": width, "height": 800}
    page = await browsing.page(
        server, color_scheme=scheme, viewport=size, bypass_csp=True  # axe is put into the page
    )  # fmt: skip
    await page.goto("/api/docs/")
    await page.add_script_tag(path=str(NPM / "node_modules" / "axe-core" / "axe.min.js"))
    found = await page.evaluate("axe.run()")
    serious = [each for each in found["violations"] if each["impact"] in {"serious", "critical"}]
    assert [(each["id"], each["nodes"][0]["html"]) for each in serious] == []
    scrolled = await page.evaluate("document.documentElement.scrollWidth")
    assert scrolled <= width


async def test_the_keyboard_leads_to_the_content(browsing: Browsing, server: Server) -> None:
    """The first key press offers to pass over the contents; links lead to their places."""
    page = await browsing.page(server)
    await page.goto("/api/docs/")
    await page.keyboard.press("Tab")
    await expect(page.get_by_text("To the content")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("main")).to_be_focused()
    await page.get_by_role("link", name="send_message", exact=True).first.click()
    await expect(page.locator("#send_message")).to_be_in_viewport()
