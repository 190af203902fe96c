"""A flow in the hands of another."""

from collections.abc import AsyncIterator, Coroutine
from typing import Any, Generic, TypeVar, overload

from flows.engine.context import Context
from flows.engine.nodes import Flow
from flows.engine.streams import Stream

S = TypeVar("S")
HandleI = TypeVar("HandleI", contravariant=True)
I = TypeVar("I")  # noqa: E741
O = TypeVar("O")  # noqa: E741


class Handle(Generic[HandleI, O]):
    """A flow bound to the context that needs it: `await handle(input)` is a full execution."""

    __slots__ = ("_context", "flow")

    def __init__(self, context: Context[Any], flow: Flow[HandleI, O]) -> None:
        self._context = context
        self.flow = flow

    def __repr__(self) -> str:
        return f"<handle {self.flow.name}>"

    @overload
    def __call__(self: "Handle[None, O]", input: None = None) -> Coroutine[Any, Any, O]: ...
    @overload
    def __call__(self, input: HandleI) -> Coroutine[Any, Any, O]: ...
    def __call__(self, input: Any = None) -> Coroutine[Any, Any, O]:
        """Run the flow; Closed once the context has ended."""
        return self._context.exec(self.flow, input)

    def stream(self: "Handle[I, AsyncIterator[S]]", input: I) -> Stream[S]:
        """Read a streaming flow: `async with handle.stream(input) as items`."""
        return self._context.stream(self.flow, input)
