"""What of a newer contract would break a client that was written for an older one. Pure.

What a client says (input) may only become wider, what it is told (output) only narrower: it keeps
every field, and none that was always there may be missing. Added fields, methods, notifications
and kinds of events break nobody, since clients pass over what they do not know.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeAlias

from sessions_app.contract.schemas import Schema, name_of

Document: TypeAlias = Mapping[str, Any]
Direction: TypeAlias = Literal["input", "output"]

#: Bounds from above and from below, as JSON Schema calls them.
_MOST = ("maxLength", "maximum", "maxItems")
_LEAST = ("minLength", "minimum", "minItems")


def breaks(old: Document, new: Document) -> list[str]:
    """What breaks, in words, each with the place of it; none if the version is another."""
    if old["x-subprotocol"] != new["x-subprotocol"]:
        return []
    return [
        *_operations(old, new),
        *_messages(old, new),
        *_errors(old["x-errors"], new["x-errors"]),
        *_closes(old["x-close-codes"], new["x-close-codes"]),
        *_limits(old["x-limits"], new["x-limits"]),
    ]


def _operations(old: Document, new: Document) -> Iterator[str]:
    for name, before in old["operations"].items():
        now = new["operations"].get(name)
        if now is None:
            yield f"{name}: removed"
        elif "x-http" in before and now.get("x-http") != before["x-http"]:
            yield f"{name}: not at {before['x-http']['path']} any more"
        elif before.get("x-idempotent") and not now.get("x-idempotent"):
            yield f"{name}: not safe to repeat any more"


def _messages(old: Document, new: Document) -> Iterator[str]:
    before, now = old["components"]["messages"], new["components"]["messages"]
    for name in before.keys() & now.keys() - {"error"}:
        kind = name.rpartition(".")[2]
        field = "result" if kind == "result" else "params"
        comparison = _Comparison(old, new, "input" if kind == "request" else "output")
        yield from comparison.compare(
            before[name]["payload"]["properties"][field],
            now[name]["payload"]["properties"][field],
            f"{name.rpartition('.')[0]} {field}",
        )


def _errors(old: Mapping[str, Schema], new: Mapping[str, Schema]) -> Iterator[str]:
    for code, before in old.items():
        now = new.get(code)
        if now is None:
            yield f"error {code}: removed"
            continue
        for field in ("number", "status", "retry"):
            if now[field] != before[field]:
                yield f"error {code}: {field} was {before[field]}, is {now[field]}"
        for detail in before["details"]:
            if detail not in now["details"]:
                yield f"error {code}: {detail} removed"


def _closes(old: list[Schema], new: list[Schema]) -> Iterator[str]:
    then = {each["code"]: each["then"] for each in new}
    for each in old:
        code = each["code"]
        if code not in then:
            yield f"close code {code}: removed"
        elif then[code] != each["then"]:
            yield f"close code {code}: was {each['then']}, is {then[code]}"


def _limits(old: Mapping[str, int], new: Mapping[str, int]) -> Iterator[str]:
    for name, before in old.items():
        if name not in new:
            yield f"limit {name}: removed"
        elif new[name] < before:
            yield f"limit {name}: was {before}, is {new[name]}"


class _Comparison:
    """Two schemas, looked at from one side of the wire."""

    def __init__(self, old: Document, new: Document, direction: Direction) -> None:
        self._old = old["components"]["schemas"]
        self._new = new["components"]["schemas"]
        self._is_input = direction == "input"

    def compare(self, before: Schema, now: Schema, path: str) -> Iterator[str]:
        """What breaks between `before` and `now`, which stand at `path`."""
        old, new = self._parts(before, self._old), self._parts(now, self._new)
        for kind, part in old.items():
            if kind in new:
                yield from self._compare_part(part, new[kind], path)
            elif self._is_input or "kind" in part.get("properties", {}):
                yield f"{path}: {kind} removed"
        if not self._is_input:
            for kind in new.keys() - old.keys():
                # Kinds of events may come; clients pass over those they do not know.
                if "kind" not in new[kind].get("properties", {}):
                    yield f"{path}: may be {kind} now"

    def _parts(self, schema: Schema, all_: Mapping[str, Schema]) -> dict[str, Schema]:
        """The alternatives that a schema consists of, by what tells one from the other."""
        if "$ref" in schema:
            return self._parts(all_[name_of(schema)], all_)
        for union in ("anyOf", "oneOf"):
            if union in schema:
                found: dict[str, Schema] = {}
                for each in schema[union]:
                    found |= self._parts(each, all_)
                return found
        if "enum" in schema:
            return {f"`{value}`": {} for value in schema["enum"]}
        if "const" in schema:
            return {f"`{schema['const']}`": {}}
        return {_kind(schema): schema}

    def _compare_part(self, before: Schema, now: Schema, path: str) -> Iterator[str]:
        if self._is_input:
            yield from _narrowed(before, now, path)
            if _is_open(before) and not _is_open(now):
                yield f"{path}: other fields are refused now"
        for inner, mark in (("items", "[]"), ("additionalProperties", ".*")):
            if isinstance(before.get(inner), dict) and isinstance(now.get(inner), dict):
                yield from self.compare(before[inner], now[inner], path + mark)
        yield from self._compare_fields(before, now, path)

    def _compare_fields(self, before: Schema, now: Schema, path: str) -> Iterator[str]:
        old, new = before.get("properties", {}), now.get("properties", {})
        needed, given = set(before.get("required", ())), set(now.get("required", ()))
        for name, schema in old.items():
            if name not in new:
                yield f"{path}.{name}: removed"
                continue
            yield from self.compare(schema, new[name], f"{path}.{name}")
            if not self._is_input and name in needed - given:
                yield f"{path}.{name}: may be missing now"
        if self._is_input:
            for name in sorted(given - needed):
                yield f"{path}.{name}: required now"


def _kind(schema: Schema) -> str:
    """What tells an alternative from others: its type, and for an event its kind."""
    kind = schema.get("properties", {}).get("kind", {}).get("const")
    return f"the kind `{kind}`" if kind else str(schema.get("type", "anything"))


def _is_open(schema: Schema) -> bool:
    """Whether an object may have fields that are not named."""
    return schema.get("additionalProperties") is not False


def _narrowed(before: Schema, now: Schema, path: str) -> Iterator[str]:
    for bound in _MOST:
        if bound in now and now[bound] < before.get(bound, float("inf")):
            yield f"{path}: {bound} was {before.get(bound, 'none')}, is {now[bound]}"
    for bound in _LEAST:
        if bound in now and now[bound] > before.get(bound, float("-inf")):
            yield f"{path}: {bound} was {before.get(bound, 'none')}, is {now[bound]}"
    for rule in ("pattern", "format"):
        if rule in now and now[rule] != before.get(rule):
            yield f"{path}: {rule} was {before.get(rule, 'none')}, is {now[rule]}"
