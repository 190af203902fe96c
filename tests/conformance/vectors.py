"""Conformance vectors: how they are read, and what their patterns mean. Nothing here does I/O."""

import copy
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias
from uuid import uuid4

FOLDER = Path(__file__).parent.parent.parent / "docs" / "conformance"

Step: TypeAlias = dict[str, Any]
Side: TypeAlias = Literal["server", "client"]


class Vector(NamedTuple):
    """A story: what a client and a server say to each other, step by step."""

    name: str
    about: str
    sides: tuple[Side, ...]
    steps: list[Step]


def load(side: Side | None = None) -> list[Vector]:
    """All vectors, or those for one side."""
    found = [
        Vector(f"{path.stem}/{each['name']}", each["about"], tuple(each["for"]), each["steps"])
        for path in sorted(FOLDER.glob("*.json"))
        for each in json.loads(path.read_text(encoding="utf-8"))
    ]
    return [each for each in found if side is None or side in each.sides]


class Mismatch(AssertionError):
    """Something is not as the vector says."""


#: Values that stand for any of a kind: what they match, and an example to send.
KINDS: dict[str, tuple[Any, object]] = {
    "<any>": (lambda value: True, None),
    "<text>": (lambda value: isinstance(value, str), "text"),
    "<integer>": (lambda value: type(value) is int, 1),
    "<number>": (lambda value: type(value) in (int, float), 1),
    "<time>": (
        lambda value: re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", value),
        "2026-11-22T19:03:11.412Z",
    ),
}

ABSENT = "<absent>"


class Words:
    """What `$names` and `@people` stand for in one run of a vector."""

    def __init__(self, people: Mapping[str, str]) -> None:
        self._people = people
        self._bound: dict[str, Any] = {}

    def fill(self, value: Any) -> Any:
        """`value` as it is sent: names that stand for nothing yet become new UUIDs."""
        match value:
            case str() if value.startswith("$"):
                return self._bound.setdefault(value, str(uuid4()))
            case str() if value.startswith("@"):
                return self._people[value[1:]]
            case str() if value in KINDS:
                return KINDS[value][1]
            case dict():
                return {
                    self.fill(key): self.fill(each) for key, each in value.items() if each != ABSENT
                }
            case list():
                return [self.fill(each) for each in value]
            case _:
                return value

    def match(self, pattern: Any, actual: Any) -> None:
        """Compare, and bind the names that stand for nothing yet; raises Mismatch.

        Fields that the pattern does not name may be there. The entries of an array that is a whole
        frame may come in any order.
        """
        words = copy.copy(self)
        words._bound = dict(self._bound)
        if isinstance(pattern, list):
            words._match_in_any_order(pattern, actual)
        else:
            words._match(pattern, actual, "$")
        self._bound = words._bound

    def _match_in_any_order(self, patterns: list[Any], actual: Any) -> None:
        if not isinstance(actual, list) or len(actual) != len(patterns):
            raise Mismatch(f"expected an array of {len(patterns)}, got {actual!r}")
        left = list(actual)
        for pattern in patterns:
            for each in left:
                try:
                    self.match(pattern, each)
                except Mismatch:
                    continue
                left.remove(each)
                break
            else:
                raise Mismatch(f"nothing is as {self.fill(pattern)!r} in {actual!r}")

    def _match(self, pattern: Any, actual: Any, path: str) -> None:
        match pattern:
            case str() if pattern.startswith("$") and pattern not in self._bound:
                self._bound[pattern] = actual
            case str() if pattern in KINDS:
                if not KINDS[pattern][0](actual):
                    raise Mismatch(f"{path}: expected {pattern}, got {actual!r}")
            case dict() if isinstance(actual, dict):
                self._match_fields(pattern, actual, path)
            case list() if isinstance(actual, list) and len(actual) == len(pattern):
                for index, (each, value) in enumerate(zip(pattern, actual, strict=True)):
                    self._match(each, value, f"{path}[{index}]")
            case _:
                expected = self.fill(pattern)
                if expected != actual or isinstance(expected, bool) is not isinstance(actual, bool):
                    raise Mismatch(f"{path}: expected {expected!r}, got {actual!r}")

    def _match_fields(self, pattern: Mapping[str, Any], actual: Any, path: str) -> None:
        for key, each in pattern.items():
            name = self.fill(key)
            if each == ABSENT:
                if name in actual:
                    raise Mismatch(f"{path}.{name}: expected nothing, got {actual[name]!r}")
            elif name not in actual:
                raise Mismatch(f"{path}.{name}: missing in {actual!r}")
            else:
                self._match(each, actual[name], f"{path}.{name}")
