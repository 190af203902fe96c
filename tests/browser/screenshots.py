"""Takes pictures of the page: `python -m tests.browser.screenshots FOLDER`.

Those that are worth it are in `docs/screenshots`.
"""

import asyncio
import json
import sys
import urllib.request
from pathlib import Path
from typing import Any

from tests.browser.pages import Browsing, Page, expect
from tests.servers import PASSWORD, Database, Server, manage, serving, sqlite_database

SIZES = {"phone": {"width": 390, "height": 844}, "desktop": {"width": 1280, "height": 800}}

#: Who says what in the session of the pictures.
TALK = [
    ("ann", "It leaks over the kitchen, right below the chimney."),
    ("bob", "I can come on Thursday at nine. Is there a ladder?"),
    ("ann", "There is one in the shed, four metres. Is that enough?"),
    ("carol", "Bring the sealing tape, please: the flashing is loose on two sides."),
    (
        "bob",
        "Will do. Photos of the inside help me to find the spot:\n- from below\n- from the hatch",
    ),
    ("ann", "Here they are, with the measurements. <b>The beam is dry.</b>"),
]

#: Markup, and marks that turn the direction of what follows.
HOSTILE = (
    "<script>alert('x')</script>\"><img src=x onerror=y> {{ 7|add:7 }} & \u202e",
    "\u202egnihton \u2067seod\u2066 ti\u200f",
    "שלום, the ladder is in the shed",
)


class Door:
    """The HTTP door, for what is there before the pictures are taken."""

    def __init__(self, server: Server, tokens: dict[str, str]) -> None:
        self._server = server
        self._tokens = tokens
        self._key = 0

    def call(self, user: str, flow: str, **params: Any) -> dict[str, Any]:
        """The result of a flow."""
        self._key += 1
        request = urllib.request.Request(
            f"http://{self._server.host}/api/flows/{flow}/",
            json.dumps(params | {"key": f"picture-{self._key}"}).encode(),
            {
                "Authorization": f"Bearer {self._tokens[user]}",
                "Content-Type": "application/json",
            },
        )
        with urllib.request.urlopen(request) as answer:  # noqa: S310 (our own server)
            result: dict[str, Any] = json.load(answer)
            return result


def populate(database: Database) -> dict[str, str]:
    """People with names that look well, and a token for each."""
    made = manage(
        "shell", "--no-imports", "-c",
        "import json\n"
        "from sessions_app.models import User\n"
        "from sessions_app.tokens import issue_token\n"
        f"users = [User.objects.create_user(name, password={PASSWORD!r})"
        " for name in ('ann', 'bob', 'carol')]\n"
        "print(json.dumps({user.username: issue_token(user) for user in users}))",
        database_url=database.url,
    )  # fmt: skip
    tokens: dict[str, str] = json.loads(made.stdout)
    return tokens


def talk(door: Door) -> str:
    """The session of the pictures, among others."""
    for title in ("Keys for the new colleague", "Delivery on Monday", "Heating, second floor"):
        other = door.call("bob", "create_session", title=title, participants=_members("ann"))
        door.call("bob", "send_message", session_id=other["session_id"], text="What about this?")
    door.call("bob", "end_session", session_id=other["session_id"], reason="It works again")
    made = door.call(
        "ann", "create_session", title="Roof repair", participants=_members("bob", "carol")
    )
    session_id: str = made["session_id"]
    for number, (user, text) in enumerate(TALK):
        reply = {"reply_to": 5} if number == 2 else {}
        door.call(user, "send_message", session_id=session_id, text=text, **reply)
    return session_id


def _members(*names: str) -> list[dict[str, str]]:
    return [{"user": name, "role": "member"} for name in names]


async def sign_in(page: Page, user: str, then: str = "/") -> None:
    """Sign in by hand."""
    await page.goto(f"/sign-in/?next={then}")
    await page.get_by_label("User name").fill(user)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()


