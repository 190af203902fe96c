"""Pages in a real browser: each person in a context of their own, as on a machine of their own."""

import os
from types import TracebackType
from typing import Any, Self

import pytest

from tests.servers import Person, Server
from tests.services import chromium

try:
    from playwright.async_api import (
        Browser,
        BrowserContext,
        ConsoleMessage,
        Locator,
        Page,
        Request,
        async_playwright,
        expect,
    )
except ImportError:
    if os.environ.get("REQUIRE_SERVICES"):
        raise
    pytest.skip(
        "Playwright is not installed (requirements-dev.txt)", allow_module_level=True
    )  # pragma: no cover

__all__ = ["Browsing", "Locator", "Page", "expect"]

#: How long something may take to show, in milliseconds; generous, the machine may be busy.
PATIENCE = 20_000

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

#: What a browser itself says of a connection that breaks, which some tests mean to happen; and the
#: icon that it asks for where a page, such as the admin's, names none.
_USUAL = ("net::ERR_", "WebSocket connection to", "/favicon.ico)")


class Browsing:
    """A browser, and all that its pages have complained of."""

    def __init__(self) -> None:
        #: Errors on the pages, violations of their CSP included, and requests to other hosts.
        self.complaints: list[str] = []

    async def __aenter__(self) -> Self:
        self._playwright = await async_playwright().start()
        self.browser: Browser = await self._playwright.chromium.launch(
            executable_path=chromium(), args=list(_FLAGS)
        )
        expect.set_options(timeout=PATIENCE)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.browser.close()
        await self._playwright.stop()

    async def context(
        self, server: Server, person: Person | None = None, *, port: int | None = None, **how: Any
    ) -> BrowserContext:
        """A machine of its own, on which `person` is signed in; by another `port` if it is given.

        `how` is Playwright's: `viewport`, `color_scheme`, `reduced_motion`…
        """
        host = f"127.0.0.1:{port or server.port}"
        context = await self.browser.new_context(base_url=f"http://{host}", **how)
        context.set_default_timeout(PATIENCE)
        if person is not None:
            await context.add_cookies(
                [{"name": "sessionid", "value": person.cookie, "url": f"http://{host}"}]
            )
        context.on("console", self._hear)
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        context.on("request", self._see)
        return context

    async def page(
        self, server: Server, person: Person | None = None, *, port: int | None = None, **how: Any
    ) -> Page:
        """A page in a new `context`."""
        return await (await self.context(server, person, port=port, **how)).new_page()

    def _hear(self, message: ConsoleMessage) -> None:
        text = f"{message.text} ({message.location['url']})"
        if message.type in {"error", "warning"} and not any(each in text for each in _USUAL):
            self.complaints.append(f"{message.type}: {text}")

    def _see(self, request: Request) -> None:
        if not request.url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:")):
            self.complaints.append(f"asked another host: {request.url}")
