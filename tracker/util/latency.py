"""Latency of results: its percentiles and its trend, in constant memory.

A histogram with bins of 1 % keeps no single value.
"""

import math
from bisect import bisect_left
from dataclasses import dataclass
from itertools import accumulate

from tracker.errors import DataError

SHORTEST_S = 1e-6
"""Shorter durations are counted together: the clock does not resolve them."""

LONGEST_S = 1e3
"""Longer durations are counted together; only the longest of all is known exactly."""

RELATIVE_ERROR = 0.005
"""Largest relative error of a percentile between `SHORTEST_S` and `LONGEST_S`: half a bin of 1
%."""

_STEP = math.log(1.01)
_STEPS = math.ceil(math.log(LONGEST_S / SHORTEST_S) / _STEP)


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Summary of many durations, in seconds.

    Attributes:
        p50: Half of them are no longer than this.
        p95: 95 of 100 are no longer.
        p99: 99 of 100 are no longer.
        max: The longest, exactly.
    """

    p50: float
    p95: float
    p99: float
    max: float


class LatencyHistogram:
    """Counts durations in bins that grow by 1 %; its size does not depend on how many there are.

    Example:
        >>> latencies = LatencyHistogram()
        >>> for milliseconds in range(1, 101):
        ...     latencies.add(milliseconds / 1000)
        >>> latencies.count, round(latencies.percentile(50), 3), latencies.max
        (100, 0.05, 0.1)
    """

    def __init__(self) -> None:
        # The first bin holds shorter, the last one longer durations.
        self._bins = [0] * (_STEPS + 2)
        self._count = 0
        self._total = 0.0
        self._min = math.inf
        self._max = 0.0

    @property
    def count(self) -> int:
        """Number of durations."""
        return self._count

    @property
    def max(self) -> float:
        """The longest of them in seconds, exactly; 0 where there are none."""
        return self._max

    @property
    def mean(self) -> float:
        """Their mean in seconds; 0 where there are none."""
        return self._total / self._count if self._count else 0.0

    def add(self, seconds: float) -> None:
        """Counts one duration.

        Args:
            seconds: 0 or more.

        Raises:
            DataError: It is negative or not finite.
        """
        if not 0 <= seconds < math.inf:
            raise DataError(
                f"latency: expected seconds >= 0, got {seconds}; were both moments read from "
                "time.monotonic?"
            )
        self._bins[_bin(seconds)] += 1
        self._count += 1
        self._total += seconds
        self._min = min(self._min, seconds)
        self._max = max(self._max, seconds)

    def merged(self, other: "LatencyHistogram") -> "LatencyHistogram":
        """Returns the histogram of the durations of both, as if all were added to one."""
        both = LatencyHistogram()
        both._bins = [a + b for a, b in zip(self._bins, other._bins, strict=True)]
        both._count, both._total = self._count + other._count, self._total + other._total
        both._min, both._max = min(self._min, other._min), max(self._max, other._max)
        return both

    def percentile(self, q: float) -> float:
        """Returns the shortest duration that `q` per cent are not longer than, in seconds.

        It is off by at most `RELATIVE_ERROR` from `SHORTEST_S` to `LONGEST_S`, by `SHORTEST_S`
        below, and values above are given as the longest of all. The first and the last are exact.

        Args:
            q: From 0 to 100.

        Raises:
            DataError: `q` is out of range, or nothing was added.
        """
        if not 0 <= q <= 100:
            raise DataError(f"percentile: expected a number from 0 to 100, got {q}")
        if not self._count:
            raise DataError("percentile: expected at least one duration, got none")
        rank = max(math.ceil(q * self._count / 100), 1)
        if rank == 1:
            return self._min
        if rank == self._count:
            return self._max
        number = bisect_left(list(accumulate(self._bins)), rank)
        return min(max(self._middle(number), self._min), self._max)

    def percentiles(self) -> Percentiles | None:
        """Returns the summary of the durations; `None` where there are none."""
        if not self._count:
            return None
        p50, p95, p99 = (self.percentile(q) for q in (50, 95, 99))
        return Percentiles(p50, p95, p99, self._max)

    def _middle(self, number: int) -> float:
        """Returns the value of a bin: its geometric middle."""
        if number == 0:
            return SHORTEST_S
        if number > _STEPS:
            return self._max
        return SHORTEST_S * math.exp((number - 0.5) * _STEP)


def _bin(seconds: float) -> int:
    if seconds < SHORTEST_S:
        return 0
    return min(int(math.log(seconds / SHORTEST_S) / _STEP), _STEPS) + 1


class LatencyTrend:
    """The trend of latency: the slope of a least-squares line, from sums alone.

    Example:
        >>> trend = LatencyTrend()
        >>> for second in range(4):
        ...     trend.add(at_s=second, latency_s=0.1 + 0.002 * second)
        >>> round(trend.trend_s_per_minute, 6)
        0.12
    """

    def __init__(self) -> None:
        self._count = 0
        self._at = 0.0
        self._latency = 0.0
        # Sums of products of deviations from the means: sums of the values would lose the slope,
        # since a clock's seconds are large and their differences small.
        self._at_at = 0.0
        self._at_latency = 0.0

    def add(self, at_s: float, latency_s: float) -> None:
        """Adds one latency.

        Args:
            at_s: Its time, in seconds on any one clock.
            latency_s: The latency in seconds.

        Raises:
            DataError: A number is not finite.
        """
        if not (math.isfinite(at_s) and math.isfinite(latency_s)):
            raise DataError(f"trend: expected finite seconds, got {latency_s} at {at_s}")
        self._count += 1
        ahead = at_s - self._at
        self._at += ahead / self._count
        self._latency += (latency_s - self._latency) / self._count
        self._at_at += ahead * (at_s - self._at)
        self._at_latency += ahead * (latency_s - self._latency)

    def merged(self, other: "LatencyTrend") -> "LatencyTrend":
        """Returns the trend over the values of both, as if all were added to one."""
        both = LatencyTrend()
        both._count = self._count + other._count
        if not both._count:
            return both
        at, latency, share = (
            other._at - self._at,
            other._latency - self._latency,
            other._count / both._count,
        )
        both._at, both._latency = self._at + at * share, self._latency + latency * share
        weight = self._count * share
        both._at_at = self._at_at + other._at_at + at * at * weight
        both._at_latency = self._at_latency + other._at_latency + at * latency * weight
        return both

    @property
    def trend_s_per_minute(self) -> float | None:
        """Growth of latency in seconds per minute; `None` where all have the same time."""
        return 60 * self._at_latency / self._at_at if self._at_at > 0 else None
