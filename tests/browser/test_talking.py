"""Two people talk, each in a browser of their own."""

import json

import pytest

from tests.browser.pages import Browsing, expect
from tests.browser.people import Talker, session_with, stored, talker
from tests.servers import Server

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

WIDE = {"width": 1280, "height": 800}

HOSTILE = (
    "<img src=x onerror=\"document.title='owned'\">",
    "<script>document.title='owned'</script>",
    "</p></li></ol><h1>owned</h1>",
    "\u202edetrevni \u0000"[:-1] + "{{ 7 * 7 }} ${7*7}",
)


async def test_a_story(browsing: Browsing, server: Server) -> None:
    """Sign in, create, invite, talk both ways; typing, presence and what is seen appear."""
    ann, bob = server.people["owner0"], server.people["member0"]
    her = Talker(await browsing.page(server, viewport=WIDE))
    await her.page.goto("/")
    await her.sign_in(ann)
    his = Talker(await browsing.page(server, viewport=WIDE))
    await his.page.goto("/")
    await his.sign_in(bob)

    await her.create("Roof repair")
    await her.say("It leaks.")
    await her.press("Invite", **{"User name": bob.name})
    await expect(her.line(f"{ann.name} added {bob.name} as member")).to_be_visible()

    entry = his.page.get_by_role("link", name="Roof repair")
    await expect(entry).to_contain_text("3 unread")
    await entry.click()
    await his.sees("It leaks.")
    await expect(entry.locator(".unread")).to_have_count(0)
    await expect(her.page.locator("#people-count")).to_have_text("2 people, 2 here")
    await expect(
        her.page.locator("li", has_text=f"added {bob.name}").locator(".seen")
    ).to_have_text(f"Seen by {bob.name}")

    await his.text.press_sequentially("Tuesday")
    await expect(her.page.locator("#typing")).to_have_text(f"{bob.name} is typing…")
    await his.text.press("Enter")
    await her.sees("It leaks.", "Tuesday")
    await expect(her.page.locator("#typing")).to_have_text("")
    await expect(her.page.locator("#announcements")).to_contain_text(f"{bob.name}: Tuesday")

    await her.line("Tuesday").get_by_role("button", name="Reply").click()
    await her.say("Fine.")
    await his.sees("It leaks.", "Tuesday", "Fine.")
    await expect(his.line("Fine.").locator(".quote")).to_have_text(f"{bob.name}: Tuesday")


async def test_renaming_ending_and_reopening(browsing: Browsing, server: Server) -> None:
    """What the owner does with the session shows at once, and who may not has no button for it."""
    session = await session_with(server, "owner1", "member1", "stranger1")
    her, his = await talker(browsing, server, "owner1"), await talker(browsing, server, "member1")
    await her.open(session)
    await his.open(session)
    await expect(his.page.get_by_role("button", name="End", exact=True)).to_be_hidden()

    await his.press("Rename", Title="Roof, north side")
    await expect(her.title).to_have_text("Roof, north side")

    await her.press("End", Why="It is tight.")
    await expect(his.line("owner1 ended the session: It is tight.")).to_be_visible()
    await expect(his.page.get_by_text("This session has ended.")).to_be_visible()
    await expect(his.text).to_be_hidden()
    await expect(his.page.locator("#list")).to_contain_text("ended")

    await her.press("Reopen")
    await his.say("It leaks again.")
    await her.sees("It leaks again.")

    await her.page.get_by_role("button", name="Remove member1").click()
    await her.page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    await expect(his.page.locator("#readonly")).to_have_text(
        "You take no part in this session any more."
    )
    await expect(his.page.locator("#list li")).to_have_count(0)


async def test_a_refusal_is_said_where_one_asked(browsing: Browsing, server: Server) -> None:
    """Inviting nobody says so in the dialog, which stays; Escape closes it."""
    her = await talker(browsing, server, "owner2")
    await her.create("Roof")
    invite = her.page.get_by_role("button", name="Invite")
    await invite.click()
    dialog = her.page.get_by_role("dialog")
    await dialog.get_by_label("User name").fill("nobody-of-that-name")
    await dialog.get_by_role("button", name="Invite").click()
    await expect(dialog.get_by_role("alert")).not_to_be_empty()
    await her.page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    await expect(invite).to_be_focused()


