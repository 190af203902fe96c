"""Frames ↔ flows: which flows clients may call, and how JSON-RPC 2.0 spells requests and replies.

Nothing here does I/O. What is wrong with a frame becomes an `Error`, never an exception.
"""

import json
import re
from typing import Annotated, Any, Literal, NoReturn, TypeAlias
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from flows.add_participant import add_participant
from flows.create_session import create_session
from flows.end_session import end_session
from flows.engine import Flow, InvalidInput
from flows.errors import InvalidValue, LimitReached, Refused
from flows.events import Event
from flows.get_session import get_session
from flows.input import MAX_INT
from flows.leave_session import leave_session
from flows.list_events import list_events
from flows.list_sessions import list_sessions
from flows.mark_seen import mark_seen
from flows.observe_session import observe_session
from flows.ping import ping
from flows.remove_participant import remove_participant
from flows.rename_session import rename_session
from flows.resume_session import resume_session
from flows.send_message import send_message
from flows.signal import signal
from flows.unwatch_sessions import unwatch_sessions
from flows.watch_sessions import watch_sessions
from sessions_app.counts import counts

#: The subprotocol; its name holds the major version of the wire.
SUBPROTOCOL = "sessions.v1.jsonrpc"

#: The flows that clients may call, by method. Adding one here publishes it.
PUBLIC: dict[str, Flow[Any, Any]] = {
    each.name: each
    for each in (
        create_session,
        rename_session,
        end_session,
        resume_session,
        add_participant,
        remove_participant,
        leave_session,
        send_message,
        mark_seen,
        list_sessions,
        get_session,
        list_events,
        watch_sessions,
        unwatch_sessions,
        observe_session,
        signal,
        ping,
    )
}

#: Those that need a connection to watch with; the other doors do not have them.
CONNECTION_ONLY = frozenset({"watch_sessions", "unwatch_sessions", "observe_session", "signal"})

#: Those that ask for the rights of staff: all others have none, wherever they come from.
AS_STAFF = frozenset({"observe_session"})

# -- errors --------------------------------------------------------------------------------------


class Fault(Struct, frozen=True):
    """How a code is spelled: its JSON-RPC number, its HTTP status, after how long to retry."""

    number: int
    status: int
    retry_after_ms: int | None = None


#: Protocol, section 6. The first four numbers are JSON-RPC's own (its section 5.1).
FAULTS: dict[str, Fault] = {
    "parse_error": Fault(-32700, 400),
    "invalid_request": Fault(-32600, 400),
    "method_not_found": Fault(-32601, 404),
    "invalid_input": Fault(-32602, 422),
    "internal_error": Fault(-32603, 500, 1_000),
    "unauthenticated": Fault(-32001, 401),
    "forbidden": Fault(-32003, 403),
    "session_not_found": Fault(-32004, 404),
    "session_ended": Fault(-32009, 409),
    "conflict": Fault(-32009, 409),
    "key_conflict": Fault(-32009, 409),
    "already_done": Fault(-32009, 409),
    "unrecoverable_position": Fault(-32010, 410),
    "too_large": Fault(-32013, 413),
    "limit_reached": Fault(-32013, 413),
    "rate_limited": Fault(-32029, 429, 1_000),
    "unavailable": Fault(-32053, 503, 1_000),
    "draining": Fault(-32053, 503, 1_000),
    "timed_out": Fault(-32054, 504, 1_000),
}


class Error(Struct, frozen=True):
    """JSON-RPC's error object; `data.code` is the stable name."""

    code: int
    message: str
    data: dict[str, Any]

    @property
    def name(self) -> str:
        """The stable name of what is wrong."""
        name: str = self.data["code"]
        return name

    @property
    def status(self) -> int:
        """The HTTP status of the same error."""
        return FAULTS[self.name].status


def error(name: str, message: str, **fields: int | str) -> Error:
    """The error called `name`, with `fields` beside its code."""
    fault = FAULTS[name]
    counts.errors[name] += 1
    data: dict[str, Any] = {"code": name, **fields, "retry": fault.retry_after_ms is not None}
    if fault.retry_after_ms is not None:
        data.setdefault("retry_after_ms", fault.retry_after_ms)
    return Error(fault.number, message, data)


def error_of(exception: Exception, trace: str) -> Error:
    """What a client is told of `exception`: refusals in words, anything else only by `trace`."""
    match exception:
        case InvalidValue():
            return error("invalid_input", exception.reason, path=exception.path)
        case Refused():
            return error(exception.code, str(exception), **exception.fields())
        case InvalidInput():
            return error("invalid_input", _in_words(exception.reason), path=exception.path)
        case _:
            return error("internal_error", "Something went wrong here; try again", trace=trace)


def is_expected(exception: Exception) -> bool:
    """Whether `exception` is an answer, not a fault of ours that belongs into the log."""
    return isinstance(exception, Refused | InvalidInput)


def _in_words(reason: str) -> str:
    # The only pattern there is; nobody should have to read it.
    if "matching regex" in reason:
        return "Expected text without NUL and without lone surrogates"
    return reason


# -- from the wire -------------------------------------------------------------------------------

Id: TypeAlias = Annotated[int, Meta(ge=-MAX_INT, le=MAX_INT)] | Annotated[str, Meta(max_length=64)]


