"""The runner's own tests: a check that cannot fail is none."""

from dataclasses import replace
from typing import Any

import pytest

from tests.bad_input.expectations import Seen, judge, parse
from tests.servers import is_complaint

UNTOUCHED = {"heads": 3, "events": 3, "receipts": 1}

EVENT = {"jsonrpc": "2.0", "method": "event", "params": {"session_id": "s", "seq": 4}}


def error(number: int, code: str, *, id_: object = 7, **data: object) -> dict[str, Any]:
    """An error as a server should send it."""
    return {
        "jsonrpc": "2.0",
        "id": id_,
        "error": {"code": number, "message": "No", "data": {"code": code, "retry": False, **data}},
    }


def result(id_: object = 7, **fields: object) -> dict[str, Any]:
    """A result as a server should send it."""
    return {"jsonrpc": "2.0", "id": id_, "result": fields}


REFUSED = Seen(
    replies=[error(-32602, "invalid_input", path="$.text")],
    ids=[7],
    before=UNTOUCHED,
    after=UNTOUCHED,
)
EXPECTED = parse("error -32602 invalid_input at $.text")


def test_the_right_error_is_right() -> None:
    """An error with its number, code, path and id, after which all is as before, passes."""
    assert judge(EXPECTED, REFUSED) == []


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(
            {"replies": [error(-32600, "invalid_input", path="$.text")]}, id="another-number"
        ),
        pytest.param(
            {"replies": [error(-32602, "invalid_request", path="$.text")]}, id="another-code"
        ),
        pytest.param(
            {"replies": [error(-32602, "invalid_input", path="$.key")]}, id="another-path"
        ),
        pytest.param({"replies": [error(-32602, "invalid_input")]}, id="no-path"),
        pytest.param(
            {"replies": [error(-32602, "invalid_input", path="$.text", id_=8)]}, id="another-id"
        ),
        pytest.param(
            {"replies": [error(-32602, "invalid_input", path="$.text", id_=None)]}, id="no-id"
        ),
        pytest.param({"replies": []}, id="no-reply"),
        pytest.param({"replies": [*REFUSED.replies] * 2}, id="two-replies"),
        pytest.param({"replies": [list(REFUSED.replies)]}, id="an-array"),
        pytest.param({"replies": [result()]}, id="a-result"),
        pytest.param({"after": {**UNTOUCHED, "heads": 4}}, id="the-head-moved"),
        pytest.param({"after": {**UNTOUCHED, "events": 4}}, id="an-event-more"),
        pytest.param({"after": {**UNTOUCHED, "receipts": 2}}, id="a-receipt-more"),
        pytest.param({"told": [EVENT]}, id="told-itself"),
        pytest.param({"told_others": [EVENT]}, id="told-others"),
        pytest.param({"close": 1000, "still_open": False}, id="closed"),
        pytest.param({"still_open": False}, id="deaf"),
        pytest.param({"close": 1011, "still_open": False}, id="closed-1011"),
    ],
)
def test_a_wrong_answer_to_an_error_is_found(wrong: dict[str, Any]) -> None:
    """Whatever about an error is not as expected, is found."""
    assert judge(EXPECTED, replace(REFUSED, **wrong)) != []


