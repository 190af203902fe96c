"""What is hung around the flows' executions: logs, metrics and spans. Each is off until asked for.

None of them ever sees or keeps what people write: only names, ids, times and outcomes.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from time import perf_counter
from typing import Any

import structlog
from msgspec import UNSET
from opentelemetry import trace as spans
from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from flows.atoms.actor import actor
from flows.engine import Call, Context, Extension, InvalidInput, MissingDependency, Outcome
from flows.errors import Refused
from sessions_app.counts import Distribution
from sessions_app.metrics import add_histogram
from sessions_app.tracing import asked_as, trace

logger = structlog.get_logger(__name__)

#: Between which the times of flows are told apart, in seconds.
SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)


def outcome_of(error: BaseException | None) -> str:
    """How an execution ended, in a word: `ok`, the code of a refusal, or what went wrong."""
    match error:
        case None:
            return "ok"
        case Refused():
            return error.code
        case InvalidInput():
            return "invalid_input"
        case Exception():
            return "internal_error"
        case _:
            return "cancelled"


class LogExecutions(Extension):
    """A line for each execution: the flow, how long, how it ended, who, where, and the trace."""

    async def wrap_exec(self, call: Call, next: Callable[[], Awaitable[Any]]) -> Any:
        """Log when it has ended."""
        began = perf_counter()
        failure: BaseException | None = None
        try:
            return await next()
        except BaseException as error:
            failure = error
            raise
        finally:
            logger.info(
                "flow",
                flow=call.flow.name,
                ms=round((perf_counter() - began) * 1000, 3),
                outcome=outcome_of(failure),
                actor=await _actor_of(call.ctx),
                session=_session_of(call.input),
                trace=trace.get(),
                request=_asked_as(),
                # The trace of a message on a socket begins with its connection's id.
                connection=trace.get().rpartition("-")[0] or None,
            )


def _asked_as() -> object:
    name = asked_as.get()
    return None if name is UNSET else name


async def _actor_of(context: Context[Any]) -> str | None:
    parent = context.parent
    try:
        # The execution's own context has ended by now; the tag is on the one it ran in.
        return (await parent.resolve(actor)).name if parent is not None else None
    except MissingDependency:
        return None


def _session_of(input: object) -> str | None:
    session_id = getattr(input, "session_id", None)
    return None if session_id is None else str(session_id)


class CountExecutions(Extension, Collector):
    """Executions by flow and outcome, and how long they took, for Prometheus."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self._outcomes: Counter[tuple[str, str]] = Counter()
        self._seconds: dict[str, Distribution] = {}
        registry.register(self)

    async def wrap_exec(self, call: Call, next: Callable[[], Awaitable[Any]]) -> Any:
        """Count when it has ended."""
        began = perf_counter()
        outcome = "ok"
        try:
            return await next()
        except BaseException as error:
            outcome = outcome_of(error)
            raise
        finally:
            name = call.flow.name
            self._outcomes[name, outcome] += 1
            if (seconds := self._seconds.get(name)) is None:
                seconds = self._seconds[name] = Distribution(SECONDS)
            seconds.add(perf_counter() - began)

    def collect(self) -> Iterator[Metric]:
        """What has been counted so far."""
        count = CounterMetricFamily(
            "flow_executions", "Flows that have run.", labels=["flow", "outcome"]
        )
        for labels, value in tuple(self._outcomes.items()):
            count.add_metric(labels, value)
        yield count
        took = HistogramMetricFamily(
            "flow_execution_seconds",
            "How long a flow took, from its input to its close.",
            labels=["flow"],
        )
        for name, seconds in tuple(self._seconds.items()):
            add_histogram(took, [name], [seconds])
        yield took


class TraceExecutions(Extension):
    """An OpenTelemetry span per message, and the executions of its flow below it."""

    def __init__(self, tracer: spans.Tracer | None = None) -> None:
        self._tracer = tracer or spans.get_tracer("flow_sessions")
        self._open: dict[Context[Any], spans.Span] = {}

    def context_opened(self, ctx: Context[Any]) -> None:
        """Begin a span below that of the context it was opened in."""
        above = self._open.get(ctx.parent) if ctx.parent is not None else None
        where = None if above is None else spans.set_span_in_context(above)
        name = "message" if above is None else ctx.name
        span = self._tracer.start_span(name, where)
        span.set_attribute("flow_sessions.trace", trace.get())
        self._open[ctx] = span

    def context_closed(self, ctx: Context[Any], outcome: Outcome) -> None:
        """End it; a refusal is an answer, anything else that failed is an error."""
        span = self._open.pop(ctx)
        word = outcome_of(outcome.error)
        span.set_attribute("flow_sessions.outcome", word)
        if word in {"internal_error", "cancelled"}:
            span.set_status(spans.StatusCode.ERROR, type(outcome.error).__name__)
        span.end()
