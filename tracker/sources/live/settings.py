"""Settings of live sources (`source.live`): which frames, timeouts, and reconnection."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from tracker.errors import ConfigError
from tracker.util.check_types import check_finite, check_types

DAY_S = 86_400
"""Longest wait in seconds: the system and FFmpeg refuse far longer ones when they begin."""


class FramePolicy(StrEnum):
    """Which frames are processed where the source is faster than the pipeline."""

    AUTO = "auto"
    """`newest` for live sources (cameras and streams), `all` for files and pipes."""
    NEWEST = "newest"
    """The newest; those that came meanwhile are dropped and counted. The delay stays small."""
    ALL = "all"
    """Every one; the delay grows where the pipeline is slower than the source."""


class RtspTransport(StrEnum):
    """How the packets of an RTSP stream travel."""

    TCP = "tcp"
    """Over the RTSP connection (TCP): no packet is lost, and firewalls let it pass."""
    UDP = "udp"
    """Over UDP: lost packets are not sent again."""


@dataclass(frozen=True, slots=True)
class Reconnect:
    """How often and how long to wait for a source that was lost.

    Attributes:
        attempts: Attempts for each loss, >= 0; `None` for no limit.
        first_s: Seconds before the first attempt, > 0, at most a day; before the second one if the
            stream had lasted longer than that: then the first is made at once.
        longest_s: Most seconds between attempts, >= `first_s`, at most a day.
        factor: By how much the wait grows from attempt to attempt, 1 to 1000.
        jitter: Random share of each wait, in [0, 1): cameras of one site do not reconnect at the
            same moment.
    """

    attempts: int | None = None
    first_s: float = 0.5
    longest_s: float = 30.0
    factor: float = 2.0
    jitter: float = 0.2

    def __post_init__(self) -> None:
        check_types(self)
        _check(
            "reconnect.",
            self,
            {
                "attempts": (self.attempts is None or self.attempts >= 0, "a number >= 0 or null"),
                "first_s": (0 < self.first_s <= DAY_S, f"seconds > 0, up to {DAY_S}"),
                "longest_s": (
                    self.first_s <= self.longest_s <= DAY_S,
                    f"seconds >= first_s, which is {self.first_s:g}, up to {DAY_S}",
                ),
                "factor": (1 <= self.factor <= 1000, "a number from 1 to 1000"),
                "jitter": (0 <= self.jitter < 1, "a share in [0, 1)"),
            },
        )
        check_finite(self)

    # In quotes: `numpy.random` is loaded where it is first named, and takes 7 MB.
    def delays(self, rng: "np.random.Generator") -> Iterator[float]:
        """Yields the seconds to wait before each attempt, as many as there may be attempts.

        Args:
            rng: Draws the jitter: a wait lies within `jitter` of its nominal value on both sides.

        Example:
            >>> steady = Reconnect(attempts=4, first_s=1.0, longest_s=5.0, jitter=0.0)
            >>> list(steady.delays(np.random.default_rng(0)))
            [1.0, 2.0, 4.0, 5.0]
        """
        wait = self.first_s
        made = 0
        while self.attempts is None or made < self.attempts:
            yield wait * (1 + self.jitter * float(rng.uniform(-1, 1)))
            wait = min(wait * self.factor, self.longest_s)
            made += 1


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """How live sources are read.

    Attributes:
        policy: Which frames are processed where the source is faster than the pipeline.
        stall_s: Seconds without a frame after which a source counts as lost, > 0, at most a day.
        open_timeout_s: Seconds that opening a stream may take, > 0, at most a day.
        reconnect: How to reconnect to a lost source.
        rtsp_transport: How the packets of an RTSP stream travel.
    """

    policy: FramePolicy = FramePolicy.AUTO
    stall_s: float = 10.0
    open_timeout_s: float = 10.0
    reconnect: Reconnect = field(default_factory=Reconnect)
    rtsp_transport: RtspTransport = RtspTransport.TCP

    def __post_init__(self) -> None:
        check_types(self)
        _check(
            "",
            self,
            {
                "stall_s": (0 < self.stall_s <= DAY_S, f"seconds > 0, up to {DAY_S}"),
                "open_timeout_s": (0 < self.open_timeout_s <= DAY_S, f"seconds > 0, up to {DAY_S}"),
            },
        )
        check_finite(self)


def _check(prefix: str, settings: object, allowed: dict[str, tuple[bool, str]]) -> None:
    for name, (is_allowed, expected) in allowed.items():
        if not is_allowed:
            raise ConfigError(
                f"source.live.{prefix}{name}: expected {expected}, got {getattr(settings, name)}"
            )
