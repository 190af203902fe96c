"""Where OpenTelemetry spans go: as the standard OTEL_* variables say, if an SDK is installed."""

import os
from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points

import structlog
from opentelemetry import trace

logger = structlog.get_logger(__name__)

#: What the SDK calls the exporters whose names are more general in the variables.
_OTLP = {"grpc": "otlp_proto_grpc"}


@cache
def tracer() -> trace.Tracer:
    """One for the process. Whoever has set a provider up before (an agent) is left in charge."""
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        _set_up()
    return trace.get_tracer("flow_sessions")


def _set_up() -> None:
    try:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        logger.warning("tracing_without_sdk", hint="pip install opentelemetry-sdk")
        return
    # The sampler, the service's name and its attributes: the SDK reads them by itself.
    name = os.environ.get("OTEL_SERVICE_NAME", "flow-sessions")
    provider = TracerProvider(resource=Resource.create({"service.name": name}))
    for exporter in exporters(os.environ):
        found = entry_points(group="opentelemetry_traces_exporter", name=exporter)
        if not found:
            logger.warning("tracing_without_exporter", exporter=exporter)
        for each in found:
            provider.add_span_processor(BatchSpanProcessor(each.load()()))
    trace.set_tracer_provider(provider)


def exporters(variables: Mapping[str, str]) -> list[str]:
    """The exporters that the standard variables ask for, as the SDK names them."""
    protocol = variables.get(
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", variables.get("OTEL_EXPORTER_OTLP_PROTOCOL", "")
    )
    asked = variables.get("OTEL_TRACES_EXPORTER", "otlp").split(",")
    names = {"otlp": _OTLP.get(protocol, "otlp_proto_http")}
    return [names.get(each.strip(), each.strip()) for each in asked if each.strip() != "none"]
