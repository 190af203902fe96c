"""Nobody sees or finds in the admin what was said, without the right to read it."""

import pytest

from tests.sessions_app.permissions.admin_pages import SAID, pages, path_of, populate
from tests.sessions_app.permissions.test_admin import (
    FOR_NONE,
    PAGES,
    everything_but,
    signed_in,
)

pytestmark = pytest.mark.django_db


def test_nobody_reads_without_the_right() -> None:
    """With all permissions but that to read sessions, no page shows a word of what was said, and
    none of those that list finds by it; with that one, some do.
    """
    populate()
    clerk = signed_in("clerk", everything_but(["read_session"]))
    boss = signed_in("boss", everything_but([]))
    shown: dict[str, set[str]] = {"clerk": set(), "boss": set()}
    for name in pages():
        if name in FOR_NONE:
            continue
        for client, who in ((clerk, "clerk"), (boss, "boss")):
            answer = client.get(path_of(name))
            if SAID in text_of(answer):
                shown[who].add(name)
    assert shown["clerk"] == set()
    assert shown["boss"]


def text_of(answer: object) -> str:
    """All of an answer, also of one that is streamed."""
    parts = getattr(answer, "streaming_content", None) or [getattr(answer, "content", b"")]
    return b"".join(parts).decode(errors="replace")


@pytest.mark.parametrize("name", [each for each in PAGES if each.endswith("changelist")])
def test_nobody_finds_without_the_right(name: str) -> None:
    """Without the right, a search for what was said finds no more than one for what was not."""
    populate()
    clerk = signed_in("clerk", everything_but(["read_session"]))
    said, other = SAID.split()[-1], "x" * len(SAID.split()[-1])
    path = path_of(name)
    found, nothing = (
        text_of(clerk.get(path, {"q": word})).replace(word, "") for word in (said, other)
    )
    assert rows_in(found) == rows_in(nothing)


def rows_in(page: str) -> int:
    """How many rows a list shows."""
    return page.count('class="action-select"') + page.count('class="field-')
