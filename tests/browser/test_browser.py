"""The browser itself, and what the tests in it rely on."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.browser.pages import Browsing, expect
from tests.servers import ROOT, Server, environment, serving, sqlite_database

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


async def test_a_person_is_signed_in(browsing: Browsing, server: Server) -> None:
    """A page of a person's opens as theirs, without asking for a password."""
    page = await browsing.page(server, server.people["admin"])
    await page.goto("/admin/")
    await expect(page.locator("#user-tools")).to_contain_text("admin")


async def test_what_a_page_complains_of_is_heard(browsing: Browsing, server: Server) -> None:
    """Errors of a page and attempts to ask other hosts are collected."""
    page = await browsing.page(server)
    await page.goto("/admin/login/")
    await page.evaluate("console.error('one')")
    await page.evaluate("setTimeout(() => { throw new Error('two') })")
    await page.evaluate("fetch('http://localhost:1/three').catch(() => {})")
    heard = " ".join(browsing.complaints)
    assert all(word in heard for word in ("one", "two", "three"))
    browsing.complaints.clear()


def collect(variables: dict[str, str]) -> None:
    """Put the static files where production serves them from."""
    command = [sys.executable, "manage.py", "collectstatic", "--no-input"]
    subprocess.run(command, cwd=ROOT, env=variables, check=True, capture_output=True)


async def test_files_that_are_collected(browsing: Browsing, tmp_path: Path) -> None:
    """With production's own settings, whose files have other names, the page works, too."""
    production: dict[str, Any] = {
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "STATIC_ROOT": str(tmp_path),
    }
    with sqlite_database() as database:
        collect(environment(database.url, **production))
        with serving(database, **production) as server:
            page = await browsing.page(server, server.people["owner0"])
            await page.goto("/")
            await expect(page.locator("body")).to_have_attribute("data-connection", "open")
