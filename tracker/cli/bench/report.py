"""Measurements of `tracker bench` and their tables."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tracker.cli.run.progress import dropped_share
from tracker.tracks import TrackedFrame
from tracker.util.latency import LatencyHistogram, LatencyTrend, Percentiles

WHOLE = "all stages"
"""Row of the sum over a frame's stages, which overlap with those of other frames."""

_STAGE_HEADER = ("ms by stage", "mean", "p50", "p95", "p99", "max")
_LOAD_HEADER = (
    *("load", "offered fps", "processed fps", "dropped"),
    *("p50 ms", "p95 ms", "p99 ms", "max ms", "trend ms/min"),
)
_LOAD_WIDTHS = (6, 12, 14, 18, 8, 8, 8, 8, 13)
_STAGE_WIDTHS = (12, 8, 8, 8, 8, 8)


@dataclass(frozen=True, slots=True)
class Machine:
    """Hardware and runtime of a measurement.

    Attributes:
        cpu: Model of the processor.
        cores: Logical cores of the machine.
        usable_cores: Cores that this process may use.
        runtime: Runtime of the detector's network; `None` where there is no network.
        device: Device that the network runs on; `None` likewise.
        threads: CPU threads that the network may use; `None` likewise.
    """

    cpu: str
    cores: int
    usable_cores: int
    runtime: str | None
    device: str | None
    threads: int | None

    @property
    def lines(self) -> list[str]:
        """Two lines: hardware and runtime."""
        network = "no network"
        if self.runtime is not None:
            network = f"{self.runtime}, device {self.device}, threads {self.threads}"
        return [
            f"hardware    {self.cpu}, {self.cores} cores, {self.usable_cores} of them usable",
            f"runtime     {network}",
        ]


def core_count() -> int:
    """Returns the number of logical cores of the machine."""
    return os.cpu_count() or 1


@dataclass(frozen=True, slots=True, eq=False)
class FileFigures:
    """Speed of the pipeline on a file.

    Attributes:
        frames: Number of results.
        fps: Results per second between the first and the last; `None` for one result.
        stages: Times by stage, and their sum, `WHOLE`.
    """

    frames: int
    fps: float | None
    stages: Mapping[str, LatencyHistogram]

    @property
    def lines(self) -> list[str]:
        """The speed, and a table of the stages."""
        speed = "-" if self.fps is None else f"{self.fps:.1f} per second"
        rows = [_table_row(_STAGE_HEADER, _STAGE_WIDTHS)]
        for name, times in self.stages.items():
            cells = [f"{milliseconds:.2f}" for milliseconds in _stage_ms(times).values()]
            rows.append(_table_row((name, *cells), _STAGE_WIDTHS))
        return [f"frames      {self.frames}, {speed}", "", *rows]

    def to_json(self) -> dict[str, Any]:
        """Returns the figures as plain JSON types."""
        return {
            "frames": self.frames,
            "fps": _rounded(self.fps),
            "stages_ms": {
                name: {key: round(value, 3) for key, value in _stage_ms(times).items()}
                for name, times in self.stages.items()
            },
        }


def measure_file(results: Iterable[TrackedFrame], now: Callable[[], float]) -> FileFigures:
    """Returns the frame rate of the results and the time of each stage.

    Args:
        results: Results of the pipeline, at least one.
        now: Returns the current time in seconds.
    """
    stages: dict[str, LatencyHistogram] = {}
    span = _Span(now)
    for result in results:
        span.tick()
        spent = {**result.timings_s, WHOLE: sum(result.timings_s.values())}
        for name, seconds in spent.items():
            stages.setdefault(name, LatencyHistogram()).add(seconds)
    # The sum is the last row, also after a stage that first ran later (`detector.every`).
    whole = stages.pop(WHOLE)
    return FileFigures(span.count, span.rate, {**stages, WHOLE: whole})


