"""What can be hung around executions, and what it is told."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from flows.engine.errors import worst
from flows.engine.parsing import Unparsed

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
        return None if type(self.ctx.input) is Unparsed else self.ctx.input

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


class Hooks:
    """What a scope's extensions override, outermost first: the rest costs nothing."""

    def __init__(self, extensions: Iterable[Extension]) -> None:
        every = list(extensions)
        self.wrap_exec = [each.wrap_exec for each in every if _has(each, "wrap_exec")]
        self.wrap_resolve = [each.wrap_resolve for each in every if _has(each, "wrap_resolve")]
        self._opened = [each.context_opened for each in every if _has(each, "context_opened")]
        self._closed = [each.context_closed for each in every if _has(each, "context_closed")]
        #: Whether one wants to know of contexts, and whether one of anything about executions.
        self.tells = bool(self._opened or self._closed)
        self.encloses = self.tells or bool(self.wrap_exec)

    def opened(self, ctx: "Context[Any]") -> None:
        """Tell that a context has begun."""
        for tell in self._opened:
            tell(ctx)

    def closed(self, ctx: Any, error: BaseException | None) -> BaseException | None:
        """Tell that a context has ended with `error`; the error there is then."""
        outcome = Outcome.of(error)
        for tell in self._closed:
            try:
                tell(ctx, outcome)
            except Exception as later:
                error = worst(error, later)
        return error


def _has(extension: Extension, hook: str) -> bool:
    return getattr(type(extension), hook) is not getattr(Extension, hook)


def enclosed(
    wraps: Sequence[Callable[..., Awaitable[Any]]], told: Any, run: Callable[[], Awaitable[Any]]
) -> Awaitable[Any]:
    """What is awaited for `run()` with `wraps` around it, the first of them outermost."""
    for wrap in wraps[:0:-1]:
        run = partial(wrap, told, run)
    return wraps[0](told, run) if wraps else run()
