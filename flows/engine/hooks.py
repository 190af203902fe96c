"""The extensions of a scope, by what they override: what is not overridden costs nothing."""

from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from flows.engine.closing import Undo, release_all, worst
from flows.engine.extension import Call, Extension, Outcome
from flows.engine.nodes import MISSING, Missing
from flows.engine.resources import build

if TYPE_CHECKING:
    from flows.engine.context import Context
    from flows.engine.wiring import Wiring


class Hooks:
    """The overridden hooks of each kind, outermost first."""

    def __init__(self, extensions: Iterable[Extension]) -> None:
        every = list(extensions)
        self.wrap_exec = [each.wrap_exec for each in every if _has(each, "wrap_exec")]
        self.wrap_resolve = [each.wrap_resolve for each in every if _has(each, "wrap_resolve")]
        self.context_opened = [
            each.context_opened for each in every if _has(each, "context_opened")
        ]
        self.context_closed = [
            each.context_closed for each in every if _has(each, "context_closed")
        ]

    @property
    def tells(self) -> bool:
        """Whether one wants to know of contexts."""
        return bool(self.context_opened or self.context_closed)

    def around_exec(
        self, ctx: "Context[Any]", raw: Any | Missing, run: Callable[[], Awaitable[Any]]
    ) -> Awaitable[Any]:
        """The execution `run`, enclosed."""
        flow = ctx.flow
        assert flow is not None  # noqa: S101 - only boundaries have none
        call = Call(flow.replaces or flow, None if raw is MISSING else raw, ctx, flow.streaming)
        for wrap in reversed(self.wrap_exec):
            run = partial(wrap, call, run)
        return run()

    async def build(self, wiring: "Wiring", arguments: dict[str, Any], ledger: list[Undo]) -> Any:
        """The making of an atom or resource, enclosed; what it acquires is not left behind."""
        acquired: list[Undo] = []
        run: Callable[[], Awaitable[Any]] = partial(build, wiring, arguments, acquired)
        for wrap in reversed(self.wrap_resolve):
            run = partial(wrap, wiring.node, run)
        try:
            value = await run()
        except BaseException as error:
            raise await release_all(acquired, error) or error  # noqa: B904 - the same, or with it as context
        ledger += acquired
        return value

    def opened(self, ctx: "Context[Any]") -> None:
        """Tell that a context has begun."""
        for tell in self.context_opened:
            tell(ctx)

    def closed(self, ctx: "Context[Any]", error: BaseException | None) -> BaseException | None:
        """Tell that a context has ended with `error`; the error there is then."""
        outcome = Outcome.of(error)
        for tell in self.context_closed:
            try:
                tell(ctx, outcome)
            except Exception as later:
                error = worst(error, later)
        return error


def _has(extension: Extension, hook: str) -> bool:
    return getattr(type(extension), hook) is not getattr(Extension, hook)
