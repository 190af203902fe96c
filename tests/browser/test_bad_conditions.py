"""Servers die and drain, networks go away: nothing is lost, and nothing is there twice."""

import asyncio
import json

import pytest

from tests.browser.pages import Browsing, expect
from tests.browser.people import Talker, between, in_thread, session_with, stored, talker
from tests.servers import Server

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

#: Messages of each person in the burst.
BURST = 20


async def write(person: Talker, name: str) -> None:
    """A burst, as fast as keys go."""
    for number in range(BURST):
        await person.say(f"{name} {number}")


async def test_a_server_that_dies_in_the_middle_of_a_burst(
    browsing: Browsing, server: Server
) -> None:
    """After kill -9 and a new start both screens show what the database has, all of it, once."""
    session = await session_with(server, "owner0", "member0")
    people = [await talker(browsing, server, name) for name in ("owner0", "member0")]
    for person in people:
        await person.open(session)
    bursts = asyncio.gather(*(write(each, f"m{number}") for number, each in enumerate(people)))
    await expect(people[0].line("m0 4")).to_be_visible()
    await in_thread(server.kill)
    assert len(stored(server, session)) < 2 * BURST
    await bursts
    await in_thread(server.start)

    for person in people:
        await expect(person.texts).to_have_count(2 * BURST)
        await expect(person.page.locator("#pending li")).to_have_count(0)
        await expect(person.banner).to_be_hidden()
    log = stored(server, session)
    texts = [json.loads(data)["text"] for _, data in log]
    assert sorted(texts) == sorted(f"m{who} {n}" for who in (0, 1) for n in range(BURST))
    for number in (0, 1):
        own = [text for text in texts if text.startswith(f"m{number} ")]
        assert own == [f"m{number} {n}" for n in range(BURST)], "in the order of writing"
    for person in people:
        await person.sees(*texts)
        seqs = await person.seqs()
        assert seqs == list(range(1, len(seqs) + 1))


@pytest.mark.parametrize("how", ["the browser knows", "the wire is cut"])
async def test_what_is_written_offline(browsing: Browsing, server: Server, how: str) -> None:
    """It is shown as not sent, said in the banner, and in the log once when one is back."""
    number = 1 if how == "the browser knows" else 2
    session = await session_with(server, f"owner{number}", f"member{number}")
    async with between(server) as proxy:
        her = await talker(browsing, server, f"owner{number}", port=proxy.port)
        his = await talker(browsing, server, f"member{number}")
        await her.open(session)
        await his.open(session)
        await her.say("Before.")
        await his.sees("Before.")

        await her.page.context.set_offline(True)
        for link in tuple(proxy.links):
            if how == "the wire is cut":
                link.cut()
        await expect(her.banner).to_contain_text("What you write is kept")
        texts = ["One.", "Two.", "Three."]
        for text in texts:
            await her.say(text)
        await expect(her.page.locator("#pending .text")).to_have_text(texts)
        await his.say("Where are you?")

        await her.page.context.set_offline(False)
        await expect(her.banner).to_be_hidden()
        await his.sees("Before.", "Where are you?", *texts)
        await her.sees("Before.", "Where are you?", *texts)
        await expect(her.page.locator("#pending li")).to_have_count(0)
    assert len(stored(server, session)) == 5


async def test_what_was_read_meanwhile(browsing: Browsing, server: Server) -> None:
    """Who has read what while one was offline shows when one is back."""
    session = await session_with(server, "owner7", "member7")
    her, his = await talker(browsing, server, "owner7"), await talker(browsing, server, "member7")
    await her.open(session)
    await her.say("Read this.")
    await her.sees("Read this.")
    await her.page.context.set_offline(True)
    await expect(her.banner).to_be_visible()
    await his.open(session)
    await expect(his.page.locator("#list .unread")).to_have_count(0)
    await expect(her.page.locator(".seen")).to_have_count(0)
    await her.page.context.set_offline(False)
    await expect(her.line("Read this.").locator(".seen")).to_have_text("Seen by member7")


async def test_what_a_closed_page_has_left(browsing: Browsing, server: Server) -> None:
    """A page that is closed before it could send leaves its messages to the next one."""
    session = await session_with(server, "owner3")
    her = await talker(browsing, server, "owner3")
    await her.open(session)
    await her.page.context.set_offline(True)
    await expect(her.banner).to_be_visible()
    await her.say("Do not forget.")
    await expect(her.page.locator("#pending .text")).to_have_text("Do not forget.")
    await her.page.close()
    await her.page.context.set_offline(False)

    again = Talker(await her.page.context.new_page())
    await again.page.goto(f"/sessions/{session}/")
    await again.sees("Do not forget.")
    assert len(stored(server, session)) == 1


async def test_signing_out_with_something_unsent(browsing: Browsing, server: Server) -> None:
    """It is asked about, and nothing of it stays on a machine that others may use."""
    session = await session_with(server, "owner6")
    her = await talker(browsing, server, "owner6")
    await her.open(session)
    await her.page.context.set_offline(True)
    await expect(her.banner).to_be_visible()
    await her.say("Between us.")
    await her.page.get_by_role("button", name="Sign out").click()
    await expect(her.page.get_by_role("dialog")).to_contain_text("not sent yet (1)")
    await her.page.keyboard.press("Escape")
    await expect(her.page.locator("#pending .text")).to_have_text("Between us.")
    await her.page.get_by_role("button", name="Sign out").click()
    async with her.page.expect_event("requestfailed"):
        await her.page.get_by_role("button", name="Delete and sign out").click()
    await her.page.context.set_offline(False)
    await her.page.goto("/sign-in/")
    assert await her.page.evaluate("localStorage.length") == 0
    assert stored(server, session) == []


async def test_a_refused_message_is_given_back(browsing: Browsing, server: Server) -> None:
    """What cannot be stored any more is shown with the reason, and can be taken up again."""
    session = await session_with(server, "owner4", "member4")
    her, his = await talker(browsing, server, "owner4"), await talker(browsing, server, "member4")
    await her.open(session)
    await his.open(session)
    await his.page.context.set_offline(True)
    await expect(his.banner).to_be_visible()
    await his.say("Too late.")
    await her.press("End", Why="Done.")
    await his.page.context.set_offline(False)
    refused = his.page.locator("#pending .refused")
    await expect(refused).to_contain_text("Not sent:")
    await her.press("Reopen")
    await refused.get_by_role("button", name="Write again").click()
    await expect(his.text).to_have_value("Too late.")
    await his.text.press("Enter")
    await her.sees("Too late.")


async def test_a_drain_does_not_flicker(browsing: Browsing, server: Server) -> None:
    """While a server drains and another one takes over, the page never says that it is cut off."""
    session = await session_with(server, "owner5")
    her = await talker(browsing, server, "owner5")
    await her.open(session)
    await her.page.evaluate(
        """() => {
            window.states = []
            const look = () => window.states.push(document.body.dataset.connection)
            new MutationObserver(look).observe(document.body, {attributes: true})
        }"""
    )
    handing_over = asyncio.create_task(in_thread(server.hand_over))
    while not handing_over.done():
        await her.say("Still here?")
        await expect(her.page.locator("#pending li")).to_have_count(0)
    await handing_over
    await her.say("Still here.")
    await expect(her.texts.last).to_have_text("Still here.")
    assert set(await her.page.evaluate("window.states")) <= {"open"}
    seqs = await her.seqs()
    assert seqs == list(range(1, len(seqs) + 1))
