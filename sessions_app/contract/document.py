"""The contract as an AsyncAPI 3 document: deterministic, the same for the same flows."""

import json
from functools import cache
from typing import Any

from flows.atoms.limits import Limits
from flows.create_session import MAX_PARTICIPANTS
from flows.engine import Flow
from flows.input import MAX_INT, METADATA_BYTES, METADATA_DEPTH, Mutation
from sessions_app import close_codes
from sessions_app.contract.faults import OF_ANY_CALL, error_schema, faults_of, schema_name, summary
from sessions_app.contract.notifications import NOTIFICATIONS
from sessions_app.contract.schemas import Schema, components, ref
from sessions_app.protocol import AS_STAFF, CONNECTION_ONLY, FAULTS, PUBLIC, SUBPROTOCOL

#: The contract's own version: the major one is the subprotocol's; the minor one grows with it.
VERSION = "1.0.0"

DESCRIPTION = """\
JSON-RPC 2.0 over one WebSocket: the method is a flow's name, the params are its input, the result
is its output. What the server tells on its own are notifications.

A result means that it is stored. A `key` runs once, for ever: after a lost reply, repeat the same
frame. Each session's events have the seqs 1, 2, 3, … without holes; after a reconnect,
`watch_sessions` with the last one seen brings what was missed. Clients pass over fields,
notifications and kinds of events that they do not know."""

_ID: Schema = {
    "type": ["integer", "string"],
    "minimum": -MAX_INT,
    "maximum": MAX_INT,
    "maxLength": 64,
}

_SECURITY: dict[str, Schema] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "`Authorization: Bearer <token>`, from any origin.",
    },
    "cookie": {
        "type": "httpApiKey",
        "name": "sessionid",
        "in": "cookie",
        "description": "Who has signed in; then the Origin must be the server's or an allowed one.",
    },
    "ticket": {
        "type": "httpApiKey",
        "name": "ticket",
        "in": "query",
        "description": "A ticket of `POST /api/tickets/`: good for one connection within 30 s.",
    },
}


@cache
def document() -> dict[str, Any]:
    """The whole contract. It is shared: do not change it."""
    schemas, messages = _schemas(), _messages()
    of_channel = {name: {"$ref": f"#/components/messages/{name}"} for name in sorted(messages)}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Flow Sessions", "version": VERSION, "description": DESCRIPTION},
        "defaultContentType": "application/json",
        "servers": {
            "socket": {
                "host": "{host}",
                "pathname": "/ws/",
                "protocol": "wss",
                "description": "Any process of the server; nothing is sticky.",
                "variables": {"host": {"default": "localhost"}},
                "security": [
                    {"$ref": f"#/components/securitySchemes/{each}"} for each in _SECURITY
                ],
            }
        },
        "channels": {"socket": _channel(of_channel)},
        "operations": {
            **{name: _call(PUBLIC[name]) for name in sorted(PUBLIC)},
            **{f"told_{name}": _told(name) for name in sorted(NOTIFICATIONS)},
        },
        "components": {
            "messages": {name: messages[name] for name in sorted(messages)},
            "schemas": {name: schemas[name] for name in sorted(schemas)},
            "securitySchemes": _SECURITY,
        },
        "x-subprotocol": SUBPROTOCOL,
        "x-close-codes": _closes(),
        "x-errors": {code: summary(code) for code in sorted(FAULTS)},
        "x-errors-of-any-call": list(OF_ANY_CALL),
        "x-limits": _limits(),
    }


def printed(document: dict[str, Any]) -> str:
    """The document as JSON for people to read and for version control to compare."""
    return json.dumps(document, indent=2) + "\n"


def _channel(messages: dict[str, Schema]) -> Schema:
    query = {
        "type": "object",
        "properties": {
            "ticket": {"type": "string"},
            "batch": {"const": "1", "description": "The server may send arrays, too."},
            "added": {"const": "1", "description": "The server tells of additions by `added`."},
        },
    }
    return {
        "address": "/ws/",
        "description": f"Text frames of JSON, with the subprotocol `{SUBPROTOCOL}`.",
        "messages": messages,
        "bindings": {"ws": {"method": "GET", "query": query}},
    }


