"""The catalogue of bad input: its cases, and how a case's templates become what is sent."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias
from uuid import uuid4

Where: TypeAlias = Literal["text", "sequence", "wire", "handshake", "http", "command"]
Json: TypeAlias = dict[str, Any]

#: What a placeholder stands for: a word, a number, or something made at each place.
Values: TypeAlias = Mapping[str, str | int | Callable[[], str]]

_PLACEHOLDER = re.compile(r"\{([a-z_0-9]+)\}")


class Case(NamedTuple):
    """One input, and the answer that it must get."""

    name: str
    where: Where
    expect: str
    #: The frame, the steps, the bytes, the request or the arguments.
    what: Any

    def names(self, placeholder: str) -> bool:
        """Whether the case has `{placeholder}` in it."""
        return f"{{{placeholder}}}" in json.dumps(self.what)


def load() -> list[Case]:
    """All cases, those that were given and those that we added, as they are written."""
    files = [Path(__file__).with_name(name) for name in ("catalogue.json", "ours.json")]
    cases = [case for file in files for case in json.loads(file.read_text())["cases"]]
    fields = ("frame", "steps", "send", "request", "argv")
    return [
        Case(
            each["name"],
            each["where"],
            each["expect"],
            next(each[field] for field in fields if field in each),
        )
        for each in cases
    ]


def of(*where: Where) -> list[Case]:
    """The cases of these kinds."""
    return [case for case in load() if case.where in where]


class Template(NamedTuple):
    """Fills placeholders in, with the same values for the whole of a case."""

    values: Values

    def text(self, template: str) -> str:
        """`template` with its placeholders filled in; what is no placeholder stays."""
        return _PLACEHOLDER.sub(self._value, template)

    def _value(self, found: re.Match[str]) -> str:
        value = self.values.get(found[1], found[0])
        return str(value() if callable(value) else value)

    def string(self, template: object) -> str:
        """A string as it stands, or one in parts."""
        match template:
            case {"$text": parts}:
                return "".join(map(self._part, parts))
            case _:
                return self.text(str(template))

    def frame(self, template: object) -> str | bytes:
        """What is sent for a frame: a string as it stands, bytes as bytes, the rest as JSON."""
        match template:
            case str():
                return self.text(template)
            case {"$bytes": str(digits), "times": int(times)}:
                return bytes.fromhex(digits) * times
            case {"$text": _}:
                return self.string(template)
            case _:
                return self.json(template)

    def _part(self, part: str | Json) -> str:
        if isinstance(part, str):
            return self.text(part)
        return self.text(part["$repeat"]) * int(part["times"])

    def json(self, template: object) -> str:
        """The JSON of `template`, with its raw parts as they stand."""
        raws: dict[str, str] = {}
        text = json.dumps(self._filled(template, raws), ensure_ascii=False)
        for mark, raw in raws.items():
            text = text.replace(f'"{mark}"', raw)
        return text

    def _filled(self, template: object, raws: dict[str, str]) -> object:
        match template:
            case {"$raw": raw}:
                mark = uuid4().hex
                raws[mark] = raw
                return mark
            case {"$repeat": part, "times": times}:
                return self.text(part) * times
            case {"$list": value, "times": times}:
                return [self._filled(value, raws) for _ in range(times)]
            case dict():
                return {self.text(k): self._filled(v, raws) for k, v in template.items()}
            case list():
                return [self._filled(each, raws) for each in template]
            case str():
                # A placeholder on its own keeps its type: `{head}` is a number.
                value = self.values.get(template[1:-1]) if _PLACEHOLDER.fullmatch(template) else ""
                return value if isinstance(value, int) else self.text(template)
            case _:
                return template