async def take(browsing: Browsing, server: Server, session_id: str, folder: Path) -> None:
    """All pictures."""
    bob = await browsing.page(server)
    await sign_in(bob, "bob", f"/sessions/{session_id}/")
    await expect(bob.get_by_text("The beam is dry")).to_be_visible()
    for size, viewport in SIZES.items():
        for scheme in ("light", "dark"):
            page = await browsing.page(server, viewport=viewport, color_scheme=scheme)
            await page.goto("/sign-in/")
            await page.screenshot(path=folder / f"sign-in-{size}-{scheme}.png")
            await sign_in(page, "ann")
            await expect(page.locator("#list li")).to_have_count(4)
            await page.screenshot(path=folder / f"list-{size}-{scheme}.png")
            await page.get_by_role("link", name="Roof repair").click()
            await expect(page.locator(".seen").last).to_be_visible()
            await expect(page.locator("#people-count")).to_have_text("3 people, 2 here")
            await bob.get_by_label("Message", exact=True).press_sequentially("On my")
            await expect(page.locator("#typing")).to_have_text("bob is typing…")
            await bob.get_by_label("Message", exact=True).fill("")
            await page.screenshot(path=folder / f"conversation-{size}-{scheme}.png")
            if size == "phone":
                await page.get_by_role("button", name="People").click()
                await page.screenshot(path=folder / f"people-{size}-{scheme}.png")
            await page.get_by_role("button", name="Rename").click()
            await page.screenshot(path=folder / f"dialog-{size}-{scheme}.png")
            await page.keyboard.press("Escape")
            if size == "phone":
                await page.get_by_role("button", name="People").click()
            await page.context.set_offline(True)
            await expect(page.locator("#banner")).to_be_visible()
            await page.get_by_label("Message", exact=True).fill("I am in the attic now.")
            await page.keyboard.press("Enter")
            await page.screenshot(path=folder / f"offline-{size}-{scheme}.png")
            # Gone before it could be sent.
            await page.context.close()


async def take_admin(browsing: Browsing, server: Server, door: Door, folder: Path) -> None:
    """Pictures of the admin, with a session whose texts are not meant well."""
    made = door.call("bob", "create_session", title=HOSTILE[0], participants=_members("ann"))
    session_id: str = made["session_id"]
    timeline = f"/admin/sessions_app/session/{session_id}/timeline/"
    for scheme in ("light", "dark"):
        page = await browsing.page(
            server, server.people["admin"], viewport=SIZES["desktop"], color_scheme=scheme
        )
        await page.goto("/admin/sessions_app/session/")
        await page.screenshot(path=folder / f"admin-list-{scheme}.png")
        await page.locator("input.action-select").first.check()
        await page.locator("select[name=action]").select_option("end_sessions")
        await page.get_by_role("button", name="Go").click()
        await expect(page.locator("[name=reason]")).to_be_visible()
        await page.screenshot(path=folder / f"admin-confirmation-{scheme}.png")
        await page.goto(timeline)
        await page.screenshot(path=folder / f"admin-timeline-{scheme}.png")
        await page.get_by_role("button", name="Follow live").click()
        await expect(page.locator("#live-state")).to_have_text("Live")
        for text in ("Is this shown as it is?", *HOSTILE):
            door.call("ann", "send_message", session_id=session_id, text=text)
        await expect(page.locator("#events .session-text").last).to_have_text(HOSTILE[-1])
        await page.screenshot(path=folder / f"admin-live-{scheme}.png")
        await page.get_by_role("button", name="Pause").click()
        door.call("bob", "send_message", session_id=session_id, text="Held back")
        await expect(page.locator("#live-state")).to_have_text("Paused, 1 new")
        await page.screenshot(path=folder / f"admin-paused-{scheme}.png")


async def main(folder: Path) -> None:
    """A server, its people, the pictures."""
    with sqlite_database() as database, serving(database) as server:
        door = Door(server, populate(database))
        session_id = talk(door)
        async with Browsing() as browsing:
            await take(browsing, server, session_id, folder)
            await take_admin(browsing, server, door, folder)
        print(*browsing.complaints, sep="\n")  # noqa: T201


if __name__ == "__main__":
    pictures = Path(sys.argv[1])
    pictures.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(pictures))
