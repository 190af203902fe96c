"""Ten thousand messages: the page stays small, and every one of them can be reached."""

from collections.abc import Iterator

import pytest

from tests.browser.pages import Browsing, expect
from tests.browser.people import Talker, session_with, talker, write_all
from tests.servers import Server, serving, sqlite_database
from tests.wire import Client

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

MESSAGES = 10_000
HEAD = MESSAGES + 1

#: Elements of a line, at most; lines of the window; and the rest of the page.
MOST_ELEMENTS = 300 * 12 + 500


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server that lets one client write ten thousand messages at once."""
    with (
        sqlite_database() as database,
        serving(database, RATE_BURST="100000", RATE_PER_SECOND="100000") as server,
    ):
        yield server


async def elements(person: Talker) -> int:
    """How many elements the page has."""
    number: int = await person.page.evaluate("document.getElementsByTagName('*').length")
    return number


async def test_ten_thousand_messages(browsing: Browsing, server: Server) -> None:
    """Reading back to the first message, jumping by a link and returning keep the page small."""
    session = await session_with(server, "owner0", title="Long")
    texts = [f"Message {number}" for number in range(MESSAGES)]
    await write_all(server, "owner0", session, texts)
    her = await talker(browsing, server, "owner0")
    await her.open(session)
    timeline = her.page.locator("#timeline")
    await expect(her.line(f"Message {MESSAGES - 1}")).to_be_in_viewport()

    first = HEAD
    for _ in range(6):
        top = her.page.locator("#lines > li").first
        before = (await her.seqs())[0]
        # What one reads stays where it is when earlier lines come above it.
        place = await her.page.evaluate(
            """seq => {
                const scroller = document.getElementById("timeline")
                scroller.scrollTop = 300
                return document.getElementById(`e${seq}`).getBoundingClientRect().top
            }""",
            before,
        )
        await expect(top).not_to_have_attribute("data-seq", str(before))
        line = her.page.locator(f"#e{before}")
        box = await line.bounding_box()
        assert box is not None
        assert abs(box["y"] - place) <= 1
        seqs = await her.seqs()
        assert seqs == list(range(seqs[0], seqs[-1] + 1))
        assert len(seqs) <= 300
        assert await elements(her) < MOST_ELEMENTS
        assert seqs[0] < first
        first = seqs[0]

    # Others go on writing; it is not forgotten, and does not move what one reads.
    async with await Client.connect(server.url, server.people["owner0"].token) as client:
        await client.write(session, "The latest")
    await expect(her.line("The latest")).to_have_count(0)

    await her.page.evaluate("location.hash = '#5000'")
    await expect(her.page.locator("#e5000")).to_be_in_viewport()
    await expect(her.page.locator("#e5000")).to_be_focused()
    await her.page.goto(f"/sessions/{session}/#2")
    await expect(her.line("Message 0").first).to_be_in_viewport()

    await her.page.get_by_role("button", name="To the latest").click()
    await expect(her.line("The latest")).to_be_in_viewport()
    await expect(her.page.locator("#list .unread")).to_have_count(0)
    assert await elements(her) < MOST_ELEMENTS
    await expect(timeline).not_to_have_attribute("aria-busy", "true")


async def test_scrolling_down_again(browsing: Browsing, server: Server) -> None:
    """From a place in the middle one reads on to the end without a gap."""
    session = await session_with(server, "owner1", title="Middle")
    await write_all(server, "owner1", session, [f"M{number}" for number in range(700)])
    her = await talker(browsing, server, "owner1")
    await her.page.goto(f"/sessions/{session}/#100")
    await expect(her.page.locator("#e100")).to_be_in_viewport()
    seen: set[int] = set(await her.seqs())
    while 701 not in seen:
        last = (await her.seqs())[-1]
        await her.page.evaluate("document.getElementById('timeline').scrollTop = 1e9")
        await expect(her.page.locator("#lines > li").last).not_to_have_attribute(
            "data-seq", str(last)
        )
        seen |= set(await her.seqs())
    assert seen >= set(range(100, 702))
