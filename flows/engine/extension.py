"""What can be hung around executions, and what it is told."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from msgspec import Struct

if TYPE_CHECKING:
    from flows.engine.context import Context
    from flows.engine.nodes import Flow, Node
    from flows.engine.scope import Scope


class Outcome(Struct, frozen=True):
    """How a context ended. A cancellation is not ok, and `error` is then the CancelledError."""

    ok: bool
    error: BaseException | None
    cancelled: bool

    @classmethod
    def of(cls, error: BaseException | None) -> "Outcome":
        """The outcome that `error` makes; None is success."""
        return cls(error is None, error, isinstance(error, asyncio.CancelledError))


class Call(Struct, eq=False):
    """One execution: the flow, the raw input if it came raw, and the execution's own context."""

    flow: "Flow[Any, Any]"
    raw: Any
    ctx: "Context[Any]"
    streaming: bool

    @property
    def input(self) -> Any:
        """The input; None until it is parsed."""
        return self.ctx.input

    @property
    def name(self) -> str:
        """The name of the execution: the flow's, unless it was given another."""
        return self.ctx.name


class Extension:
    """Sees everything that runs in a scope; each hook does nothing until it is overridden.

    The first extension of a scope is the outermost.
    """

    async def start(self, scope: "Scope") -> None:
        """Before anything runs; atoms can be resolved."""

    async def stop(self, scope: "Scope") -> None:
        """After everything has ended."""

    async def wrap_exec(self, call: Call, next: Callable[[], Awaitable[Any]]) -> Any:
        """Around an execution, from parsing to close; what it returns is the result.

        A stream is enclosed as a whole: `next()` returns when the reader has left, and is to be
        awaited in the task that called.
        """
        return await next()

    async def wrap_resolve(self, node: "Node", next: Callable[[], Awaitable[Any]]) -> Any:
        """Around the factory of an atom or resource, once its dependencies are made."""
        return await next()

    def context_opened(self, ctx: "Context[Any]") -> None:
        """A boundary or an execution has begun."""

    def context_closed(self, ctx: "Context[Any]", outcome: Outcome) -> None:
        """It has ended, and everything in it is released."""
