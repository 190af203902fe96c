"""The contract as TypeScript types, made from the document alone."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from sessions_app.contract.schemas import Schema, name_of

_PLAIN = {
    "string": "string",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "null": "null",
}

_HEAD = """\
// The wire of Flow Sessions, for whoever writes a client. Made by `manage.py schema --write`.

export type Id = number | string;
"""

_TAIL = """
export type Method = keyof Methods;
export type Params<M extends Method> = Methods[M]["params"];
export type Result<M extends Method> = Methods[M]["result"];

export type Request<M extends Method = Method> = {
  [K in M]: { jsonrpc: "2.0"; id: Id; method: K; params: Params<K> };
}[M];
export interface Reply<M extends Method = Method> {
  jsonrpc: "2.0";
  id: Id;
  result: Result<M>;
}
export interface ErrorReply {
  jsonrpc: "2.0";
  id: Id | null;
  error: CallError;
}

export type Notification = {
  [K in keyof Notifications]: { jsonrpc: "2.0"; method: K; params: Notifications[K] };
}[keyof Notifications];

export type ErrorCode = keyof Errors;
export type CallError = Errors[ErrorCode];

export type CloseCode = ReconnectCode | StopCode;

// -- the client in `sessions.js`, beside this file --------------------------------------------

export declare class CallFailed extends Error {
  readonly code: string;
  readonly path: string | null;
  readonly data: Record<string, unknown>;
}

export declare class Stopped extends Error {
  readonly code: number;
}

export interface OutboxEntry {
  key: string;
  method: string;
  params: Record<string, any>;
  at: number;
}

export interface ClientOptions {
  url?: string | URL;
  ticket?: () => Promise<string>;
  token?: string;
  WebSocket?: any;
  user?: string;
  keep?: {
    readonly length: number;
    key(index: number): string | null;
    getItem(name: string): string | null;
    setItem(name: string, value: string): void;
    removeItem(name: string): void;
  } | null;
}

export type ClientState =
  | { name: "connecting" }
  | { name: "open"; welcome: WelcomeParams }
  | { name: "waiting"; retry_in_ms: number }
  | { name: "offline" }
  | { name: "stopped"; why: Stopped };

export interface ClientNews {
  state: ClientState;
  outbox: OutboxEntry[];
  written: { entry: OutboxEntry; result: any };
  refused: { entry: OutboxEntry; error: Error };
}

/** The params of a flow; a key is chosen where there is none. */
export type Call<M extends Method> = Params<M> extends { key: string }
  ? Omit<Params<M>, "key"> & { key?: string }
  : Params<M>;

