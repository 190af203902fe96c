"""Writing a message in a session."""

from typing import Any
from uuid import UUID

import pytest

from flows.actor import Actor, Right
from flows.errors import Conflict, Forbidden, InvalidValue, SessionEnded
from flows.input import MAX_INT
from flows.send_message import SendMessage, send_message
from tests.flows.stage import BEGUN, Stage


def message(session_id: UUID, text: str = "It leaks.", key: str = "k", **more: Any) -> SendMessage:
    return SendMessage(session_id=session_id, text=text, key=key, **more)


def raw(session_id: UUID, **fields: object) -> dict[str, object]:
    return {"session_id": str(session_id), "text": "It leaks.", "key": "k"} | fields


async def test_works(stage: Stage) -> None:
    """A message is one event with its text, its author, its time and its key."""
    session_id = await stage.begin()
    stage.clock.advance(seconds=1)

    done = await stage.run(send_message, message(session_id), by="bob")

    assert (done.seq, done.duplicate) == (4, False)
    (event,) = stage.news(session_id)
    assert (event.kind, event.actor, event.key) == ("message_sent", "bob", "k")
    assert event.at == "2026-11-22T19:03:12.412Z"
    assert event.data == {"text": "It leaks."}


async def test_everything_given(stage: Stage) -> None:
    """What was given beside the text is in the event; `null` is not given, `{}` is."""
    session_id = await stage.begin()
    metadata = {"lang": "en", "deep": [{"a": None, "b": 1.5, "c": True}]}

    await stage.run_raw(send_message, raw(session_id, reply_to=2, metadata=metadata, if_head=3))
    await stage.run_raw(send_message, raw(session_id, key="2", reply_to=None, metadata={}))

    first, second = stage.news(session_id)
    assert {"text": "It leaks.", "reply_to": 2, "metadata": metadata} == first.data
    assert second.data == {"text": "It leaks.", "metadata": {}}


@pytest.mark.parametrize(
    "text",
    [
        " ",
        " \t\r\n ",
        "\u200b\ufeff",
        "x" * 16_384,
        "💥" * 16_384,
        "\x01\x1f\x7f\x85",
        "  a  ",
        "e\u0301",
        "ends with a newline\n",
    ],
    ids=["space", "white", "zero-width", "x", "astral", "control", "edges", "nfd", "newline"],
)
async def test_text_is_kept(stage: Stage, text: str) -> None:
    """Any text of 1 to 16,384 characters is kept character for character; white space is text."""
    session_id = await stage.begin()
    await stage.run_raw(send_message, raw(session_id, text=text))
    assert {"text": text} == stage.news(session_id)[0].data


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("$.text", {"text": ""}),
        ("$.text", {"text": "x" * 16_385}),
        ("$.text", {"text": "é" * 16_385}),
        ("$.text", {"text": 7}),
        ("$.text", {"text": True}),
        ("$.text", {"text": {"$gt": ""}}),
        ("$.text", {"text": "a\x00b"}),
        ("$.text", {"text": "\udc00\ud800"}),
        ("$.text", {"text": "a\n\x00"}),
        ("$.reply_to", {"reply_to": 0}),
        ("$.reply_to", {"reply_to": -1}),
        ("$.reply_to", {"reply_to": "1"}),
        ("$.reply_to", {"reply_to": True}),
        ("$.reply_to", {"reply_to": MAX_INT + 1}),
        ("$.if_head", {"if_head": -1}),
        ("$.if_head", {"if_head": True}),
        ("$.if_head", {"if_head": 0.5}),
        ("$.if_head", {"if_head": MAX_INT + 1}),
        ("$.metadata", {"metadata": "x"}),
        ("$.metadata", {"metadata": [1]}),
        ("$.metadata", {"metadata": {"a": "\x00"}}),
        ("$.metadata", {"metadata": {"a": "x" * 16_384}}),
        ("$.key", {"key": 1}),
        ("$.colour", {"colour": "red"}),
        ("$.seq", {"seq": 1}),
        ("$.Text", {"Text": "x"}),
        ("$.__class__", {"__class__": "x"}),
        ("$.session_id", {"session_id": "../../etc/passwd"}),
        ("$.session_id", {"session_id": 1.5}),
    ],
)
async def test_bad_input(stage: Stage, path: str, fields: dict[str, object]) -> None:
    """A value of the wrong kind or size, and a field that does not exist, are refused by path."""
    await stage.invalid(path, send_message, raw(await stage.begin()) | fields, by="bob")


@pytest.mark.parametrize("field", ["session_id", "text", "key"])
async def test_missing_field(stage: Stage, field: str) -> None:
    """A field that must be there is missed at its own path."""
    params = raw(await stage.begin())
    del params[field]
    await stage.invalid(f"$.{field}", send_message, params)


