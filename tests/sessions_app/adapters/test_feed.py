"""One session as one process follows it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Raw
from msgspec.structs import replace

from flows.events import Event
from sessions_app.adapters.feed import STASH, TAIL, Entry, Feed

ID = UUID("0197c5a0-0000-7000-8000-000000000001")


def event(seq: int, kind: str = "message_sent", **data: Any) -> Event:
    return Event(session_id=ID, seq=seq, kind=kind, actor="ann", at="t", key=UNSET, data=data)


@dataclass(eq=False)
class Listener:
    """A reader that takes everything."""

    user: str = "ann"
    live: bool = True
    granted: int = 0
    live_at: float = 0.0
    met: bool = False
    observing: bool = False
    got: list[int] = field(default_factory=list)
    stopped: str | None = None

    def push(self, entries: Sequence[Entry]) -> None:
        self.got += [each.event.seq for each in entries]

    def note(self, frame: str, *, origin: str | None) -> None:
        raise AssertionError("a feed passes no notes")

    def stop(self, reason: str) -> None:
        self.stopped = reason
        self.live = False

    def forget(self) -> None:
        raise AssertionError("a feed makes nobody forget")


def feed_at(head: int, *readers: Listener) -> Feed:
    feed = Feed(ID)
    feed.begin(head)
    feed.readers.update(readers)
    return feed


@given(st.permutations(list(range(1, 12))), st.lists(st.integers(1, 11)))
def test_events_come_in_order_and_once(order: list[int], again: list[int]) -> None:
    """In whatever order events come, and however often, they are pushed in order, each once."""
    listener = Listener()
    feed = feed_at(0, listener)
    for seq in [*order[:6], *again, *order[6:]]:
        feed.offer([event(seq)])
    assert listener.got == list(range(1, 12))
    assert not feed.behind


def test_what_comes_before_the_head_is_read_is_kept() -> None:
    """Events between registering and reading the head are pushed when the head is known."""
    listener = Listener()
    feed = Feed(ID)
    feed.readers.add(listener)
    feed.offer([event(6), event(4)])
    assert listener.got == []
    feed.begin(5)
    assert (feed.position, listener.got) == (6, [6])


def test_a_hole_is_known() -> None:
    """A feed that has heard of a later event than it has is behind, until the hole is filled."""
    listener = Listener()
    feed = feed_at(3, listener)
    feed.offer([event(5)])
    assert (feed.behind, listener.got) == (True, [])
    feed.offer([event(4)])
    assert (feed.behind, listener.got) == (False, [4, 5])


def test_a_head_read_later_shows_a_hole() -> None:
    """A watch that reads a later head than the feed knows shows that something was missed."""
    feed = feed_at(3)
    feed.begin(5)
    assert (feed.position, feed.behind) == (3, True)


def test_readers_who_are_not_live_are_not_pushed_to() -> None:
    """A reader that is being fed from the log gets nothing from the feed."""
    live, fed = Listener(), Listener(live=False)
    feed_at(0, live, fed).offer([event(1)])
    assert (live.got, fed.got) == ([1], [])


def test_a_removal_that_was_read_from_the_log_counts_as_well() -> None:
    """Data that is still the JSON that was stored says who is removed, too."""
    removed, other = Listener("bob"), Listener("ann")
    stored = replace(event(1, "participant_removed"), data=Raw(b'{"user": "bob"}'))
    feed_at(0, removed, other).offer([stored])
    assert (removed.stopped, other.stopped) == ("removed", None)


def test_a_removed_user_gets_its_removal_and_nothing_after() -> None:
    """Every reader of a removed user is stopped, live or not; others are not.

    What was committed together with the removal, but after it, is not for the removed either.
    """
    removed, behind, other = Listener("bob"), Listener("bob", live=False), Listener("ann")
    removal = event(2, "participant_removed", user="bob")
    feed_at(0, removed, behind, other).offer([event(1), removal, event(3), event(4)])
    assert (removed.got, removed.stopped, behind.stopped) == ([1, 2], "removed", "removed")
    assert (other.got, other.stopped) == ([1, 2, 3, 4], None)


def test_a_removal_from_before_the_right_was_checked_is_history() -> None:
    """Who was removed and has come back since is not stopped by the old removal."""
    back = Listener("bob", granted=5)
    feed_at(0, back).offer([event(1, "participant_removed", user="bob")])
    assert back.stopped is None


def test_the_tail_feeds_those_who_are_a_little_behind() -> None:
    """Recent entries are at hand; for older ones the log must be read."""
    feed = feed_at(0)
    feed.offer([event(seq) for seq in range(1, TAIL + 11)])
    entries = feed.after(TAIL + 8)
    assert entries is not None
    assert [entry.event.seq for entry in entries] == [TAIL + 9, TAIL + 10]
    assert feed.after(9) is None
    assert feed.after(10) is not None


def test_an_empty_tail_feeds_nobody() -> None:
    """A feed that has seen no event yet cannot say what came after any."""
    assert feed_at(7).after(7) is None


def test_the_stash_is_bounded() -> None:
    """Early events are dropped beyond a bound, and still known to exist."""
    feed = feed_at(0)
    feed.offer([event(seq) for seq in range(2, STASH + 100)])
    assert len(feed._stash) == STASH
    assert feed.known_head == STASH + 99


def test_an_event_is_encoded_once_for_all_but_its_author() -> None:
    """Those who get the same frame get the same object; the author's has the key."""
    entry = Entry(Event(session_id=ID, seq=1, kind="k", actor="ann", at="t", key="c", data={}))
    assert entry.frame_for("bob") is entry.frame_for("cid")
    assert '"key":"c"' in entry.frame_for("ann")
    assert '"key"' not in entry.frame_for("bob")
