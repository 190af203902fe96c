"""Frames ↔ flows."""

import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Raw

from flows.engine import InvalidInput
from flows.errors import AlreadyDone, Conflict, InvalidValue, Refused, Unavailable
from flows.events import Event, MessageSent
from sessions_app import protocol
from sessions_app.protocol import Bad, Error, Request

ID = UUID("0197c5a0-0000-7000-8000-000000000001")


def decode(text: str) -> protocol.Frame:
    return protocol.decode(text, batch=64)


def bad(text: str) -> tuple[object, str]:
    """The id and the code of a frame that is no request."""
    frame = decode(text)
    assert isinstance(frame, Bad)
    return frame.id, frame.error.name


def test_a_request_is_its_method_its_params_and_its_id() -> None:
    """A request is taken as it stands; other fields of its envelope are ignored."""
    frame = decode('{"jsonrpc":"2.0","id":7,"method":"ping","params":{"a":[1]},"trace":"x"}')
    assert isinstance(frame, Request)
    assert (frame.id, frame.method, bytes(frame.params)) == (7, "ping", b'{"a":[1]}')


def test_params_may_be_left_out() -> None:
    """Without params a flow is asked with an empty object."""
    frame = decode('{"jsonrpc":"2.0","id":"","method":"ping"}')
    assert isinstance(frame, Request)
    assert (frame.id, bytes(frame.params)) == ("", b"{}")


def test_a_request_without_an_id_is_a_notification() -> None:
    """A request that names no id wants no reply."""
    frame = decode('{"jsonrpc":"2.0","method":"ping"}')
    assert isinstance(frame, Request)
    assert frame.id is UNSET


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "{",
        "[",
        '{"a":01}',
        '{"a":NaN}',
        '{"a":1,}',
        "\ufeff{}",
        "[" * 60_000,
        "[" * 30_000 + "]" * 30_000,
        '{"a":' * 9_000 + "1" + "}" * 9_000,
    ],
)
def test_what_is_no_json_is_a_parse_error(text: str) -> None:
    """A frame that is no JSON, or nested beyond reason, is told so; its id is not known."""
    assert bad(text)[0] is None
    assert bad(text)[1] in {"parse_error", "invalid_request"}


@pytest.mark.parametrize(
    ("text", "id_"),
    [
        ("7", None),
        ("{}", None),
        ("[]", None),
        ('{"jsonrpc":"2.0","id":null,"method":"ping"}', None),
        ('{"jsonrpc":"2.0","id":true,"method":"ping"}', None),
        ('{"jsonrpc":"2.0","id":1.5,"method":"ping"}', None),
        ('{"jsonrpc":"2.0","id":9007199254740993,"method":"ping"}', None),
        ('{"id":5,"method":"ping"}', 5),
        ('{"jsonrpc":2.0,"id":5,"method":"ping"}', 5),
        ('{"jsonrpc":"2.0","id":"a","method":null}', "a"),
        ('{"jsonrpc":"2.0","id":"a","result":{}}', "a"),
    ],
)
def test_json_that_is_no_request_is_an_invalid_request(text: str, id_: object) -> None:
    """What is no request is answered with its id as far as that is one."""
    assert bad(text) == (id_, "invalid_request")


def test_a_batch_is_its_entries() -> None:
    """The entries of a batch are decoded one by one: a bad one does not hurt its neighbour."""
    frame = decode(' [{"jsonrpc":"2.0","id":1,"method":"ping"}, 7, []]')
    assert isinstance(frame, list)
    assert [type(entry) for entry in frame] == [Request, Bad, Bad]


def test_a_batch_has_a_limit() -> None:
    """A batch beyond the limit is refused as a whole, with one small error."""
    frame = protocol.decode("[1,2,3]", batch=2)
    assert isinstance(frame, Bad)
    assert frame.error.data == {"code": "limit_reached", "limit": 2, "retry": False}


@given(st.text())
def test_no_text_is_too_much_for_the_decoder(text: str) -> None:
    """Whatever a frame holds, it decodes to requests or to errors."""
    frame = decode(text)
    assert isinstance(frame, Request | Bad | list)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_no_json_is_too_much_for_the_decoder(value: Any) -> None:
    """Whatever JSON a frame holds, even what only Python writes, it decodes or is refused."""
    assert isinstance(decode(json.dumps(value)), Request | Bad | list)


def test_the_session_and_the_key_are_seen_from_outside() -> None:
    """What decides how a request is run can be read without knowing its flow."""
    seen = protocol.peek(Raw(f'{{"text":"x","key":"k","session_id":"{ID}"}}'.encode()))
    assert (seen.session_id, seen.key) == (ID, "k")


@pytest.mark.parametrize("params", [b"[]", b"7", b'{"key":7}', b'{"session_id":"x"}', b"[" * 9000])
def test_params_that_make_no_sense_decide_nothing(params: bytes) -> None:
    """From params that are wrong nothing is made out: the flow's parser will refuse them."""
    seen = protocol.peek(Raw(params))
    assert (seen.session_id, seen.key) == (UNSET, UNSET)


@pytest.mark.parametrize("form", ["{}", "[{}]", "[7, {}]"])
def test_a_lone_surrogate_reaches_the_parser_which_refuses_it_by_path(form: str) -> None:
    """What only Python's decoder reads is a request all the same: its params can be refused."""
    text = '{"jsonrpc":"2.0","id":1,"method":"ping","params":{"text":"a\\ud83d"}}'
    frame = decode(form.replace("{}", text))
    request = frame[-1] if isinstance(frame, list) else frame
    assert isinstance(request, Request)
    params: object = request.params
    assert (request.id, params) == (1, {"text": "a\ud83d"})


