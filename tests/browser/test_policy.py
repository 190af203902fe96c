"""The Content-Security-Policy in a real browser."""

from secrets import token_hex

import pytest

from tests.browser.pages import Browsing, expect
from tests.servers import Server
from tests.wire import Client

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

HOSTILE = "<script>window.ran=1</script><img src=/nowhere onerror='window.ran=1'>"


async def test_the_admin_works_under_the_policy(server: Server, browsing: Browsing) -> None:
    """Lists, forms with widgets and pages with hostile texts complain of nothing, and run none."""
    async with await Client.connect(server.url, server.people["owner0"].token) as client:
        session = (await client.call("create_session", title=HOSTILE, key=token_hex(8)))[
            "session_id"
        ]
        await client.write(session, HOSTILE)
    page = await browsing.page(server, server.people["admin"])
    for path in (
        "/admin/",
        "/admin/sessions_app/session/",
        f"/admin/sessions_app/session/{session}/change/",
        "/admin/sessions_app/user/add/",
        "/admin/sessions_app/accesstoken/add/",
        "/admin/password_change/",
    ):
        answer = await page.goto(path)
        assert answer is not None
        assert answer.status == 200, path
        assert await page.evaluate("window.ran") is None
    await page.goto(f"/admin/sessions_app/session/{session}/change/")
    await expect(page.get_by_text(HOSTILE).first).to_be_visible()


async def test_what_a_template_let_through_would_not_run(
    server: Server, browsing: Browsing
) -> None:
    """Markup that gets into a page as markup does nothing, and goes nowhere."""
    page = await browsing.page(server, server.people["admin"])
    await page.goto("/admin/")
    # What is not found is told, too, some time afterwards.
    async with page.expect_console_message(lambda told: "/nowhere" in told.location["url"]):
        await page.evaluate(
            """() => {
                document.body.insertAdjacentHTML("beforeend",
                    "<img src=/nowhere onerror='window.ran=1'>" +
                    "<a id=a href='javascript:window.ran=1'>x</a>");
                const script = document.createElement("script");
                script.textContent = "window.ran = 1";
                document.body.append(script);
                document.getElementById("a").click();
            }"""
        )
    sent = await page.evaluate("fetch('http://127.0.0.2:9/').then(() => 'sent', () => 'kept')")
    assert (sent, await page.evaluate("window.ran")) == ("kept", None)
    told = [each for each in browsing.complaints if "Content Security Policy" in each]
    assert len(told) >= 3
    browsing.complaints.clear()
