"""Rates, latencies and the last five minutes of one source."""

import threading
import time
from bisect import bisect_left
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from tracker.tracks import TrackedFrame

SECONDS = 300
"""Points of the charts, one a second."""

BOUNDS_S = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4)
"""Upper bounds of the bins of the latency histogram, but for the last one, which has none."""

_RATE_S = 3.0
_RECENT = 256


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts since the server began; they never fall.

    Attributes:
        frames: Results.
        dropped: Frames that were dropped.
        latencies: Results by bin of latency, not cumulated.
        latency_sum_s: Sum of all latencies.
    """

    frames: int
    dropped: int
    latencies: tuple[int, ...]
    latency_sum_s: float


@dataclass(frozen=True, slots=True)
class Second:
    """One point of the charts; `latency_ms` is `None` where there were no frames."""

    unix_s: float
    frames: int
    latency_ms: float | None
    tracks: int
    occupancy: dict[str, int] = field(default_factory=dict)


class Meters:
    """Measures the results of one source; used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._arrivals: deque[float] = deque(maxlen=_RECENT)
        self._latencies: deque[float] = deque(maxlen=_RECENT)
        self._bins = [0] * (len(BOUNDS_S) + 1)
        self._latency_sum_s = 0.0
        self._frames = 0
        self._dropped = self._dropped_before = 0
        self._second: list[float] = []
        self._second_frames = 0
        self._seconds: deque[Second] = deque(maxlen=SECONDS)

    def begin(self) -> None:
        """Begins a new run of the source, whose dropped frames are counted from 0 again."""
        with self._lock:
            self._dropped_before += self._dropped
            self._dropped = 0
            self._arrivals.clear()

    def add(self, result: TrackedFrame) -> None:
        """Counts one result."""
        latency_s = latency_of(result)
        with self._lock:
            self._arrivals.append(time.monotonic())
            self._latencies.append(latency_s)
            self._bins[bisect_left(BOUNDS_S, latency_s)] += 1
            self._latency_sum_s += latency_s
            self._frames += 1
            self._dropped = result.dropped
            self._second_frames += 1
            if len(self._second) < _RECENT:
                self._second.append(latency_s)

    def tick(self, tracks: int, occupancy: dict[str, int]) -> None:
        """Ends a second: adds a point to the charts."""
        with self._lock:
            values = sorted(self._second)
            middle = round(1000 * values[len(values) // 2], 1) if values else None
            point = Second(time.time(), self._second_frames, middle, tracks, occupancy)
            self._seconds.append(point)
            self._second, self._second_frames = [], 0

    def rate(self) -> float:
        """Returns the results a second in the last three seconds."""
        oldest_s = time.monotonic() - _RATE_S
        with self._lock:
            recent = [at_s for at_s in self._arrivals if at_s >= oldest_s]
        if len(recent) < 2:
            return 0.0
        # After the last result, the rate falls: the time since then counts as well.
        span_s = max(recent[-1] - recent[0], time.monotonic() - recent[0] - 0.5)
        return (len(recent) - 1) / span_s if span_s > 0 else 0.0

    def latency_ms(self) -> dict[str, float | None]:
        """Returns the percentiles of the last results in milliseconds."""
        with self._lock:
            values = sorted(self._latencies)
        if not values:
            return {"p50": None, "p95": None}
        places = {"p50": len(values) // 2, "p95": int(0.95 * (len(values) - 1))}
        return {name: round(1000 * values[place], 1) for name, place in places.items()}

    def totals(self) -> Totals:
        """Returns the counts so far."""
        with self._lock:
            dropped = self._dropped_before + self._dropped
            return Totals(self._frames, dropped, tuple(self._bins), self._latency_sum_s)

    def charts(self, zones: list[str]) -> dict[str, Any]:
        """Returns the last five minutes, for `/api/stats`.

        Args:
            zones: Names of the zones now; those that did not exist at a time have 0 there.
        """
        with self._lock:
            points = list(self._seconds)
        return {
            "times": [round(point.unix_s, 3) for point in points],
            "fps": [point.frames for point in points],
            "latency_ms": [point.latency_ms for point in points],
            "tracks": [point.tracks for point in points],
            "occupancy": {
                name: [point.occupancy.get(name, 0) for point in points] for name in zones
            },
        }


def latency_of(result: TrackedFrame) -> float:
    """Returns the seconds from capture to result; of files as fast as possible, those of work."""
    if result.age_s is not None:
        return max(result.age_s, 0.0)
    return sum(result.timings_s.values())
