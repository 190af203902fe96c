"""The contract as what a page shows: sections, entries and fields, made from the document alone."""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from flows.input import MAX_INT
from sessions_app.contract.schemas import Schema, name_of
from sessions_app.contract.typescript import type_of

#: What bounds a value from below and from above, and what is counted.
_BOUNDS = (
    ("minLength", "maxLength", " characters"),
    ("minItems", "maxItems", " entries"),
    ("minimum", "maximum", ""),
)


class Field(Struct, frozen=True):
    """A field of an object: its type, the shape that this is made of, its bounds in words."""

    name: str
    kind: str
    made_of: str
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
    for_staff: bool


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
    shown |= {name for name in schemas if name.endswith("Error")}
    shown -= {field.made_of for name in schemas for field in shape(name, schemas).fields}
    shown |= {each.name for each in events}
    return Reference(
        title=document["info"]["title"],
        version=document["info"]["version"],
        subprotocol=document["x-subprotocol"],
        about=document["info"]["description"].split("\n\n"),
        methods=methods,
        notifications=notifications,
        events=events,
        shapes=[shape(name, schemas) for name in schemas if name not in shown],
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
        Field(key, type_of(each), _made_of(each), key in required, _bounds(each))
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
            for_staff=each["x-staff"],
        )


def _notifications(document: Mapping[str, Any]) -> Iterator[Notification]:
    schemas = document["components"]["schemas"]
    for message in document["components"]["messages"].values():
        params = message["payload"]["properties"].get("params")
        if "id" not in message["payload"]["properties"]:
            about = shape(name_of(params), schemas)
            yield Notification(message["name"], about.about, about)


def _made_of(schema: Schema) -> str:
    """The first shape that is named in a schema."""
    if "$ref" in schema:
        return name_of(schema)
    parts = [*schema.get("anyOf", ()), schema.get("items", {})]
    return next(filter(None, (_made_of(each) for each in parts if each)), "")


def _bounds(schema: Schema) -> str:
    """What is said of a value beside its type."""
    told = []
    for each in schema.get("anyOf", [schema]):
        told.append(each.get("format", ""))
        told.extend(_range(each.get(low), each.get(high), of) for low, high, of in _BOUNDS)
    if schema.get("default") not in (None, "", [], {}):
        told.append(f"{schema['default']} if not given")
    return ", ".join(filter(None, told))


def _range(low: int | None, high: int | None, of: str) -> str:
    """From `low` to `high`; what only keeps integers exact is not worth a word."""
    if high == MAX_INT:
        high = None
    if low is not None and high is not None:
        return f"{low} to {high}{of}"
    if high is not None:
        return f"at most {high}{of}"
    return "" if low is None else f"at least {low}{of}"
