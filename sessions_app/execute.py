"""Running a public flow for somebody: the same for every door."""

from typing import Any

import structlog

from flows.engine import Context, Flow
from sessions_app.protocol import error_of, is_expected
from sessions_app.tracing import trace

logger = structlog.get_logger(__name__)


async def execute(context: Context[Any], flow: Flow[Any, Any], params: object) -> object:
    """The result of `flow` with raw `params`, run in a context that is new; or an `Error`.

    The context is closed, whatever happens.

    What is no refusal is logged, with the trace that the client is shown instead of it.
    """
    try:
        async with context as ctx:
            return await ctx.exec_raw(flow, params)
    except Exception as exception:
        if not is_expected(exception):
            logger.exception("flow_failed", flow=flow.name, trace=trace.get())
        return error_of(exception, trace.get())
