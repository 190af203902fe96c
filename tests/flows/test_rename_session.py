"""Giving a session another title."""

from uuid import UUID

import pytest

from flows.errors import SessionEnded
from flows.input import MAX_INT
from flows.rename_session import RenameSession, rename_session
from tests.flows.stage import Stage


def rename(session_id: UUID, *, title: str = "Gutter repair", key: str = "k") -> RenameSession:
    return RenameSession(session_id=session_id, title=title, key=key)


async def test_works(stage: Stage) -> None:
    """A session that was renamed has the new title, and one more event says so."""
    session_id = await stage.begin(title="Roof repair")

    done = await stage.run(rename_session, rename(session_id), by="bob")

    assert (done.seq, done.duplicate) == (4, False)
    (event,) = stage.news(session_id)
    assert (event.kind, event.actor, event.key) == ("session_renamed", "bob", "k")
    assert event.data == {"title": "Gutter repair"}
    session = await stage.session(session_id)
    assert session.title == "Gutter repair"


async def test_the_same_title_again(stage: Stage) -> None:
    """A session may be given the title it has: that is an event like any other."""
    session_id = await stage.begin(title="Gutter repair")
    await stage.run(rename_session, rename(session_id))
    assert len(stage.news(session_id)) == 1


async def test_no_title(stage: Stage) -> None:
    """A session may be left without a title."""
    session_id = await stage.begin(title="Roof repair")
    await stage.run(rename_session, rename(session_id, title=""))
    assert stage.news(session_id)[0].data == {"title": ""}


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("$.title", {"title": "x" * 201}),
        ("$.title", {"title": 7}),
        ("$.title", {"title": None}),
        ("$.title", {"title": "a\x00b"}),
        ("$.title", {"title": "a\ud800"}),
        ("$.key", {"key": ""}),
        ("$.key", {"key": "x" * 65}),
        ("$.key", {"key": "a\x00"}),
        ("$.session_id", {"session_id": "x"}),
        ("$.session_id", {"session_id": MAX_INT}),
    ],
)
async def test_bad_input(stage: Stage, path: str, fields: dict[str, object]) -> None:
    """A value that is no title, key or id is refused where it stands."""
    raw = {"session_id": str(await stage.begin()), "title": "x", "key": "k"}
    await stage.invalid(path, rename_session, raw | fields)


async def test_longest_title(stage: Stage) -> None:
    """A title has up to 200 characters, whatever they take in bytes."""
    session_id = await stage.begin()
    await stage.run_raw(
        rename_session, {"session_id": str(session_id), "title": "🏠" * 200, "key": "k"}
    )
    assert stage.news(session_id)[0].data == {"title": "🏠" * 200}


async def test_not_found(stage: Stage) -> None:
    """A session that one takes no part in looks like none."""
    await stage.hides(rename_session, rename)


async def test_who_may(stage: Stage) -> None:
    """Owners and members rename; observers do not."""
    await stage.allows(rename_session, lambda id: rename(id, key=stage.key()), ["ann", "bob"])


async def test_ended(stage: Stage) -> None:
    """A session that has ended keeps its title."""
    await stage.refused(SessionEnded, rename_session, rename(await stage.ended()))


async def test_repeated_key(stage: Stage) -> None:
    """A repeated key renames once."""
    session_id = await stage.begin()
    other = rename(session_id, title="Wall repair")
    await stage.repeats(rename_session, rename(session_id), other=other, by="bob")
