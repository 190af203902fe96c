"""What the contract says of the frames that a server sends: every test's frames are compared.

Objects are taken as closed: a field that the contract does not name is a mistake of the server,
though clients would pass over it.
"""

from functools import cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.protocols import Validator

from sessions_app.contract import document

Schema = dict[str, Any]


def mistakes(frame: Any, method: str | None = None) -> list[str]:
    """What is wrong with a frame from the server; `method` is that of the call it answers."""
    if isinstance(frame, list):
        return [mistake for each in frame for mistake in mistakes(each)]
    name = _message_of(frame, method)
    if name is None:
        return []
    return [f"{name}: {each.message} at {each.json_path}" for each in _found(name, frame)]


def _message_of(frame: Any, method: str | None) -> str | None:
    """The message of the contract that `frame` is; None where that cannot be known."""
    if "method" in frame:
        return f"{frame['method']}.notification"
    if "error" in frame:
        return "error"
    return f"{method}.result" if method else None


def _found(name: str, frame: Any) -> list[Any]:
    found = list(_validator(name, _alternative(name, frame)).iter_errors(frame))
    return sorted(found, key=lambda each: str(each.json_path))


def _alternative(name: str, frame: Any) -> str | None:
    """Which of the kinds of events, or of the errors, it is: that makes it fast and tells more."""
    if name == "event.notification":
        return str(frame["params"].get("kind"))
    return str(frame["error"]["data"].get("code")) if name == "error" else None


@cache
def _validator(name: str, alternative: str | None) -> Validator:
    contract = _closed(document())
    message = contract["components"]["messages"][name]["payload"]
    if alternative is not None:
        field = "error" if name == "error" else "params"
        chosen = _alternatives(contract)[field, alternative]
        message = {**message, "properties": {**message["properties"], field: chosen}}
    schema = {**message, "components": contract["components"]}
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


def _alternatives(contract: Schema) -> dict[tuple[str, str], Schema]:
    found = {}
    for schema in contract["components"]["schemas"].values():
        fields = schema.get("properties", {})
        if "const" in fields.get("kind", {}):
            found["params", fields["kind"]["const"]] = schema
        if "data" in fields and "code" in fields:
            found["error", fields["data"]["properties"]["code"]["const"]] = schema
    return found


def _closed(value: Any) -> Any:
    """The same schema with no field allowed that it does not name."""
    match value:
        case {"type": "object", "properties": dict(), **_others}:
            closed = {key: _closed(each) for key, each in value.items()}
            return {"additionalProperties": False, **closed}
        case dict():
            return {key: _closed(each) for key, each in value.items()}
        case list():
            return [_closed(each) for each in value]
        case _:
            return value
