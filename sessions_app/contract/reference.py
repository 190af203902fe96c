"""The contract as what a page shows: sections, entries and fields, made from the document alone."""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from sessions_app.contract.schemas import Schema, name_of
from sessions_app.contract.typescript import type_of

#: How bounds read; `…` stands for the value.
_BOUNDS = {
    "minLength": "at least … characters",
    "maxLength": "at most … characters",
    "minimum": "from …",
    "maximum": "to …",
    "minItems": "at least … entries",
    "maxItems": "at most … entries",
    "default": "default …",
}


class Field(Struct, frozen=True):
    """A field of an object: `kind` is its type, `about` its bounds in words."""

    name: str
    kind: str
    required: bool
    about: str


class Shape(Struct, frozen=True):
    """A named object or union: what it says of itself and its fields, or what it is one of."""

    name: str
    about: str
    fields: list[Field]
    kind: str


class Method(Struct, frozen=True):
    """A call: its params, its result and how it fails."""

    name: str
    about: str
    params: Shape
    result: Shape
    faults: list[str]
    http: str
    repeatable: bool


class Notification(Struct, frozen=True):
    """Something the server tells on its own."""

    name: str
    about: str
    params: Shape


class Reference(Struct, frozen=True):
    """All of it."""

    title: str
    version: str
    subprotocol: str
    about: list[str]
    methods: list[Method]
    notifications: list[Notification]
    events: list[Shape]
    shapes: list[Shape]
    errors: list[tuple[str, Mapping[str, Any]]]
    closes: list[Mapping[str, Any]]
    limits: list[tuple[str, int]]
    security: list[tuple[str, str]]


def reference(document: Mapping[str, Any]) -> Reference:
    """What a page of the contract shows."""
    schemas: Mapping[str, Schema] = document["components"]["schemas"]
    methods, notifications = list(_methods(document)), list(_notifications(document))
    events = [shape(name_of(each), schemas) for each in schemas["Event"]["oneOf"]]
    shown = {each.name for each in events} | {each.params.name for each in notifications}
    shown |= {name for each in methods for name in (each.params.name, each.result.name)}
    errors = {name for name in schemas if name.endswith("Error")}
    return Reference(
        title=document["info"]["title"],
        version=document["info"]["version"],
        subprotocol=document["x-subprotocol"],
        about=document["info"]["description"].split("\n\n"),
        methods=methods,
        notifications=notifications,
        events=events,
        shapes=[shape(name, schemas) for name in schemas if name not in shown | errors],
        errors=list(document["x-errors"].items()),
        closes=document["x-close-codes"],
        limits=list(document["x-limits"].items()),
        security=[
            (name, each["description"])
            for name, each in document["components"]["securitySchemes"].items()
        ],
    )


def shape(name: str, schemas: Mapping[str, Schema]) -> Shape:
    """The schema called `name`."""
    schema = schemas[name]
    required = set(schema.get("required", ()))
    fields = [
        Field(key, type_of(each), key in required, _bounds(each))
        for key, each in schema.get("properties", {}).items()
    ]
    kind = "" if fields or schema.get("type") == "object" else type_of(schema)
    return Shape(name, schema.get("description", ""), fields, kind)


def _methods(document: Mapping[str, Any]) -> Iterator[Method]:
    schemas, messages = document["components"]["schemas"], document["components"]["messages"]
    for name, each in document["operations"].items():
        if each["action"] != "receive":
            continue
        params = messages[f"{name}.request"]["payload"]["properties"]["params"]
        result = messages[f"{name}.result"]["payload"]["properties"]["result"]
        yield Method(
            name=name,
            about=each["summary"],
            params=shape(name_of(params), schemas),
            result=shape(name_of(result), schemas),
            faults=each["x-faults"],
            http=each["x-http"]["path"] if "x-http" in each else "",
            repeatable=each["x-idempotent"],
        )


def _notifications(document: Mapping[str, Any]) -> Iterator[Notification]:
    schemas = document["components"]["schemas"]
    for message in document["components"]["messages"].values():
        params = message["payload"]["properties"].get("params")
        if "id" not in message["payload"]["properties"]:
            about = shape(name_of(params), schemas)
            yield Notification(message["name"], about.about, about)


def _bounds(schema: Schema) -> str:
    """What is said of a value beside its type."""
    parts = schema.get("anyOf", [schema])
    told = [
        words.replace("…", str(each[bound]))
        for each in (*parts, *([schema] if "anyOf" in schema else []))
        for bound, words in _BOUNDS.items()
        if each.get(bound) not in (None, "", [], {}, 2**53 - 1)
    ]
    return ", ".join(told)
