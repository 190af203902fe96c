"""What this process has and has counted, as Prometheus reads it: made when it is asked for."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from sessions_app.adapters.hub import MODES, Hub
from sessions_app.adapters.wiring import Door
from sessions_app.counts import Counts, Distribution, counts


def metrics_of(doorway: Door) -> bytes:
    """All but what the flows' own counting has in the process's registry."""
    registry = CollectorRegistry()
    registry.register(ProcessCollector(doorway, counts))
    return generate_latest(registry)


class ProcessCollector(Collector):
    """Reads the numbers of one process."""

    def __init__(self, doorway: Door, counts: Counts) -> None:
        self._door = doorway
        self._counts = counts

    def collect(self) -> Iterable[Metric]:
        """Everything, as it is now."""
        yield from self._connections()
        yield from self._frames()
        yield from self._writing()
        yield from hub_metrics(self._door.hub)
        keeper = self._door.keeper
        yield gauge("flow_draining", "1 while this process is about to end.", keeper.draining)
        yield histogram(
            "flow_loop_delay_seconds",
            "How much too late the event loop has woken whom it had to wake, once a second.",
            [keeper.delays],
        )

    def _connections(self) -> Iterator[Metric]:
        now = self._counts.connections
        yield gauge("flow_sockets", "Open sockets.", len(self._door.keeper.connections))
        yield counter("flow_connections_opened", "Sockets let in.", self._counts.opened)
        yield labelled(
            "flow_connections_closed", "Sockets that are gone.", "code", self._counts.closed
        )
        yield labelled(
            "flow_connections_refused", "Handshakes refused.", "reason", self._counts.refused
        )
        behind = sum(1 for each in now if each.behind)
        yield gauge("flow_connections_behind", "Sockets that are fed from the database.", behind)
        yield counter("flow_lagging", "Sockets told that they lag.", self._counts.lagged)

    def _frames(self) -> Iterator[Metric]:
        now, past = tuple(self._counts.connections), self._counts
        received = past.received + sum(each.received for each in now)
        yield counter("flow_frames_received", "Frames from clients.", received)
        sent = past.sent + sum(each.sent for each in now)
        yield counter("flow_frames_sent", "Frames to clients; an array is one.", sent)
        delivered = past.delivered + sum(each.delivered for each in now)
        yield counter("flow_deliveries", "Events on their way to clients.", delivered)
        waiting = sum(each.waiting for each in now)
        yield gauge("flow_frames_waiting", "Frames that wait to be sent.", waiting)
        yield labelled(
            "flow_errors", "Errors that clients were told, limits included.", "code", past.errors
        )

    def _writing(self) -> Iterator[Metric]:
        lanes = self._door.log.lanes
        depth = GaugeMetricFamily("flow_lane_depth", "Writes that wait in a lane.", labels=["lane"])
        for lane in lanes:
            depth.add_metric([lane.name], lane.depth)
        yield depth
        yield gauge("flow_reads_waiting", "Reads that wait for a thread.", self._door.log.reads)
        yield histogram(
            "flow_commit_seconds",
            "How long a transaction of writes took.",
            [lane.seconds for lane in lanes],
        )
        yield histogram(
            "flow_batch_writes", "Writes in a transaction.", [lane.sizes for lane in lanes]
        )


def hub_metrics(hub: Hub) -> Iterator[Metric]:
    """How events of other processes come here, and how well."""
    mode = GaugeMetricFamily(
        "flow_hub_mode",
        "1 for how events of other processes come: by the doorbell, by looking at the database "
        "every second since the doorbell does not work, or not at all since there is no layer.",
        labels=["mode"],
    )
    for each in MODES:
        mode.add_metric([each], each == hub.mode)
    yield mode
    yield gauge("flow_watched_sessions", "Sessions that somebody here watches.", len(hub.feeds))
    yield counter("flow_hub_repairs", "Sessions whose events were read again.", hub.repairs)
    bell = hub.doorbell
    yield counter("flow_doorbells_rung", "Messages to other processes.", bell.rung if bell else 0)
    yield counter("flow_doorbells_heard", "Messages of other processes.", bell.heard if bell else 0)


def gauge(name: str, meaning: str, value: float) -> GaugeMetricFamily:
    """One value."""
    return GaugeMetricFamily(name, meaning, value=value)


def counter(name: str, meaning: str, value: float) -> CounterMetricFamily:
    """One count."""
    return CounterMetricFamily(name, meaning, value=value)


def labelled(
    name: str, meaning: str, label: str, values: "dict[str, int] | dict[int, int]"
) -> CounterMetricFamily:
    """A count for each of the label's values."""
    family = CounterMetricFamily(name, meaning, labels=[label])
    for key, value in tuple(values.items()):
        family.add_metric([str(key)], value)
    return family


def histogram(name: str, meaning: str, parts: Sequence[Distribution]) -> HistogramMetricFamily:
    """The sum of distributions, which have the same bounds."""
    family = HistogramMetricFamily(name, meaning, labels=[])
    add_histogram(family, [], parts)
    return family


def add_histogram(
    family: HistogramMetricFamily, labels: Sequence[str], parts: Sequence[Distribution]
) -> None:
    """Add the sum of distributions, which have the same bounds, under these labels."""
    bounds = [*(str(float(each)) for each in parts[0].bounds), "+Inf"]
    counts = accumulate(map(sum, zip(*(each.counts for each in parts), strict=True)))
    buckets = list(zip(bounds, counts, strict=True))
    family.add_metric(labels, buckets, sum(each.total for each in parts))
