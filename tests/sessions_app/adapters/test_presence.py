"""Who is here."""

from uuid import UUID

from sessions_app.adapters.presence import (
    LEAVING_SECONDS,
    NAMES,
    REMOTE_SECONDS,
    Presence,
    params_of,
)

ID = UUID("0197c5a0-0000-7000-8000-000000000001")


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def users(*names: str) -> frozenset[str]:
    return frozenset(names)


def test_who_watches_here_is_here() -> None:
    """A change is news once, and is announced to the other nodes once."""
    presence = Presence(Clock())
    first, second = presence.look(ID, users("ann")), presence.look(ID, users("ann"))
    assert (first.here, first.changed, first.announce) == (users("ann"), True, users("ann"))
    assert (second.here, second.changed, second.announce) == (users("ann"), False, None)


def test_who_leaves_is_here_a_while_longer() -> None:
    """Who comes back in time was never away; who does not is gone after the delay."""
    clock = Clock()
    presence = Presence(clock)
    presence.look(ID, users("ann", "bob"))
    clock.now += LEAVING_SECONDS - 1
    assert presence.look(ID, users("ann")).here == users("ann", "bob")
    assert not presence.look(ID, users("ann", "bob")).changed
    clock.now += LEAVING_SECONDS - 1
    presence.look(ID, users("ann"))
    clock.now += 1
    gone = presence.look(ID, users("ann"))
    assert (gone.here, gone.changed) == (users("ann"), True)


def test_those_of_other_nodes_are_here_while_they_are_heard_of() -> None:
    """Another node's users are here as long as it says so, and leave like anybody else."""
    clock = Clock()
    presence = Presence(clock)
    presence.look(ID, users("ann"))
    presence.hear(ID, "other", ["bob"])
    heard = presence.look(ID, users("ann"))
    assert (heard.here, heard.announce) == (users("ann", "bob"), None)
    clock.now += REMOTE_SECONDS - 1
    assert presence.look(ID, users("ann")).here == users("ann", "bob")
    clock.now += LEAVING_SECONDS + 1
    assert presence.look(ID, users("ann")).here == users("ann")


def test_a_node_says_again_who_is_there() -> None:
    """Before what it said is forgotten, a node says it again."""
    clock = Clock()
    presence = Presence(clock)
    presence.look(ID, users("ann"))
    clock.now += REMOTE_SECONDS / 2
    assert presence.look(ID, users("ann")).announce == users("ann")


def test_what_nobody_watches_is_not_kept() -> None:
    """Of a session that nobody here watches, nothing is heard and nothing kept."""
    presence = Presence(Clock())
    presence.hear(ID, "other", ["bob"])
    assert presence.rooms == {}
    presence.look(ID, users("ann"))
    assert presence.forget(ID)
    assert presence.rooms == {}
    assert not presence.forget(ID)


def test_a_crowd_is_told_by_its_number() -> None:
    """Up to a limit everybody is named, beyond it only counted."""
    few = frozenset(f"u{index:03}" for index in range(NAMES))
    assert params_of(ID, few) == {"session_id": ID, "here": sorted(few)}
    assert params_of(ID, few | {"one more"}) == {"session_id": ID, "count": NAMES + 1}
