"""What breaks a client that was written for an older contract, and what does not."""

import copy
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

from sessions_app.contract import breaks, document

Document: TypeAlias = dict[str, Any]
Change: TypeAlias = Callable[[Document], object]


def schema(name: str) -> Callable[[Document], Any]:
    return lambda contract: contract["components"]["schemas"][name]


def fields(contract: Document, name: str) -> Any:
    return contract["components"]["schemas"][name]["properties"]


def required(contract: Document, name: str) -> Any:
    return contract["components"]["schemas"][name]["required"]


def params(contract: Document, message: str, part: str) -> Any:
    return contract["components"]["messages"][message]["payload"]["properties"][part]


def close(contract: Document, code: int) -> Any:
    return next(each for each in contract["x-close-codes"] if each["code"] == code)


#: What is changed, and every break that comes of it.
BREAKING: dict[str, tuple[Change, list[str]]] = {
    "a method is removed": (
        lambda c: c["operations"].pop("ping"),
        ["ping: removed"],
    ),
    "a notification is removed": (
        lambda c: c["operations"].pop("told_seen"),
        ["told_seen: removed"],
    ),
    "a method is for sockets only now": (
        lambda c: c["operations"]["get_session"].pop("x-http"),
        ["get_session: not at /api/flows/get_session/ any more"],
    ),
    "a method is not safe to repeat any more": (
        lambda c: c["operations"]["send_message"].update({"x-idempotent": False}),
        ["send_message: not safe to repeat any more"],
    ),
    "a param is removed": (
        lambda c: fields(c, "SendMessage").pop("if_head"),
        ["send_message params.if_head: removed"],
    ),
    "a new param is required": (
        lambda c: (
            fields(c, "SendMessage").update({"mood": {"type": "string"}}),
            required(c, "SendMessage").append("mood"),
        ),
        ["send_message params.mood: required now"],
    ),
    "a param that could be left out is required": (
        lambda c: required(c, "CreateSession").append("title"),
        ["create_session params.title: required now"],
    ),
    "a param has another type": (
        lambda c: fields(c, "SendMessage").update({"text": {"type": "integer"}}),
        ["send_message params.text: string removed"],
    ),
    "a param may be null no more": (
        lambda c: fields(c, "EndSession").update({"reason": {"type": "string"}}),
        ["end_session params.reason: null removed"],
    ),
    "a longest text is shorter": (
        lambda c: fields(c, "SendMessage")["text"].update({"maxLength": 100}),
        ["send_message params.text: maxLength was 16384, is 100"],
    ),
    "a shortest text is longer": (
        lambda c: fields(c, "SendMessage")["text"].update({"minLength": 2}),
        ["send_message params.text: minLength was 1, is 2"],
    ),
    "a list that had no end has one": (
        lambda c: fields(c, "WatchSessions")["sessions"].update({"maxItems": 10}),
        ["watch_sessions params.sessions: maxItems was none, is 10"],
    ),
    "a param has another pattern": (
        lambda c: fields(c, "SendMessage")["text"].update({"pattern": "^a"}),
        [r"send_message params.text: pattern was ^[^\x00\ud800-\udfff]*$, is ^a"],
    ),
    "a param in a list is required": (
        lambda c: (
            fields(c, "NewParticipant").update({"since": {"type": "integer"}}),
            required(c, "NewParticipant").append("since"),
        ),
        ["create_session params.participants[].since: required now"],
    ),
    "a value that could be asked for is removed": (
        lambda c: schema("Status")(c).update({"enum": ["open"]}),
        ["list_sessions params.status: `ended` removed"],
    ),
    "a field of a result is removed": (
        lambda c: fields(c, "Snapshot").pop("epoch"),
        ["get_session result.epoch: removed"],
    ),
    "a field of a result may be missing": (
        lambda c: required(c, "Snapshot").remove("title"),
        ["get_session result.title: may be missing now"],
    ),
    "a field of a result may be null": (
        lambda c: fields(c, "Snapshot").update(
            {"title": {"anyOf": [{"type": "string"}, {"type": "null"}]}}
        ),
        ["get_session result.title: may be null now"],
    ),
    "a field of a result has a value that nobody knows": (
        lambda c: schema("Role")(c)["enum"].append("guest"),
        ["get_session result.participants[].role: may be `guest` now"],
    ),
    "a map has other values": (
        lambda c: fields(c, "PingParams")["heads"].update(
            {"additionalProperties": {"type": "string"}}
        ),
        ["ping params.heads.*: may be string now"],
    ),
    "what could hold anything is closed": (
        lambda c: fields(c, "CreateSession")["metadata"].update({"additionalProperties": False}),
        ["create_session params.metadata: other fields are refused now"],
    ),
    "a result is another": (
        lambda c: params(c, "ping.result", "result").update(
            {"$ref": "#/components/schemas/Status"}
        ),
        ["ping result: may be `ended` now", "ping result: may be `open` now"],
    ),
    "a field of a notification is removed": (
        lambda c: fields(c, "LiveParams").pop("head"),
        ["live params.head: removed"],
    ),
    "a kind of events is removed": (
        lambda c: schema("Event")(c)["oneOf"].pop(0),
        ["event params: the kind `session_created` removed"],
    ),
    "a field of an event's data is removed": (
        lambda c: fields(c, "MessageSent").pop("reply_to"),
        ["event params.data.reply_to: removed"],
    ),
    "an error is removed": (
        lambda c: c["x-errors"].pop("conflict"),
        ["error conflict: removed"],
    ),
    "an error has another number": (
        lambda c: c["x-errors"]["conflict"].update({"number": -1}),
        ["error conflict: number was -32009, is -1"],
    ),
    "an error is not to be retried any more": (
        lambda c: c["x-errors"]["draining"].update({"retry": False}),
        ["error draining: retry was True, is False"],
    ),
    "an error tells less": (
        lambda c: c["x-errors"]["conflict"].update({"details": []}),
        ["error conflict: head removed"],
    ),
    "a close code is removed": (
        lambda c: c["x-close-codes"].remove(close(c, 4008)),
        ["close code 4008: removed"],
    ),
    "a close code means the opposite": (
        lambda c: close(c, 4008).update({"then": "stop"}),
        ["close code 4008: was reconnect, is stop"],
    ),
    "a limit is lower": (
        lambda c: c["x-limits"].update({"batch": 1}),
        ["limit batch: was 64, is 1"],
    ),
    "a limit is told no more": (
        lambda c: c["x-limits"].pop("batch"),
        ["limit batch: removed"],
    ),
}

