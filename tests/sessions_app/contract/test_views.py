"""The contract over HTTP."""

import json
import re
from html.parser import HTMLParser

from django.test import Client

from sessions_app.contract import document
from sessions_app.templatetags.words import code


def test_the_contract_can_be_read_by_anybody() -> None:
    """`GET /api/schema/` needs no sign-in, and a page of any origin may read it."""
    answer = Client().get("/api/schema/")
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/json"
    assert answer["Access-Control-Allow-Origin"] == "*"
    assert json.loads(answer.content) == document()


def test_who_has_it_gets_it_once() -> None:
    """With the ETag of an earlier answer, nothing is sent while it is the same."""
    first = Client().get("/api/schema/")
    again = Client().get("/api/schema/", headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = Client().get("/api/schema/", headers={"If-None-Match": '"another"'})
    assert (other.status_code, other.content) == (200, first.content)


def test_it_is_only_read() -> None:
    """Only GET and HEAD are answered."""
    for path in ("/api/schema/", "/api/docs/"):
        assert Client().post(path).status_code == 405
        assert Client().head(path).status_code == 200


class Page(HTMLParser):
    """What the tests need to know of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loads: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags.add(tag)
        self.attributes |= given.keys()
        if "id" in given:
            self.ids.append(given["id"])
        if tag == "a":
            self.links.append(given["href"])
        elif "href" in given or "src" in given:
            self.loads.append(given.get("href") or given["src"])


def page() -> Page:
    return Page(Client().get("/api/docs/").content.decode())


def test_the_page_shows_everything() -> None:
    """Each method, notification, kind of event, error and close code has a place of its own."""
    contract = document()
    calls = [name for name, each in contract["operations"].items() if each["action"] == "receive"]
    told = [
        name.replace("told_", "told-")
        for name, each in contract["operations"].items()
        if each["action"] == "send"
    ]
    ids = page().ids
    assert set(calls) | set(told) <= set(ids)
    assert {f"error-{code}" for code in contract["x-errors"]} <= set(ids)
    assert {f"close-{each['code']}" for each in contract["x-close-codes"]} <= set(ids)
    assert "MessageSentEvent" in ids
    assert len(ids) == len(set(ids))


def test_the_page_s_own_links_lead_somewhere() -> None:
    """Every link within the page has a target in it."""
    shown = page()
    assert {link[1:] for link in shown.links if link.startswith("#")} <= set(shown.ids)


def test_the_page_is_content_with_a_strict_policy() -> None:
    """It has no script and no style of its own, and loads nothing from elsewhere."""
    shown = page()
    assert not {"script", "style"} & shown.tags
    assert not {name for name in shown.attributes if name == "style" or name.startswith("on")}
    assert shown.loads == ["/static/sessions_app/docs.css"]
    assert [link for link in shown.links if not re.match(r"#|/api/|/static/", link)] == []


def test_words_of_code_look_like_code() -> None:
    """What stands between backticks is shown as code, and nothing of it becomes markup."""
    assert code("a `key` & <b> `<i>`") == (
        "a <code>key</code> &amp; &lt;b&gt; <code>&lt;i&gt;</code>"
    )
    assert "`" not in Client().get("/api/docs/").content.decode()