export declare class SessionsClient {
  constructor(options?: ClientOptions);
  readonly state: ClientState;
  readonly outbox: OutboxEntry[];
  call<M extends Method>(method: M, params?: Call<M>): Promise<Result<M>>;
  watch(sessionId: string, from?: { after?: number }): AsyncIterableIterator<Event>;
  observe(
    sessionId: string, from?: { after?: number; reason?: string }): AsyncIterableIterator<Event>;
  on<N extends keyof Notifications>(
    name: N, listener: (params: Notifications[N]) => void): () => void;
  on<N extends keyof ClientNews>(name: N, listener: (news: ClientNews[N]) => void): () => void;
  discard(key: string): void;
  connectNow(): void;
  close(): void;
}
"""


def types(document: Mapping[str, Any]) -> str:
    """A module of types: every schema by its name, and maps of methods, notifications, errors."""
    schemas = document["components"]["schemas"]
    return (
        "\n".join(
            [
                _HEAD,
                *(_declared(name, schema) for name, schema in schemas.items()),
                _methods(document),
                _map("Notifications", _notifications(document)),
                _map("Errors", _errors(document)),
                *_closes(document["x-close-codes"]),
            ]
        )
        + _TAIL
    )


def _declared(name: str, schema: Schema) -> str:
    comment = _comment(schema.get("description", ""), "")
    if schema.get("properties"):
        return f"{comment}export interface {name} {type_of(schema)}\n"
    return f"{comment}export type {name} = {type_of(schema)};\n"


def type_of(schema: Schema, indent: str = "") -> str:
    """A schema as a TypeScript type."""
    match schema:
        case {"$ref": _}:
            return name_of(schema)
        case {"const": value}:
            return json.dumps(value)
        case {"enum": values}:
            return " | ".join(json.dumps(each) for each in values)
        case {"anyOf": parts} | {"oneOf": parts}:
            return " | ".join(type_of(each, indent) for each in parts)
        case {"type": "array"}:
            return _array(schema, indent)
        case {"type": "object"}:
            return _object(schema, indent)
        case {"type": str(kind)}:
            return _PLAIN[kind]
        case _:
            return "unknown"


def _array(schema: Schema, indent: str) -> str:
    item = type_of(schema["items"], indent)
    if schema.get("minItems") == schema.get("maxItems") == 2:
        return f"[{item}, {item}]"
    return f"({item})[]" if " | " in item else f"{item}[]"


def _object(schema: Schema, indent: str) -> str:
    """An object with these fields, or a map where no field is named."""
    others = schema.get("additionalProperties")
    if "properties" not in schema:
        value = type_of(others) if isinstance(others, dict) else "unknown"
        return f"Record<string, {value}>"
    if not schema["properties"]:
        return "Record<string, never>" if others is False else "Record<string, unknown>"
    required = set(schema.get("required", ()))
    lines = []
    for name, each in schema["properties"].items():
        mark = "" if name in required else "?"
        lines.append(f"{indent}  {name}{mark}: {type_of(each, indent + '  ')};")
    return "\n".join(["{", *lines, indent + "}"])


def _comment(text: str, indent: str) -> str:
    if not text:
        return ""
    lines = text.replace("*/", "* /").split("\n")
    if len(lines) == 1:
        return f"{indent}/** {lines[0]} */\n"
    body = "\n".join(f"{indent} * {line}".rstrip() for line in lines)
    return f"{indent}/**\n{body}\n{indent} */\n"


def _map(name: str, entries: Iterable[tuple[str, str]]) -> str:
    lines = "\n".join(f"  {key}: {value};" for key, value in entries)
    return f"export interface {name} {{\n{lines}\n}}\n"


def _methods(document: Mapping[str, Any]) -> str:
    """Every method's params, result and the codes of its own faults."""
    messages = document["components"]["messages"]
    lines = []
    for name, operation in document["operations"].items():
        if operation["action"] != "receive":
            continue
        params = type_of(messages[f"{name}.request"]["payload"]["properties"]["params"])
        result = type_of(messages[f"{name}.result"]["payload"]["properties"]["result"])
        faults = " | ".join(json.dumps(code) for code in operation["x-faults"])
        lines.append(_comment(operation["summary"], "  ").rstrip("\n"))
        lines.append(f"  {name}: {{\n    params: {params};\n    result: {result};")
        lines.append(f"    faults: {faults};\n  }};")
    return "\n".join(["export interface Methods {", *lines, "}\n"])


def _notifications(document: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for name, message in document["components"]["messages"].items():
        if name.endswith(".notification"):
            yield message["name"], type_of(message["payload"]["properties"]["params"])


def _errors(document: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for schema in document["components"]["messages"]["error"]["payload"]["properties"]["error"][
        "oneOf"
    ]:
        name = name_of(schema)
        data = document["components"]["schemas"][name]["properties"]["data"]
        yield data["properties"]["code"]["const"], name


def _closes(codes: list[dict[str, Any]]) -> Iterable[str]:
    for name, then in (("ReconnectCode", "reconnect"), ("StopCode", "stop")):
        numbers = " | ".join(str(each["code"]) for each in codes if each["then"] == then)
        yield f"export type {name} = {numbers};\n"
