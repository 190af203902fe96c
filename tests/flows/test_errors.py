"""How flows refuse."""

import inspect
import re
from uuid import UUID

import pytest

from flows import errors
from flows.errors import (
    AlreadyDone,
    Conflict,
    Forbidden,
    InvalidValue,
    KeyConflict,
    LimitReached,
    Refused,
    SessionEnded,
    SessionNotFound,
    Unavailable,
    UnknownUser,
    UnrecoverablePosition,
)
from flows.watch_sessions import refusal
from tests.flows.stage import NOWHERE

#: Each refusal, its stable code, what a client gets beside it, and what people read.
REFUSALS: list[tuple[Refused, str, dict[str, int | str], str]] = [
    (
        InvalidValue("$.reply_to", "No such event"),
        "invalid_input",
        {"path": "$.reply_to"},
        "No such event - at `$.reply_to`",
    ),
    (
        UnknownUser("dan"),
        "invalid_input",
        {"path": "$.user"},
        "There is no such user - at `$.user`",
    ),
    (
        UnknownUser("dan", "$.participants[1].user"),
        "invalid_input",
        {"path": "$.participants[1].user"},
        "There is no such user - at `$.participants[1].user`",
    ),
    (Forbidden("Not you"), "forbidden", {}, "Not you"),
    (SessionNotFound(), "session_not_found", {}, "There is no such session"),
    (SessionEnded(), "session_ended", {}, "The session has ended"),
    (Conflict(7), "conflict", {"head": 7}, "The session has moved on to 7"),
    (KeyConflict(), "key_conflict", {}, "This key was used before, with other params"),
    (AlreadyDone("So it is"), "already_done", {}, "So it is"),
    (
        UnrecoverablePosition(3, "e1"),
        "unrecoverable_position",
        {"head": 3, "epoch": "e1"},
        "The log does not have this position; take a snapshot and watch from it",
    ),
    (LimitReached(1000, "sessions"), "limit_reached", {"limit": 1000}, "At most 1000 sessions"),
    (Unavailable(), "unavailable", {}, "The store is not available, try again"),
    (Unavailable("Full"), "unavailable", {}, "Full"),
]


@pytest.mark.parametrize(("error", "code", "fields", "text"), REFUSALS)
def test_refusal(error: Refused, code: str, fields: dict[str, int | str], text: str) -> None:
    """A refusal has the code and the fields of the wire, and a text made from them."""
    assert (code, fields, text) == (error.code, error.fields(), str(error))


def test_reason() -> None:
    """A wrong value is told with its path, and why apart from it."""
    error = InvalidValue("$.reply_to", "No such event")
    assert (error.path, error.reason) == ("$.reply_to", "No such event")


def test_all_are_shown() -> None:
    """Every refusal is in the list above and exported; each is a `Refused`."""
    classes = {
        each
        for _, each in inspect.getmembers(errors, inspect.isclass)
        if each.__module__ == errors.__name__
    }
    assert {type(error) for error, *_ in REFUSALS} | {Refused} == classes
    assert sorted(each.__name__ for each in classes) == sorted(errors.__all__)
    assert all(issubclass(each, Refused) for each in classes)


def test_the_tree_that_is_drawn() -> None:
    """The tree in the module's docstring is the tree of the classes."""
    assert errors.__doc__
    drawn = {
        name: "│" in lead
        for lead, name in re.findall(r"^([│ ]*[├└]── )(\w+)", errors.__doc__, re.MULTILINE)
    }
    assert {name: False for name in errors.__all__ if name != "Refused"} | {
        "UnknownUser": True
    } == drawn
    assert issubclass(UnknownUser, InvalidValue)


@pytest.mark.parametrize(
    ("error", "head", "epoch"),
    [(SessionNotFound(), None, None), (UnrecoverablePosition(3, "e1"), 3, "e1")],
)
def test_as_an_entry_of_refused(error: Refused, head: int | None, epoch: str | None) -> None:
    """A watch that is refused says why in the same words, with what a client needs to go on."""
    entry = refusal(NOWHERE, error)
    assert (NOWHERE, error.code) == (entry.session_id, entry.code)
    assert (head, epoch) == (entry.head or None, entry.epoch or None)
    assert isinstance(entry.session_id, UUID)