@pytest.mark.parametrize(
    ("expect", "seen"),
    [
        (
            "error -32700 parse_error id null",
            Seen(replies=[error(-32700, "parse_error", id_=None)]),
        ),
        (
            "error -32602 invalid_input at $.metadata[...]",
            Seen(replies=[error(-32602, "invalid_input", path="$.metadata[...]")], ids=[7]),
        ),
        ("result or error -32600 invalid_request", Seen(replies=[result()], ids=[7])),
        (
            "result or error -32600 invalid_request",
            Seen(replies=[error(-32600, "invalid_request")], ids=[7]),
        ),
        (
            "result duplicate",
            Seen(
                replies=[result(seq=2, duplicate=True)],
                ids=[7],
                firsts=[{"seq": 2, "duplicate": False}],
            ),
        ),
        ("result without sessions", Seen(replies=[result(sessions=[], next=None)], ids=[7])),
        ("stored and shown verbatim", Seen(replies=[result()], ids=[7], written="é", shown="é")),
        (
            "watch refused session_not_found",
            Seen(
                replies=[
                    result(watching=[], refused=[{"session_id": "s", "code": "session_not_found"}])
                ],
                ids=[7],
            ),
        ),
        (
            "watch refused session_not_found",
            Seen(replies=[error(-32004, "session_not_found")], ids=[7]),
        ),
        (
            "batch: result; error -32600 invalid_request id null",
            Seen(replies=[[error(-32600, "invalid_request", id_=None), result()]], ids=[7, None]),
        ),
        (
            "batch: result; result duplicate",
            Seen(
                replies=[
                    [result(1, seq=4, duplicate=False), result(2, seq=4, duplicate=True)],
                ],
                ids=[1, 2],
            ),
        ),
        ("nothing", Seen()),
        ("unanswered", Seen()),
        ("close 4515", Seen(close=4515, still_open=False)),
        ("close 4515 or 4029", Seen(close=4029, still_open=False)),
        ("close 1002 or dropped", Seen(close=1006, still_open=False)),
        ("HTTP 301|403", Seen(status=403)),
        (
            "HTTP 422 invalid_input at $.key",
            Seen(
                status=422,
                body='{"error": {"data": {"code": "invalid_input", "path": "$.key"}}}',
            ),
        ),
        ("exit not 0, names $.text, nothing changed", Seen(exit=1, output="wrong at $.text")),
        ("exit not 0, one clear line, nothing changed or exit 0 as the system", Seen(exit=0)),
        ("dropped or sentence: or a lamp is lit", Seen(sentence=[])),
    ],
)
def test_what_is_expected_passes(expect: str, seen: Seen) -> None:
    """Every kind of expectation accepts what it asks for."""
    assert judge(parse(expect), seen) == []


@pytest.mark.parametrize(
    ("expect", "seen"),
    [
        ("error -32700 parse_error id null", Seen(replies=[error(-32700, "parse_error", id_=1)])),
        (
            "error -32602 invalid_input at $.metadata",
            Seen(replies=[error(-32602, "invalid_input", path="$.metadata.a")], ids=[7]),
        ),
        (
            "result or error -32600 invalid_request",
            Seen(replies=[error(-32601, "method_not_found")], ids=[7]),
        ),
        ("result", Seen(replies=[result(8)], ids=[7])),
        ("result", Seen(replies=[result()], ids=[7], still_open=False)),
        (
            "result duplicate",
            Seen(
                replies=[result(seq=3, duplicate=True)],
                ids=[7],
                firsts=[{"seq": 2, "duplicate": False}],
            ),
        ),
        (
            "result duplicate",
            Seen(
                replies=[result(seq=2, duplicate=False)],
                ids=[7],
                firsts=[{"seq": 2, "duplicate": False}],
            ),
        ),
        ("result without sessions", Seen(replies=[result(sessions=[{}], next=None)], ids=[7])),
        ("stored and shown verbatim", Seen(replies=[result()], ids=[7], written="é", shown="e")),
        ("stored and shown verbatim", Seen(replies=[result()], ids=[7])),
        (
            "watch refused session_not_found",
            Seen(replies=[result(watching=[{"session_id": "s"}], refused=[])], ids=[7]),
        ),
        (
            "watch refused session_not_found",
            Seen(replies=[error(-32004, "session_not_found")], ids=[7], told=[EVENT]),
        ),
        ("batch: result; result duplicate", Seen(replies=[result()], ids=[1, 2])),
        ("batch: result; result", Seen(replies=[[result(1)]], ids=[1, 2])),
        ("batch: result; result", Seen(replies=[[result(1), result(1)]], ids=[1, 2])),
        (
            "batch: result; result duplicate",
            Seen(
                replies=[
                    [result(1, seq=4, duplicate=False), result(2, seq=5, duplicate=False)],
                ],
                ids=[1, 2],
            ),
        ),
        (
            "batch: error -32600 invalid_request id null",
            Seen(replies=[[error(-32600, "invalid_request", id_=None)]], told_others=[EVENT]),
        ),
        ("nothing", Seen(replies=[error(-32601, "method_not_found", id_=None)])),
        ("nothing", Seen(after=UNTOUCHED)),
        ("close 4515", Seen(close=4029, still_open=False)),
        ("close 4515", Seen()),
        ("dropped", Seen()),
        ("unanswered", Seen(status=400)),
        ("unanswered", Seen(close=1006, still_open=False)),
        ("dropped", Seen(close=1011, still_open=False)),
        ("dropped", Seen(close=1006, still_open=False, told_others=[EVENT])),
        ("HTTP 301|403", Seen(status=200)),
        ("HTTP 500", Seen(status=500)),
        ("HTTP 403", Seen(status=403, after=UNTOUCHED)),
        ("HTTP 400", Seen(status=400, body="<pre>Traceback (most recent call last)")),
        (
            "HTTP 422 invalid_input at $.key",
            Seen(
                status=422,
                body='{"error": {"data": {"code": "invalid_input", "path": "$"}}}',
            ),
        ),
        ("exit not 0, names $.text, nothing changed", Seen(exit=1, output="wrong")),
        ("exit not 0, one clear line, nothing changed", Seen(exit=0, output="done")),
        ("exit not 0, one clear line, nothing changed", Seen(exit=1)),
        (
            "exit not 0, one clear line, nothing changed",
            Seen(exit=1, output="Unknown command: 'nope'"),
        ),
        ("exit not 0, one clear line, nothing changed", Seen(exit=1, output="a\n" * 40)),
        ("exit not 0, one clear line, nothing changed", Seen(exit=1, output="no", after=1)),
        ("exit not 0, one clear line, nothing changed", Seen(exit=1, output="Traceback (most")),
        ("dropped or sentence: or a lamp is lit", Seen(sentence=["it is dark"])),
        ("dropped or sentence: or a lamp is lit", Seen()),
    ],
)
def test_what_is_not_expected_is_found(expect: str, seen: Seen) -> None:
    """Every kind of expectation refuses what it does not ask for."""
    assert judge(parse(expect), seen) != []