class Request(Struct, frozen=True):
    """A flow to run. Without an `id` it is JSON-RPC's notification: run, but not answered."""

    jsonrpc: Literal["2.0"]
    method: str
    id: Id | UnsetType = UNSET
    # Not decoded yet; but see `_decode_leniently`.
    params: Raw = Raw(b"{}")


class Bad(Struct, frozen=True):
    """A frame, or an entry of a batch, that is no request."""

    id: Id | None
    error: Error


Frame: TypeAlias = Request | Bad | list[Request | Bad]


class Peek(Struct, frozen=True):
    """What of a request's params decides how it is run."""

    session_id: UUID | UnsetType = UNSET
    key: str | UnsetType = UNSET


_request_decoder = msgspec.json.Decoder(Request)
_peek_decoder = msgspec.json.Decoder(Peek)
_batch_decoder = msgspec.json.Decoder(list[Raw])
_any_decoder = msgspec.json.Decoder()


def decode(text: str, *, batch: int) -> Frame:
    """The requests in a text frame; a batch may have up to `batch` entries."""
    if not text.lstrip(" \t\r\n").startswith("["):
        return _decode_one(text)
    try:
        entries = _entries(text)
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
        return _unreadable()
    if not entries:
        return Bad(None, error("invalid_request", "Expected at least one request in a batch"))
    if len(entries) > batch:
        limit = LimitReached(batch, "requests in a batch")
        return Bad(None, error_of(limit, ""))
    return [_decode_one(entry) for entry in entries]


def _entries(text: str) -> list[Raw]:
    try:
        return _batch_decoder.decode(text)
    except msgspec.DecodeError:
        return [Raw(json.dumps(each).encode()) for each in _lenient(text.encode())]


def _decode_one(source: str | Raw) -> Request | Bad:
    try:
        return _request_decoder.decode(source)
    except msgspec.ValidationError as problem:
        return _not_a_request(source, str(problem))
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return _decode_leniently(source)


def _decode_leniently(source: str | Raw) -> Request | Bad:
    """A request with lone surrogates in it: no JSON for msgspec, but the path can be told."""
    try:
        value = _lenient(source.encode() if isinstance(source, str) else bytes(source))
        params = value.pop("params", {})
        # Encoded, since what will be echoed must be encodable.
        envelope = _request_decoder.decode(msgspec.json.encode(value))
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
        return _unreadable()
    return msgspec.structs.replace(envelope, params=params)


def _unreadable() -> Bad:
    return Bad(None, error("parse_error", "This is not JSON"))


def _not_a_request(source: str | Raw, problem: str) -> Bad:
    try:
        value = _any_decoder.decode(source)
    except (msgspec.DecodeError, RecursionError):
        return _unreadable()
    try:
        id_ = msgspec.convert(value["id"], Id)
    except (TypeError, KeyError, msgspec.ValidationError):
        id_ = None
    return Bad(id_, error("invalid_request", problem))


def peek(params: Raw) -> Peek:
    """The session and the key that `params` name, as far as they can be made out."""
    try:
        return _peek_decoder.decode(params)
    except (msgspec.DecodeError, RecursionError, TypeError):
        return Peek()  # the flow's parser will refuse them


_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def _lenient(source: bytes) -> Any:
    """The value of JSON in which there may be lone surrogates; raises ValueError if it is none.

    msgspec does not read them, so that such a text would be no JSON at all. Python's decoder does,
    and then a flow's parser refuses them by path.
    """
    try:
        return _any_decoder.decode(source)
    except msgspec.DecodeError:
        if not _SURROGATE.search(source):
            raise
        return json.loads(source, parse_constant=_refuse)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def decode_params(body: bytes, key: str | None) -> dict[str, Any] | Error:
    """A flow's params from the body of an HTTP request, `key` being its `Idempotency-Key`."""
    try:
        params = _lenient(body)
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
        return error("parse_error", "This is not JSON")
    if not isinstance(params, dict):
        return error("invalid_input", "Expected an object", path="$")
    if key is None:
        return params
    if params.setdefault("key", key) != key:
        return error("invalid_input", "Expected the same key as in Idempotency-Key", path="$.key")
    return params


# -- to the wire ---------------------------------------------------------------------------------


class _Reply(Struct, frozen=True):
    jsonrpc: str
    id: Id | None
    result: Any


class _ErrorReply(Struct, frozen=True):
    jsonrpc: str
    id: Id | None
    error: Error


class _Notification(Struct, frozen=True):
    jsonrpc: str
    method: str
    params: Any


_encoder = msgspec.json.Encoder()


def reply(id_: Id, result: object) -> str:
    """The frame that answers a request with its flow's result."""
    return _encoder.encode(_Reply("2.0", id_, result)).decode()


def error_reply(id_: Id | None, problem: Error) -> str:
    """The frame that answers a request, or a frame that was none, with an error."""
    return _encoder.encode(_ErrorReply("2.0", id_, problem)).decode()


def array(frames: list[str]) -> str:
    """Several frames as one JSON-RPC batch."""
    return f"[{','.join(frames)}]"


def notification(method: str, params: object) -> str:
    """The frame of something that the server tells on its own."""
    return _encoder.encode(_Notification("2.0", method, params)).decode()


def event_frame(event: Event, *, with_key: bool) -> str:
    """The frame of an event; its key is for its author only."""
    if not with_key and event.key is not UNSET:
        event = msgspec.structs.replace(event, key=UNSET)
    return notification("event", event)
