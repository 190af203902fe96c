"""How calls fail: what is told beside each code, and what any call may answer."""

from typing import Any

from flows.engine import Flow
from flows.errors import Refused
from sessions_app.protocol import FAULTS, Fault

#: What stands in `error.data` beside `code`, `retry` and `retry_after_ms` (protocol, section 6).
DETAILS: dict[str, dict[str, str]] = {
    "invalid_input": {"path": "string"},
    "internal_error": {"trace": "string"},
    "conflict": {"head": "integer"},
    "unrecoverable_position": {"head": "integer", "epoch": "string"},
    "too_large": {"limit": "integer"},
    "limit_reached": {"limit": "integer"},
}

#: What each code means, for people.
MEANING = {
    "parse_error": "The frame is no JSON.",
    "invalid_request": "The frame is no JSON-RPC 2.0 request.",
    "method_not_found": "There is no such method, or not at this door.",
    "invalid_input": "A value is wrong; `path` is where.",
    "internal_error": "Something went wrong in the server; its log has the `trace`.",
    "unauthenticated": "Nobody is signed in, or the token is not known.",
    "forbidden": "The caller may not do this.",
    "session_not_found": "There is no such session, or none that the caller may know of.",
    "session_ended": "The session takes no more writes until it is resumed.",
    "conflict": "The session is not at `if_head` any more, but at `head`.",
    "key_conflict": "The key was used before, with other params.",
    "already_done": "The session is already as asked; nothing was written.",
    "unrecoverable_position": "The log does not have the position: take a snapshot, watch from it.",
    "too_large": "More bytes than are taken.",
    "limit_reached": "More than the server grants, which is `limit`.",
    "rate_limited": "Too fast.",
    "unavailable": "The database cannot be reached.",
    "draining": "The process is about to end: connect to another.",
    "timed_out": "The outcome is not known: repeat the key.",
}

#: What every call may answer, whatever flow it is for.
OF_ANY_CALL = (
    "draining", "internal_error", "invalid_input", "limit_reached", "rate_limited", "timed_out",
)  # fmt: skip


def faults_of(flow: Flow[Any, Any]) -> list[str]:
    """The codes by which `flow` refuses, sorted, those of any call among them."""
    own = {each.code for each in flow.faults if issubclass(each, Refused)}
    return sorted(own.union(OF_ANY_CALL))


def schema_name(code: str) -> str:
    """`key_conflict` -> `KeyConflictError`; `Error` only once."""
    words = "".join(word.capitalize() for word in code.split("_"))
    return f"{words.removesuffix('Error')}Error"


def error_schema(code: str) -> dict[str, Any]:
    """The JSON Schema of JSON-RPC's error object for `code`."""
    fault = FAULTS[code]
    details: dict[str, Any] = {
        "code": {"const": code},
        **{name: {"type": kind} for name, kind in DETAILS.get(code, {}).items()},
        "retry": {"const": _is_retried(fault)},
    }
    if _is_retried(fault):
        details["retry_after_ms"] = {"type": "integer"}
    return {
        "title": schema_name(code),
        "description": MEANING[code],
        "type": "object",
        "properties": {
            "code": {"const": fault.number},
            "message": {"type": "string"},
            "data": {"type": "object", "properties": details, "required": list(details)},
        },
        "required": ["code", "message", "data"],
    }


def summary(code: str) -> dict[str, Any]:
    """A code's number, HTTP status, and whether the same frame may be sent again."""
    fault = FAULTS[code]
    return {
        "number": fault.number,
        "status": fault.status,
        "retry": _is_retried(fault),
        "meaning": MEANING[code],
        "details": sorted(DETAILS.get(code, {})),
    }


def _is_retried(fault: Fault) -> bool:
    return fault.retry_after_ms is not None