@dataclass(frozen=True, slots=True)
class LoadFigures:
    """Throughput, drops and latency of the pipeline on a live source.

    Attributes:
        load: Playback speed; 1 = as recorded.
        offered_fps: Frames per second of the source.
        processed_fps: Results per second between the first and the last; `None` for one result.
        frames: Number of results.
        dropped: Frames that were dropped for newer ones.
        latency: Of the results, in seconds; `None` where they are unknown.
        trend_s_per_minute: Slope of the latency over time; `None` where it is unknown.
    """

    load: float
    offered_fps: float
    processed_fps: float | None
    frames: int
    dropped: int
    latency: Percentiles | None
    trend_s_per_minute: float | None

    @property
    def line(self) -> str:
        """A row of the table under `load_header`."""
        share = 100 * dropped_share(self.dropped, self.frames)
        latencies = ["-"] * 4
        if self.latency is not None:
            latencies = [f"{1000 * value:.1f}" for value in asdict(self.latency).values()]
        trend = self.trend_s_per_minute
        cells = (
            f"{self.load:g}",
            f"{self.offered_fps:.1f}",
            "-" if self.processed_fps is None else f"{self.processed_fps:.1f}",
            f"{self.dropped} ({share:.1f} %)",
            *latencies,
            "-" if trend is None else f"{1000 * trend:+.1f}",
        )
        return _table_row(cells, _LOAD_WIDTHS)

    def to_json(self) -> dict[str, Any]:
        """Returns the figures as plain JSON types, times in milliseconds."""
        latencies, trend = self.latency, self.trend_s_per_minute
        return {
            "load": self.load,
            "offered_fps": _rounded(self.offered_fps),
            "processed_fps": _rounded(self.processed_fps),
            "frames": self.frames,
            "dropped": self.dropped,
            "dropped_share": round(dropped_share(self.dropped, self.frames), 6),
            "latency_ms": None
            if latencies is None
            else {name: round(1000 * value, 3) for name, value in asdict(latencies).items()},
            "trend_ms_per_minute": None if trend is None else round(1000 * trend, 3),
        }


def load_header() -> str:
    """Returns the header of the table of `LoadFigures`."""
    return _table_row(_LOAD_HEADER, _LOAD_WIDTHS)


def measure_load(
    results: Iterable[TrackedFrame], now: Callable[[], float], *, load: float
) -> LoadFigures:
    """Returns throughput, drops and latency on a live source.

    Args:
        results: Results of the pipeline, at least one.
        now: Returns the current time in seconds.
        load: Playback speed; 1 = as recorded.
    """
    latencies, trend, span = LatencyHistogram(), LatencyTrend(), _Span(now)
    dropped, offered = 0, 0.0
    for result in results:
        span.tick()
        dropped, offered = result.dropped, float(result.run.video.fps)
        if result.age_s is not None:
            latencies.add(result.age_s)
            trend.add(result.frame.time_s, result.age_s)
    return LoadFigures(
        load=load,
        offered_fps=offered,
        processed_fps=span.rate,
        frames=span.count,
        dropped=dropped,
        latency=latencies.percentiles(),
        trend_s_per_minute=trend.trend_s_per_minute,
    )


class _Span:
    """Counts results and measures the time from the first to the last."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._first = self._last = 0.0
        self.count = 0

    def tick(self) -> None:
        self._last = self._now()
        if not self.count:
            self._first = self._last
        self.count += 1

    @property
    def rate(self) -> float | None:
        """Results per second after the first; `None` for a single result."""
        seconds = self._last - self._first
        return (self.count - 1) / seconds if seconds > 0 else None


def _stage_ms(times: LatencyHistogram) -> dict[str, float]:
    percentiles = times.percentiles()
    assert percentiles is not None
    return {"mean": 1000 * times.mean} | {k: 1000 * v for k, v in asdict(percentiles).items()}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _table_row(cells: Iterable[str], widths: Iterable[int]) -> str:
    first, *others = zip(cells, widths, strict=True)
    return first[0].ljust(first[1]) + "".join(cell.rjust(width) for cell, width in others)
