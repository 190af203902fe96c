"""What goes wrong in the engine itself.

    EngineError
    ├── InvalidDefinition    a node, a flow, a preset or a use of one that cannot work
    ├── MissingDependency    nothing provides a node
    ├── DependencyCycle      nodes that wait for each other
    ├── InvalidInput         an input that is not what the flow takes
    └── Closed               a scope, context or handle used outside its lifetime

What flows refuse is none of this: faults are ordinary exceptions of the project.
"""

import asyncio
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flows.engine.nodes import Node


#: Why a flow cannot return a stream.
OUTLIVES = (
    "returns an async iterator, which would outlive its context: make it an async generator"
    " (`yield` the items)"
)


class EngineError(Exception):
    """The root of what the engine raises of its own."""


@dataclass(eq=False)
class InvalidDefinition(EngineError):
    """`subject` (a function, perhaps with a parameter) cannot work, for `reason`."""

    subject: str
    reason: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.reason}"


@dataclass(eq=False)
class MissingDependency(EngineError):
    """Nothing provides `node`, which is the last of `path`: names, from the flow that was asked."""

    node: "Node"
    path: tuple[str, ...]

    def __str__(self) -> str:
        return f"Nothing provides {' -> '.join(self.path)}: {self.node.remedy}"


@dataclass(eq=False)
class DependencyCycle(EngineError):
    """Nodes need each other: `path` is names, the last of which stands in it before."""

    path: tuple[str, ...]

    def __str__(self) -> str:
        return f"Dependencies go round in a circle: {' -> '.join(self.path)}"


@dataclass(eq=False)
class InvalidInput(EngineError):
    """The input of `flow` (its name) is wrong at `path` (`$.text`), for `reason`."""

    flow: str
    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.flow}: {self.reason} - at `{self.path}`"


@dataclass(eq=False)
class Closed(EngineError):
    """`subject` is used before it was opened or after it was closed."""

    subject: str

    def __str__(self) -> str:
        return f"{self.subject} is not open"


class Abandoned(asyncio.CancelledError):
    """The cancellation of what somebody left open: it is raised to nobody, its failures are."""

    def __init__(self) -> None:
        super().__init__("left open")
        self.failure: BaseException | None = None


def worst(first: BaseException | None, later: BaseException | None) -> BaseException | None:
    """Which of two errors to raise: the first with a note, or a cancellation with its context."""
    if first is None or later is None or later is first:
        return later if first is None else first
    if isinstance(first, Abandoned):
        first.failure = worst(first.failure, later)
    elif isinstance(first, Exception) and not isinstance(later, Exception):
        later.__context__ = first
        return later
    elif not isinstance(later, asyncio.CancelledError):
        text = "".join(traceback.format_exception(later)).rstrip()
        first.add_note(f"While closing, this failed too:\n{text}")
    return first