HARMLESS: dict[str, Change] = {
    "nothing": lambda c: None,
    "a method is added": lambda c: c["operations"].update({"dance": c["operations"]["ping"]}),
    "a param is added that can be left out": lambda c: fields(c, "SendMessage").update(
        {"mood": {"type": "string"}}
    ),
    "a param need not be given any more": lambda c: required(c, "RenameSession").remove("title"),
    "a longer text is taken": lambda c: fields(c, "SendMessage")["text"].update(
        {"maxLength": 99_999}
    ),
    "any text is taken": lambda c: fields(c, "SendMessage").update({"text": {"type": "string"}}),
    "a param may be null": lambda c: fields(c, "RenameSession").update(
        {"title": {"anyOf": [{"type": "string"}, {"type": "null"}]}}
    ),
    "a field of a result is added": lambda c: fields(c, "Snapshot").update({"mood": {}}),
    "a field of a result is never null": lambda c: fields(c, "SessionList").update(
        {"next": {"type": "string"}}
    ),
    "a field of a result is always there": lambda c: c["components"]["schemas"]["MessageSent"][
        "required"
    ].append("reply_to"),
    "a kind of events is added": lambda c: (
        c["components"]["schemas"].update(
            {"Danced": {"type": "object", "properties": {"kind": {"const": "danced"}}}}
        ),
        schema("Event")(c)["oneOf"].append({"$ref": "#/components/schemas/Danced"}),
    ),
    "an error is added": lambda c: c["x-errors"].update({"tired": {}}),
    "an error tells more": lambda c: c["x-errors"]["conflict"]["details"].append("seq"),
    "a close code is added": lambda c: c["x-close-codes"].append({"code": 4444, "then": "stop"}),
    "a limit is higher": lambda c: c["x-limits"].update({"batch": 65}),
    "a sentence is another": lambda c: schema("Committed")(c).update({"description": "Done."}),
    "it is another version": lambda c: (
        c.update({"x-subprotocol": "sessions.v2.jsonrpc"}),
        c["operations"].pop("ping"),
    ),
}


def changed(change: Change) -> Document:
    contract = copy.deepcopy(document())
    change(contract)
    return contract


@pytest.mark.parametrize(("change", "expected"), BREAKING.values(), ids=BREAKING)
def test_it_breaks(change: Change, expected: list[str]) -> None:
    """Each of these would break a client, and it is said where."""
    found = breaks(document(), changed(change))
    assert set(expected) <= set(found)


@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS)
def test_it_does_not_break(change: Change) -> None:
    """Each of these can be done without another version."""
    assert breaks(document(), changed(change)) == []


def test_what_is_changed_once_is_told_everywhere() -> None:
    """A shape that many methods answer with breaks each of them."""
    found = breaks(document(), changed(lambda c: fields(c, "Committed").pop("seq")))
    assert "send_message result.seq: removed" in found
    assert "rename_session result.seq: removed" in found
