"""Running a public flow for somebody: the same for every door."""

from typing import Any

import structlog

from flows.engine import Bound, Flow, Scope
from sessions_app.protocol import error_of, is_expected
from sessions_app.tracing import trace

logger = structlog.get_logger(__name__)


async def execute(flows: Scope, flow: Flow[Any, Any], params: object, *tags: Bound) -> object:
    """The result of `flow` with raw `params`, run in a context of its own; or an `Error`.

    What is no refusal is logged, with the trace that the client is shown instead of it.
    """
    try:
        async with flows.create_context(*tags) as ctx:
            return await ctx.exec_raw(flow, params)
    except Exception as exception:
        if not is_expected(exception):
            logger.exception("flow_failed", flow=flow.name, trace=trace.get())
        return error_of(exception, trace.get())