@pytest.mark.parametrize("name", ["id", "method"])
def test_a_lone_surrogate_is_never_echoed(name: str) -> None:
    """Where it would have to be sent back, a frame with a lone surrogate is no JSON."""
    request = {"jsonrpc": "2.0", "id": 1, "method": "ping", name: "\ud800"}
    assert bad(json.dumps(request)) == (None, "parse_error")


def test_a_body_and_its_key_header_are_one_input() -> None:
    """`Idempotency-Key` is another spelling of `key`; two that differ are refused."""
    assert protocol.decode_params(b'{"a":1}', "k") == {"a": 1, "key": "k"}
    assert protocol.decode_params(b'{"key":"k"}', "k") == {"key": "k"}
    differ = protocol.decode_params(b'{"key":"j"}', "k")
    assert isinstance(differ, Error)
    assert (differ.name, differ.data["path"]) == ("invalid_input", "$.key")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "parse_error"),
        (b"{", "parse_error"),
        (b'{"a":NaN}', "parse_error"),
        (b"\xff", "parse_error"),
        (b'{"a":"\\ud800",}', "parse_error"),
        (b"[]", "invalid_input"),
        (b"null", "invalid_input"),
    ],
)
def test_a_body_that_is_no_input_is_refused(body: bytes, code: str) -> None:
    """A body is a JSON object, or an error says what it is instead."""
    problem = protocol.decode_params(body, None)
    assert isinstance(problem, Error)
    assert problem.name == code


@pytest.mark.parametrize(
    ("exception", "number", "data"),
    [
        (Conflict(7), -32009, {"code": "conflict", "head": 7, "retry": False}),
        (AlreadyDone("so"), -32009, {"code": "already_done", "retry": False}),
        (Unavailable(), -32053, {"code": "unavailable", "retry": True, "retry_after_ms": 1000}),
        (
            InvalidValue("$.seq", "no"),
            -32602,
            {"code": "invalid_input", "path": "$.seq", "retry": False},
        ),
        (
            InvalidInput("ping", "$.x", "no"),
            -32602,
            {"code": "invalid_input", "path": "$.x", "retry": False},
        ),
    ],
)
def test_refusals_have_their_number_their_code_and_their_fields(
    exception: Exception, number: int, data: dict[str, object]
) -> None:
    """An error is the table's number, and the stable code with what belongs to it."""
    problem = protocol.error_of(exception, "t-1")
    assert (problem.code, problem.data) == (number, data)
    assert protocol.is_expected(exception)


def test_what_is_no_refusal_is_told_only_by_its_trace() -> None:
    """An unexpected exception's text stays here; the client gets the trace that finds it."""
    exception = RuntimeError("SELECT secret FROM /etc/passwd")
    problem = protocol.error_of(exception, "t-1")
    assert problem.code == -32603
    assert problem.data == {
        "code": "internal_error",
        "trace": "t-1",
        "retry": True,
        "retry_after_ms": 1000,
    }
    assert "secret" not in problem.message
    assert not protocol.is_expected(exception)


def test_a_pattern_is_told_in_words() -> None:
    """Nobody has to read a regular expression to learn what is wrong with a text."""
    reason = "Expected `str` matching regex '\\A...'"
    problem = protocol.error_of(InvalidInput("send_message", "$.text", reason), "")
    assert problem.message == "Expected text without NUL and without lone surrogates"


def test_an_event_shows_its_key_to_its_author_only() -> None:
    """The frame of an event is as the protocol prints it, with and without the key."""
    event = Event(
        session_id=ID,
        seq=2,
        kind="message_sent",
        actor="ann",
        at="2026-11-22T19:03:11.412Z",
        key="c-2",
        data=MessageSent(text="It leaks."),
    )
    with_key = (
        f'{{"jsonrpc":"2.0","method":"event","params":{{"session_id":"{ID}","seq":2,'
        '"kind":"message_sent","actor":"ann","at":"2026-11-22T19:03:11.412Z","key":"c-2",'
        '"data":{"text":"It leaks."}}}'
    )
    assert protocol.event_frame(event, with_key=True) == with_key
    assert protocol.event_frame(event, with_key=False) == with_key.replace('"key":"c-2",', "")


def test_replies_are_json_rpc() -> None:
    """A reply has the version, the request's id, and a result or an error."""
    assert protocol.reply("a", {"seq": 1}) == '{"jsonrpc":"2.0","id":"a","result":{"seq":1}}'
    problem = protocol.error("draining", "Going away")
    assert json.loads(protocol.error_reply(None, problem)) == {
        "jsonrpc": "2.0",
        "id": None,
        "error": {
            "code": -32053,
            "message": "Going away",
            "data": {"code": "draining", "retry": True, "retry_after_ms": 1000},
        },
    }


def test_every_refusal_has_a_number() -> None:
    """Each code that a flow may refuse with is in the table of the wire."""
    faults = {fault for flow in protocol.PUBLIC.values() for fault in flow.faults}
    codes = {fault.code for fault in faults if issubclass(fault, Refused)}
    assert all(issubclass(fault, Refused) for fault in faults)
    assert codes <= protocol.FAULTS.keys()