@pytest.mark.parametrize("params", [None, [], "x", 7])
async def test_no_object(stage: Stage, params: object) -> None:
    """Params that are no object are refused at `$`."""
    await stage.begin()
    await stage.invalid("$", send_message, params)


async def test_reply_to_beyond_the_head(stage: Stage) -> None:
    """One replies to what is there: the head at most, and never the message itself."""
    session_id = await stage.begin()
    for seq in (BEGUN + 1, MAX_INT):
        error = await stage.refused(
            InvalidValue, send_message, message(session_id, reply_to=seq), by="bob"
        )
        assert error.fields() == {"path": "$.reply_to"}
    await stage.run(send_message, message(session_id, reply_to=BEGUN), by="bob")


async def test_if_head(stage: Stage) -> None:
    """With `if_head`, the second of two writers who saw the same head is told where it is now."""
    session_id = await stage.begin()
    await stage.run(send_message, message(session_id, "a", "1", if_head=BEGUN), by="bob")
    error = await stage.refused(Conflict, send_message, message(session_id, "b", if_head=BEGUN))
    assert (error.code, error.fields()) == ("conflict", {"head": BEGUN + 1})
    for head in (0, BEGUN + 2, MAX_INT):
        await stage.refused(Conflict, send_message, message(session_id, "b", if_head=head))


async def test_refused_key_is_free(stage: Stage) -> None:
    """A refused write leaves no receipt: its key can be used for another input."""
    session_id = await stage.begin()
    await stage.refused(Conflict, send_message, message(session_id, "a", "k", if_head=1))
    assert (await stage.run(send_message, message(session_id, "b", "k"))).seq == 4


async def test_not_found(stage: Stage) -> None:
    """A session that one takes no part in looks like none, whatever else is wrong."""
    await stage.hides(send_message, message)
    await stage.hides(send_message, lambda id: message(id, if_head=99, reply_to=99))


async def test_who_may(stage: Stage) -> None:
    """Owners and members write; observers do not."""
    await stage.allows(send_message, lambda id: message(id, key=stage.key()), ["ann", "bob"])


async def test_ended(stage: Stage) -> None:
    """Nothing is written in a session that has ended; who could not write anyway learns that."""
    session_id = await stage.ended()
    await stage.refused(SessionEnded, send_message, message(session_id, if_head=1, reply_to=99))
    await stage.refused(Forbidden, send_message, message(session_id), by="cid")


async def test_repeated_key(stage: Stage) -> None:
    """A repeated key writes once, also when `if_head` is true no more."""
    session_id = await stage.begin()
    said = message(session_id, if_head=BEGUN)
    await stage.repeats(send_message, said, other=message(session_id), by="bob")
    assert sum(each.kind == "message_sent" for each in stage.news(session_id)) == 1


async def test_keys_are_per_user(stage: Stage) -> None:
    """Two users may use the same key; neither gets the other's result."""
    session_id = await stage.begin()
    by_ann = await stage.run(send_message, message(session_id), by="ann")
    by_bob = await stage.run(send_message, message(session_id), by="bob")
    assert [(each.seq, each.duplicate) for each in (by_ann, by_bob)] == [(4, False), (5, False)]


async def test_keys_are_not_per_session(stage: Stage) -> None:
    """The same key in another session is another input."""
    one, other = await stage.begin(), await stage.begin()
    await stage.repeats(send_message, message(one), other=message(other))


async def test_the_same_spelled_otherwise(stage: Stage) -> None:
    """Params are compared as values: their order, an id in capitals, a default do not matter."""
    session_id = await stage.begin()
    await stage.run_raw(send_message, raw(session_id, metadata={"a": 1, "b": 2}))
    again = {
        "metadata": {"b": 2, "a": 1},
        "reply_to": None,
        "key": "k",
        "text": "It leaks.",
        "session_id": str(session_id).upper(),
    }
    assert (await stage.run_raw(send_message, again)).duplicate


async def test_as_staff(stage: Stage) -> None:
    """What is written by right says so; what a role allows does not, whoever writes it."""
    session_id = await stage.begin()
    act = frozenset({Right.ACT})
    for number, by in enumerate((Actor("dan", act), Actor("bob", act), Actor("bob"))):
        raw_input = raw(session_id, key=str(number))
        await stage.run_raw(send_message, raw_input, by=by)
    said = [event.data for event in stage.news(session_id)]
    assert said == [{"text": "It leaks.", "staff": True}] + [{"text": "It leaks."}] * 2
    # All that is done with rights is recorded, also where a role would do.
    assert [(each.by, each.done) for each in stage.sessions.acts] == [
        ("dan", "Wrote as staff"),
        ("bob", "Wrote as staff"),
    ]