@pytest.mark.parametrize(
    "reply",
    [
        {"id": 7, "result": {}},
        {"jsonrpc": "2.0", "result": {}},
        {"jsonrpc": "2.0", "id": 7, "result": {}, "error": None},
        {"jsonrpc": "2.0", "id": 7, "error": {"code": 1, "message": "No"}},
        {"jsonrpc": "2.0", "id": 7, "error": {"code": 1, "message": "", "data": {"code": "x"}}},
        error(-32603, "internal_error", retry=True),
    ],
)
def test_a_reply_that_is_not_json_rpc_is_found(reply: dict[str, Any]) -> None:
    """Replies have the form of JSON-RPC 2.0 and say whether to repeat, whatever is expected."""
    assert judge(parse("nothing or result"), Seen(replies=[reply], ids=[7])) != []


@pytest.mark.parametrize(
    "words",
    [
        'File "/srv/app.py", line 7',
        "SELECT id FROM users",
        "no such table: sessions_app_event",
        "psycopg.errors.UniqueViolation",
        "a-secret-that-nobody-may-ever-be-told",
    ],
)
def test_an_error_that_tells_of_the_inside_is_found(words: str) -> None:
    """No query, path or secret passes in an error, whatever else is right about it."""
    reply = error(-32602, "invalid_input", path="$.text")
    reply["error"]["message"] = words
    assert judge(EXPECTED, replace(REFUSED, replies=[reply])) != []


@pytest.mark.parametrize("words", ["a miracle", "error 7 x at", "close often", "result maybe", ""])
def test_unknown_words_are_not_passed_over(words: str) -> None:
    """An expectation that cannot be read is a mistake, not a pass."""
    with pytest.raises(ValueError, match="expect"):
        parse(words)


@pytest.mark.parametrize(
    ("line", "complains"),
    [
        ('{"logger": "x", "level": "info", "event": "Traceback"}', False),
        ('{"logger": "x", "level": "error", "event": "flow_failed"}', True),
        ('{"logger": "x", "level": "warning", "exception": "ValueError"}', True),
        ('{"logger": "django.request", "level": "warning", "exception": "BadRequest"}', False),
        ('{"logger": "django.request", "level": "error", "event": "Internal Server Error"}', True),
        ('{"logger": "django.security.DisallowedHost", "level": "error"}', False),
        ("Traceback (most recent call last):", True),
        ("Unhandled Error", True),
        ("Task exception was never retrieved", True),
        ("listening on 127.0.0.1 port 8000", False),
    ],
)
def test_only_what_nobody_has_handled_is_a_complaint(line: str, *, complains: bool) -> None:
    """A server's log may tell of refused requests, but not of exceptions that nobody caught."""
    assert is_complaint(line) is complains