async def test_hostile_text_is_text(browsing: Browsing, server: Server) -> None:
    """Titles and messages that look like markup are shown as they were written."""
    her = await talker(browsing, server, "owner3")
    session = await her.create(HOSTILE[0])
    for text in HOSTILE:
        await her.say(text)
    await her.sees(*HOSTILE)
    assert [json.loads(data)["text"] for _, data in stored(server, session)] == list(HOSTILE)
    await expect(her.page.locator("#list .name")).to_have_text(HOSTILE[0])
    await her.line("<script>").get_by_role("button", name="Reply").click()
    await expect(her.page.locator("#replying")).to_contain_text("<script>")
    assert await her.page.locator("#conversation :is(img, script, h1)").count() == 0
    await expect(her.page).to_have_title("Flow Sessions")


async def test_two_tabs_of_one_user_agree(browsing: Browsing, server: Server) -> None:
    """What is written, read and signed out in one tab is so in the other one."""
    session = await session_with(server, "owner4", "member4")
    one = await talker(browsing, server, "owner4")
    two = Talker(await one.page.context.new_page())
    await two.page.goto("/")
    unread = two.page.locator("#list .unread")
    await expect(unread).to_contain_text("2")
    await one.open(session)
    await expect(unread).to_have_count(0)
    await two.open(session)
    for number in range(3):
        await one.say(f"One {number}")
        await two.say(f"Two {number}")
    await expect(one.texts).to_have_count(6)
    await expect(two.texts).to_have_count(6)
    assert await one.texts.all_inner_texts() == await two.texts.all_inner_texts()

    await one.page.get_by_role("button", name="Sign out").click()
    await expect(two.banner).to_contain_text("You were signed out")
    await expect(two.banner.get_by_role("link", name="Sign in again")).to_be_visible()


async def test_searching(browsing: Browsing, server: Server) -> None:
    """The list is searched by title and by status."""
    for title in ("Roof", "Cellar", "Garage"):
        await session_with(server, "owner5", title=title)
    her = await talker(browsing, server, "owner5")
    names = her.page.locator("#list .name")
    await expect(names).to_have_text(["Garage", "Cellar", "Roof"])
    await her.page.get_by_label("Search in titles").fill("ELL")
    await expect(names).to_have_text(["Cellar"])
    await names.first.click()
    await her.press("End", Why="Dry.")
    await her.page.get_by_label("Search in titles").fill("")
    await her.page.get_by_label("Which sessions").select_option("open")
    await expect(names).to_have_text(["Garage", "Roof"])


async def test_leaving(browsing: Browsing, server: Server) -> None:
    """Who leaves is back at the list, which has the session no more; added again, it is there."""
    session = await session_with(server, "owner6", "member6")
    her, his = await talker(browsing, server, "owner6"), await talker(browsing, server, "member6")
    await her.open(session)
    await his.open(session)
    await his.press("Leave")
    await expect(his.page.locator("#list li")).to_have_count(0)
    await expect(his.page.locator("#conversation")).to_be_hidden()
    await expect(her.line("member6 left")).to_be_visible()
    await her.press("Invite", **{"User name": "member6"})
    await expect(her.line("added member6").last).to_be_visible()
    # As if one came back to the page: then it looks at once.
    await his.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    await his.page.locator("#list a").click()
    await his.say("Here again.")
    await her.sees("Here again.")


async def test_invitations(browsing: Browsing, server: Server) -> None:
    """Who is invited sees the session without having looked."""
    session = await session_with(server, "owner6")
    her = await talker(browsing, server, "owner6")
    page = await browsing.page(server, server.people["stranger6"])
    # A page that never looks by itself.
    await page.add_init_script("window.setInterval = () => 0")
    await page.goto("/")
    await expect(page.locator("body")).to_have_attribute("data-connection", "open")
    await her.open(session)
    await her.press("Invite", **{"User name": "stranger6"})
    await page.locator("#list a").click()
    await Talker(page).say("Here I am.")
    await her.sees("Here I am.")


async def test_a_long_list(browsing: Browsing, server: Server) -> None:
    """There is more to load than fits a page, and what happens down there moves it up."""
    first = await session_with(server, "owner7", "member7", title="The first")
    for number in range(55):
        await session_with(server, "owner7", title=f"Session {number}")
    her, his = await talker(browsing, server, "owner7"), await talker(browsing, server, "member7")
    names = her.page.locator("#list .name")
    await expect(names).to_have_count(50)
    await her.page.get_by_role("button", name="Load more").click()
    await expect(names).to_have_count(56)
    await expect(names.last).to_have_text("The first")
    await his.open(first)
    await his.say("Anybody here?")
    await expect(names.first).to_have_text("The first")
    await expect(her.page.locator("#list li").first).to_contain_text("3 unread")
