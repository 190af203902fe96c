"""The comparison of frames with the contract, which other tests rely on."""

from typing import Any

import pytest

from tests.validation import mistakes

SESSION = "01970000-0000-7000-8000-000000000001"


def told(method: str, **params: object) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": method, "params": params}


def event(kind: str, data: object) -> dict[str, Any]:
    return told(
        "event", session_id=SESSION, seq=1, kind=kind, actor="ann", at="2026-11-22", data=data
    )


def error(number: int, /, **data: object) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "error": {"code": number, "message": "No", "data": data}}


@pytest.mark.parametrize(
    "frame",
    [
        told("live", session_id=SESSION, head=3),
        event("message_sent", {"text": "It leaks."}),
        event("session_created", {"title": "", "metadata": {"any": {"thing": [1]}}}),
        error(-32009, code="conflict", head=3, retry=False),
        [told("live", session_id=SESSION, head=3), error(-32003, code="forbidden", retry=False)],
        {"jsonrpc": "2.0", "id": 1, "result": {"whose": "is not known"}},
    ],
)
def test_what_is_as_the_contract_says_has_no_mistakes(frame: object) -> None:
    """Frames of the contract pass."""
    assert mistakes(frame) == []


@pytest.mark.parametrize(
    "frame",
    [
        told("live", session_id=SESSION),
        told("live", session_id="7", head=3),
        told("live", session_id=SESSION, head="3"),
        told("live", session_id=SESSION, head=3, since=1),
        {**told("live", session_id=SESSION, head=3), "extra": 1},
        event("message_sent", {"text": 7}),
        event("message_sent", {"text": "It leaks.", "mood": "wet"}),
        error(-32000, code="conflict", head=3, retry=False),
        error(-32009, code="conflict", retry=False),
        error(-32009, code="conflict", head=3, retry=True),
        [told("live", session_id=SESSION)],
    ],
)
def test_what_is_not_is_found(frame: object) -> None:
    """A field that is missing, of another type, or not in the contract is a mistake."""
    assert mistakes(frame) != []


def test_a_result_is_that_of_its_method() -> None:
    """A result is compared with what its method answers."""
    reply = {"jsonrpc": "2.0", "id": 1, "result": {"seq": 2, "duplicate": False}}
    assert mistakes(reply, "send_message") == []
    assert mistakes(reply, "create_session") == [
        "create_session.result: 'session_id' is a required property at $.result"
    ]


def test_a_notification_that_nobody_knows_is_found() -> None:
    """What the contract does not name is not sent."""
    with pytest.raises(KeyError):
        mistakes(told("dance"))
