"""Reading a streaming flow: its whole execution encloses the reader's block, without a task.

The execution is a coroutine that halts where the reader's block begins and goes on where it ends.
"""

import types
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, overload

from flows.engine.closing import mark
from flows.engine.errors import Abandoned, Closed, EngineError, worst

if TYPE_CHECKING:
    from flows.engine.context import Context
    from flows.engine.nodes import Flow

HandleI = TypeVar("HandleI", contravariant=True)
S = TypeVar("S")
I = TypeVar("I")  # noqa: E741
O = TypeVar("O")  # noqa: E741


class _Halt:
    def __repr__(self) -> str:
        return "a stream's next(), which is to be awaited in the task that called"


_HALT: Final = _Halt()


@types.coroutine
def _halt() -> Generator[Any, Any, None]:
    yield _HALT


@types.coroutine
def _until_halt(
    execution: Coroutine[Any, Any, Any], error: BaseException | None = None
) -> Generator[Any, Any, bool]:
    """Run `execution` in this task until it halts (True) or ends (False)."""
    try:
        step = execution.send(None) if error is None else execution.throw(error)
        while step is not _HALT:
            try:
                sent = yield step
            except BaseException as thrown:
                step = execution.throw(thrown)
            else:
                step = execution.send(sent)
    except StopIteration:
        return False
    return True


async def until_left(
    body: Callable[..., AsyncGenerator[Any, None]], context: "Context[Any]", /, **arguments: Any
) -> None:
    """What a streaming flow is run as: it gives the reader the items, and halts while it reads."""
    reader = context.more().reader
    assert reader is not None  # noqa: S101 - `accept` lets no others through
    reader.items = items = body(context, **arguments)
    error: BaseException | None = None
    try:
        await _halt()
    except BaseException as left:
        error = left
    try:
        await items.aclose()
    except BaseException as later:
        error = worst(error, later)
    if error is not None:
        raise error


class Stream(Generic[O]):
    """The items of a streaming flow, while its `async with` block lasts."""

    def __init__(self, context: "Context[Any]") -> None:
        self._context = context
        self._execution: Any = None
        self.items: Any = None
        #: What it ends with unless the reader fails.
        self._left: BaseException | None = Abandoned()
        context.more().reader = self

    async def __aenter__(self) -> AsyncIterator[O]:
        if self._execution is not None:
            raise Closed(f"The stream of {self._context.name}, which is read once,")
        mark(self._context)
        self._execution = self._context.scope.begin(self._context, self._context.above)
        if not await _until_halt(self._execution):
            raise EngineError(f"{self._context.name}: an extension did not call a stream's next()")
        return self

    async def __aexit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is None or isinstance(error, GeneratorExit):
            error = self._left
        try:
            await _until_halt(self._execution, error)
        except BaseException as raised:
            if raised is not error:
                raise
            # The reader's own error goes on by itself; leaving early is none.
            if isinstance(error, Abandoned) and error.failure is not None:
                raise error.failure from None

    def __aiter__(self) -> AsyncIterator[O]:
        return self

    async def __anext__(self) -> O:
        self._context.require_open()
        try:
            item: O = await anext(self.items)
        except StopAsyncIteration:
            self._left = None
            raise
        except BaseException as error:
            self._left = error
            raise
        return item


class Handle(Generic[HandleI, O]):
    """A flow bound to the context that needs it: `await handle(input)` is a full execution."""

    __slots__ = ("_context", "flow")

    def __init__(self, context: "Context[Any]", flow: "Flow[HandleI, O]") -> None:
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
