"""What this process has at the moment, for Prometheus: read when it is asked for, never kept."""

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from sessions_app.adapters.hub import MODES
from sessions_app.adapters.wiring import Door


def gauges(doorway: Door) -> bytes:
    """The gauges of this process, as Prometheus reads them."""
    registry = CollectorRegistry()
    facts = {
        "flow_sockets": ("Open sockets.", len(doorway.keeper.connections)),
        "flow_watched_sessions": ("Sessions that somebody here watches.", len(doorway.hub.feeds)),
        "flow_draining": ("1 while this process is about to end.", doorway.keeper.draining),
    }
    for name, (meaning, value) in facts.items():
        Gauge(name, meaning, registry=registry).set(value)
    mode = Gauge(
        "flow_hub_mode",
        "1 for how events of other processes come: by the doorbell, by looking at the database "
        "every second since the doorbell does not work, or not at all since there is no layer.",
        ("mode",),
        registry=registry,
    )
    for each in MODES:
        mode.labels(each).set(each == doorway.hub.mode)
    return generate_latest(registry)