# -- operations ------------------------------------------------------------------------------------


def _call(flow: Flow[Any, Any]) -> Schema:
    operation: Schema = {
        "action": "receive",
        "channel": {"$ref": "#/channels/socket"},
        "summary": flow.summary,
        "messages": [_message_of_channel(f"{flow.name}.request")],
        "reply": {
            "channel": {"$ref": "#/channels/socket"},
            "messages": [_message_of_channel(f"{flow.name}.result"), _message_of_channel("error")],
        },
        "x-faults": faults_of(flow),
        "x-idempotent": issubclass(flow.input_type, Mutation),
        "x-staff": flow.name in AS_STAFF,
    }
    if flow.name not in CONNECTION_ONLY:
        operation["x-http"] = {"method": "POST", "path": f"/api/flows/{flow.name}/"}
    return operation


def _told(name: str) -> Schema:
    return {
        "action": "send",
        "channel": {"$ref": "#/channels/socket"},
        "summary": (NOTIFICATIONS[name].__doc__ or "").partition("\n")[0],
        "messages": [_message_of_channel(f"{name}.notification")],
    }


def _message_of_channel(name: str) -> Schema:
    return {"$ref": f"#/channels/socket/messages/{name}"}


# -- messages --------------------------------------------------------------------------------------


def _messages() -> dict[str, Schema]:
    messages = {"error": _message("error", _error_reply())}
    for name, flow in PUBLIC.items():
        request = {"method": {"const": name}, "params": ref(flow.input_type.__name__)}
        takes_nothing = not flow.input_type.__struct_fields__
        required = ["method"] if takes_nothing else ["method", "params"]
        messages[f"{name}.request"] = _message(name, _envelope({"id": _ID} | request, required))
        result = {"id": _ID, "result": ref(flow.output_type.__name__)}
        messages[f"{name}.result"] = _message(name, _envelope(result, ["id", "result"]))
    for name, params in NOTIFICATIONS.items():
        told = {"method": {"const": name}, "params": ref(params.__name__)}
        messages[f"{name}.notification"] = _message(name, _envelope(told, ["method", "params"]))
    return messages


def _error_reply() -> Schema:
    anything = {"oneOf": [ref(schema_name(code)) for code in sorted(FAULTS)]}
    id_ = _ID | {"type": [*_ID["type"], "null"]}
    return _envelope({"id": id_, "error": anything}, ["id", "error"])


def _message(name: str, payload: Schema) -> Schema:
    return {"name": name, "contentType": "application/json", "payload": payload}


def _envelope(fields: dict[str, Schema], required: list[str]) -> Schema:
    return {
        "type": "object",
        "properties": {"jsonrpc": {"const": "2.0"}, **fields},
        "required": ["jsonrpc", *required],
    }


# -- the rest --------------------------------------------------------------------------------------


def _schemas() -> dict[str, Schema]:
    made = components(
        inputs=[flow.input_type for flow in PUBLIC.values()],
        outputs=[*(flow.output_type for flow in PUBLIC.values()), *NOTIFICATIONS.values()],
    )
    return made | {schema_name(code): error_schema(code) for code in FAULTS}


def _closes() -> list[Schema]:
    found = [each for each in vars(close_codes).values() if isinstance(each, tuple)]
    return [
        {"code": code, "reason": reason, "then": "reconnect" if code < 4500 else "stop"}
        for code, reason in sorted(found)
    ]


def _limits() -> dict[str, int]:
    """The defaults of what `welcome` tells, and what is always so."""
    granted = Limits()
    return {
        "batch": granted.batch,
        "frame_bytes": granted.frame_bytes,
        "in_flight": granted.in_flight,
        "metadata_bytes": METADATA_BYTES,
        "metadata_depth": METADATA_DEPTH,
        "participants": MAX_PARTICIPANTS,
        "rate_burst": granted.rate.burst,
        "rate_per_second": granted.rate.per_second,
        "watching": granted.watching,
    }
