"""JSON Schema of structs, as the server writes and reads them."""

import inspect
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import msgspec
from msgspec import inspect as types
from msgspec import structs

from flows.events import BODIES, Event

Schema: TypeAlias = dict[str, Any]

REF = "#/components/schemas/"


def ref(name: str) -> Schema:
    """A reference to the component `name`."""
    return {"$ref": REF + name}


def name_of(schema: Mapping[str, Any]) -> str:
    """The component that a reference refers to."""
    path: str = schema["$ref"]
    return path.removeprefix(REF)


def components(inputs: Iterable[type], outputs: Iterable[type]) -> dict[str, Schema]:
    """The schemas of all these structs and of what they consist of, by name.

    A field that has a default need not be sent, but is always there in what the server sends.
    """
    inputs, outputs = list(inputs), list(outputs)
    roots = [*inputs, *outputs, *BODIES.values()]
    _, made = msgspec.json.schema_components(roots, ref_template=REF + "{name}")
    sent = {each.__name__: each for each in structs_in([*outputs, *BODIES.values()])}
    for name, schema in made.items():
        if "description" in schema:
            schema["description"] = inspect.cleandoc(schema["description"])
        if name in sent:
            _require_what_is_always_sent(schema, sent[name])
    if Event.__name__ in made:
        made |= _events(made[Event.__name__])
    return made


def structs_in(roots: Iterable[type]) -> list[type[msgspec.Struct]]:
    """The structs that `roots` are and consist of."""
    found: dict[type[msgspec.Struct], None] = {}
    waiting: list[Any] = list(types.multi_type_info(roots))
    while waiting:
        match waiting.pop():
            case types.StructType() as struct if struct.cls not in found:
                found[struct.cls] = None
                waiting.extend(field.type for field in struct.fields)
            case types.UnionType(types=parts):
                waiting.extend(parts)
            case types.ListType(item_type=item) | types.Metadata(type=item):
                waiting.append(item)
            case types.DictType(value_type=value):
                waiting.append(value)
    return list(found)


def _require_what_is_always_sent(schema: Schema, struct: type[msgspec.Struct]) -> None:
    if struct.__struct_config__.omit_defaults:
        return
    optional = {each.name for each in structs.fields(struct) if each.default is msgspec.UNSET}
    schema["required"] = [name for name in schema["properties"] if name not in optional]


def _events(event: Schema) -> dict[str, Schema]:
    """`Event` as one of its kinds, each with data of its own."""
    kinds = {}
    for kind, body in BODIES.items():
        own = {"kind": {"const": kind}, "data": ref(body.__name__)}
        kinds[f"{body.__name__}Event"] = {
            **event,
            "title": f"{body.__name__}Event",
            "description": inspect.getdoc(body),
            "properties": {**event["properties"], **own},
        }
    one = {
        "title": "Event",
        "description": event["description"] + "\n\nClients pass over kinds that they do not know.",
        "oneOf": [ref(name) for name in kinds],
        "discriminator": "kind",
    }
    return {**kinds, "Event": one}
