"""Running a public flow for somebody: the same for every door."""

from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from flows.engine import Context, Flow, Scope
from flows.engine.nodes import Bound
from sessions_app.protocol import Error, error_of, is_expected
from sessions_app.tracing import trace

logger = structlog.get_logger(__name__)


async def execute(scope: Scope, flow: Flow[Any, Any], params: object, *tags: Bound) -> object:
    """The result of `flow` with raw `params`, run in a context of its own; or an `Error`."""
    try:
        return await scope.run_raw(flow, params, tags=tags)
    except Exception as exception:  # noqa: BLE001 (whatever it is, a client waits for an answer)
        return told(exception, flow)


async def execute_stream(
    context: Context[Any],
    flow: Flow[Any, Any],
    params: object,
    give: Callable[[object], Awaitable[None]],
) -> object:
    """As `execute` for a streaming flow: each item is given, and the result is empty.

    The context is a new one; it is closed, whatever happens. The flow goes no further than what
    has been given.
    """
    try:
        async with context as ctx, ctx.stream_raw(flow, params) as items:
            async for item in items:
                await give(item)
    except Exception as exception:  # noqa: BLE001 (whatever it is, a client waits for an answer)
        return told(exception, flow)
    return {}


def told(exception: Exception, flow: Flow[Any, Any]) -> Error:
    """What the client is told; what is no refusal is logged, with the trace that it is shown."""
    if not is_expected(exception):
        logger.exception("flow_failed", flow=flow.name, trace=trace.get())
    return error_of(exception, trace.get())
