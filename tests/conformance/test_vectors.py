"""The vectors themselves, and what their patterns mean."""

from typing import Any
from uuid import UUID

import pytest

from tests.conformance.vectors import ABSENT, Mismatch, Vector, Words, load

#: What a step may consist of, by the word that it begins with.
STEPS: dict[str, set[str]] = {
    "open": {"as", "subprotocols", "chosen", "query"},
    "post": {"as", "headers", "body", "status", "answer"},
    "say": {"frame"},
    "hear": {"frame"},
    "eventually": {"frame"},
    "text": {"raw", "repeated"},
    "binary": {"base64"},
    "quiet": set(),
    "cut": set(),
    "closed": {"code"},
    "left": set(),
    "nobody": set(),
    "do": {"ref", "method", "params", "session", "after"},
    "told": {"ref", "result", "code", "event", "session"},
}

ALL = pytest.mark.parametrize("vector", load(), ids=lambda each: each.name)


def words() -> Words:
    return Words({"ann": "Ann", "bob": "Bob"})


def test_there_are_vectors_for_both_sides() -> None:
    """Servers and clients have vectors, each with a name of its own."""
    names = [each.name for each in load()]
    assert len(names) == len(set(names))
    assert len(load("server")) > 30
    assert len(load("client")) > 40


@ALL
def test_a_vector_is_well_formed(vector: Vector) -> None:
    """Every step is one that the format knows; a vector begins by opening a connection,
    or with a request over HTTP.
    """
    assert vector.about.endswith(".")
    assert set(vector.sides) <= {"server", "client"}
    assert vector.steps[0].keys() & {"open", "post"}
    for step in vector.steps:
        first, *others = step
        assert set(others) <= STEPS[first]


# -- patterns --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "actual"),
    [
        ("<any>", {"a": 1}),
        ("<text>", ""),
        ("<integer>", 7),
        ("<number>", 0.5),
        ("<time>", "2026-11-22T19:03:11.412Z"),
        ("@ann", "Ann"),
        ({"a": 1}, {"a": 1, "b": 2}),
        ({"a": 1, "b": ABSENT}, {"a": 1}),
        ({"@ann": 1}, {"Ann": 1}),
        ({"list": ["<integer>", None]}, {"list": [1, None]}),
        ([1, 2, {"a": "<text>"}], [{"a": ""}, 2, 1]),
    ],
)
def test_what_matches(pattern: object, actual: object) -> None:
    """Kinds, people and fields that are not named; a frame's array in any order."""
    words().match(pattern, actual)


@pytest.mark.parametrize(
    ("pattern", "actual"),
    [
        ("<text>", 7),
        ("<integer>", True),
        ("<integer>", 0.5),
        ("<time>", "2026-11-22T19:03:11Z"),
        ("@ann", "Bob"),
        (1, True),
        (False, 0),
        (None, 0),
        ({"a": 1}, {}),
        ({"a": 1}, []),
        ({"b": ABSENT}, {"b": None}),
        ({"list": [1, 2]}, {"list": [2, 1]}),
        ({"list": [1]}, {"list": [1, 1]}),
        ([1, 2], [1, 1]),
        ([1], {"a": 1}),
        ([1], [1, 2]),
    ],
)
def test_what_does_not_match(pattern: object, actual: object) -> None:
    """Anything else is a mismatch."""
    with pytest.raises(Mismatch):
        words().match(pattern, actual)


def test_a_name_stands_for_the_same_everywhere() -> None:
    """What is first heard under a name has to be the same afterwards, and is what is sent."""
    known = words()
    known.match({"id": "$x"}, {"id": 7})
    known.match("$x", 7)
    assert known.fill({"$x": ["$x", "@bob", "<integer>"], "gone": ABSENT}) == {7: [7, "Bob", 1]}
    with pytest.raises(Mismatch):
        known.match("$x", 8)


def test_a_mismatch_binds_nothing() -> None:
    """A frame that is another one leaves no trace in the names."""
    known = words()
    with pytest.raises(Mismatch):
        known.match({"a": "$x", "b": 1}, {"a": 7, "b": 2})
    known.match("$x", 8)


def test_a_new_name_is_sent_as_a_new_word() -> None:
    """A name that stands for nothing yet is made up when it is sent, as a UUID."""
    known = words()
    made: Any = known.fill("$x")
    assert str(UUID(made)) == made
    assert known.fill("$x") == made != known.fill("$y")
