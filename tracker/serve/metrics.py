"""`/metrics`: the numbers of the server for Prometheus."""

from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from tracker.serve.context import Context
from tracker.serve.meters import BOUNDS_S
from tracker.serve.site import Site
from tracker.serve.worker import State

_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class SiteCollector(Collector):
    """Reads the numbers of all sources when they are asked for.

    Args:
        context: The server.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    def collect(self) -> Iterator[Metric]:
        """Yields the metrics."""
        sites = self._context.sites.all()
        yield from _counters(sites)
        yield from _gauges(sites)
        yield _latencies(sites)
        uploads = self._context.uploads
        gauge = GaugeMetricFamily("tracker_uploads", "Uploaded videos that are kept.")
        gauge.add_metric([], 0 if uploads is None else uploads.count)
        yield gauge


def _counters(sites: list[Site]) -> Iterator[Metric]:
    frames = CounterMetricFamily("tracker_frames", "Processed frames.", labels=["source"])
    dropped = CounterMetricFamily(
        "tracker_frames_dropped", "Frames dropped as the source was faster.", labels=["source"]
    )
    encodes = CounterMetricFamily(
        "tracker_images_encoded", "Images encoded for viewers.", labels=["source"]
    )
    events = CounterMetricFamily(
        "tracker_events", "Events of zones and lines.", labels=["source", "event"]
    )
    for site in sites:
        hub = site.worker.hub
        totals = hub.meters.totals()
        frames.add_metric([site.name], totals.frames)
        dropped.add_metric([site.name], totals.dropped)
        encodes.add_metric([site.name], hub.pictures.encodes)
        for kind, count in hub.events.by_kind.items():
            events.add_metric([site.name, kind], count)
    yield from (frames, dropped, encodes, events)


def _gauges(sites: list[Site]) -> Iterator[Metric]:
    alive = GaugeMetricFamily("tracker_tracks", "Tracks in the last frame.", labels=["source"])
    viewers = GaugeMetricFamily("tracker_viewers", "Viewers of images.", labels=["source"])
    rate = GaugeMetricFamily("tracker_frame_rate", "Frames a second.", labels=["source"])
    states = GaugeMetricFamily(
        "tracker_source_state", "1 for the state of the source.", labels=["source", "state"]
    )
    for site in sites:
        hub, state = site.worker.hub, site.worker.state
        alive.add_metric([site.name], 0 if hub.snapshot is None else len(hub.snapshot.tracks))
        viewers.add_metric([site.name], hub.pictures.viewers)
        rate.add_metric([site.name], hub.meters.rate() if state is State.RUNNING else 0.0)
        for one in State:
            states.add_metric([site.name, one.value], float(one is state))
    yield from (alive, viewers, rate, states)


def _latencies(sites: list[Site]) -> Metric:
    family = HistogramMetricFamily(
        "tracker_latency_seconds", "Capture to result; of files, processing.", labels=["source"]
    )
    bounds = [*map(str, BOUNDS_S), "+Inf"]
    for site in sites:
        totals = site.worker.hub.meters.totals()
        cumulated = list(accumulate(totals.latencies))
        buckets = list(zip(bounds, map(float, cumulated), strict=True))
        family.add_metric([site.name], buckets=buckets, sum_value=totals.latency_sum_s)
    return family


def registry_of(context: Context) -> CollectorRegistry:
    """Returns the metrics of a server, and those of its process."""
    registry = CollectorRegistry()
    registry.register(SiteCollector(context))
    ProcessCollector(registry=registry)
    return registry


def metrics(request: Request) -> Response:
    """GET /metrics."""
    registry: CollectorRegistry = request.app.state.registry
    return Response(generate_latest(registry), headers={"content-type": _TYPE})
