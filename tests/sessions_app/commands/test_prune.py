"""`manage.py prune`."""

import json
from datetime import timedelta
from uuid import UUID

import pytest
from asgiref.sync import sync_to_async
from django.core.management.base import CommandError
from django.utils import timezone

from sessions_app.management.commands.prune import days
from sessions_app.models import Event, Receipt, Session
from tests.sessions_app.commands.running import begin, call, say, stored
from tests.sessions_app.sockets import Client, people, serving

pytestmark = pytest.mark.django_db(transaction=True)


def ended(days: int) -> UUID:
    """A session with four events that ended so many days ago; with 0, really just now."""
    session_id = begin("ann", "Roof", "bob")
    say(session_id, "bob", "It leaks.")
    call("end_session", str(session_id))
    if days:
        at = timezone.now() - timedelta(days=days)
        Session.objects.filter(pk=session_id).update(ended_at=at, last_activity=at)
    return session_id


def test_tells_first() -> None:
    """Without --yes it only tells, and nothing has changed."""
    ended(100)
    before = stored()
    told = call("prune", "--ended-before", "90d").out
    assert told == "With --yes, this would delete 1 sessions with 4 events.\n"
    assert stored() == before


def test_deletes() -> None:
    """With --yes the old ones are gone with all that is theirs, and what is left is sound."""
    old, young = ended(100), ended(0)
    told = json.loads(call("prune", "--ended-before", "90d", "--yes", "--json").out)
    assert told == {"sessions": 1, "events": 4, "deleted": True}
    assert [each.pk for each in Session.objects.all()] == [young]
    assert not Event.objects.filter(session=old).exists()
    assert Receipt.objects.count() == 3
    assert call("verify").out.startswith("All is well. Sessions: 1,")
    assert call("prune", "--ended-before", "90d", "--yes", "--quiet") == ("", "")


def test_inactive() -> None:
    """Sessions in which nothing happened for so long are found by that, open ones, too."""
    ended(10)
    opened = begin("ann")
    Session.objects.filter(pk=opened).update(last_activity="2020-01-01T00:00:00Z")
    call("prune", "--inactive-for", "1w", "--status", "open", "--yes")
    assert not Session.objects.filter(pk=opened).exists()
    assert Session.objects.count() == 1


def test_ages() -> None:
    """An age is a number of hours, days or weeks."""
    assert [days(word) for word in ("12h", "90d", "8w")] == [0.5, 90, 56]


@pytest.mark.parametrize("word", ["90", "d", "1.5d", "1y", "9999999d"])
def test_no_age(word: str) -> None:
    """What is no age is refused, and nothing has changed."""
    ended(10)
    with pytest.raises(CommandError, match="expected an age like 90d"):
        call("prune", "--ended-before", word, "--yes")
    assert Session.objects.count() == 1


def test_not_everything() -> None:
    """Without an age nothing is deleted."""
    ended(10)
    with pytest.raises(CommandError, match="Expected an age"):
        call("prune", "--status", "ended", "--yes")
    assert Session.objects.count() == 1


async def test_who_watches_is_told() -> None:
    """Who watches a session that is deleted is told so; afterwards there is none."""
    tokens = await sync_to_async(people)("ann")
    async with serving() as application, Client(application, token=tokens["ann"]) as ann:
        session_id = (await ann.call("create_session", key="c"))["session_id"]
        await sync_to_async(call)("prune", "--inactive-for", "0d", "--yes", "--quiet")
        while (frame := await ann.frame()).get("method") != "unwatched":
            continue
        assert frame["params"] == {"session_id": session_id, "reason": "deleted"}
        for method, params in (("get_session", {}), ("send_message", {"text": "x", "key": "m"})):
            answer = await ann.call(method, session_id=session_id, **params)
            assert answer["data"]["code"] == "session_not_found"
        (refused,) = (
            await ann.call("watch_sessions", sessions=[{"session_id": session_id, "after": 0}])
        )["refused"]
        assert refused["code"] == "session_not_found"
