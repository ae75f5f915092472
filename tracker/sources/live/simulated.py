"""A recorded source played back as a live camera, in real time or faster.

Each frame is due at its time and never waits for the reader: a late reader gets old frames, as from
a camera.
"""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Protocol

from tracker.errors import SourceError
from tracker.frames import Frame, Source, VideoInfo
from tracker.util.closing import Closing

SLOWEST, FASTEST = 0.001, 1000.0
"""Speeds that make sense: one hour of video in a month and a half, or in 3.6 seconds."""

_TICKS_A_SECOND = 1_000_000


class Clock(Protocol):
    """A clock that can wait."""

    def now(self) -> float:
        """Returns monotonic seconds from any origin."""
        ...

    def wall(self) -> float:
        """Returns Unix time in seconds."""
        ...

    def wait(self, seconds: float, stop: threading.Event) -> None:
        """Returns after about so many seconds, or as soon as the event is set."""
        ...


class SystemClock:
    """The clock of this machine: `time.monotonic`, by which latency is measured."""

    def now(self) -> float:
        """Returns `time.monotonic()`."""
        return time.monotonic()

    def wall(self) -> float:
        """Returns `time.time()`."""
        return time.time()

    def wait(self, seconds: float, stop: threading.Event) -> None:
        """Returns after about so many seconds, or as soon as the event is set."""
        stop.wait(seconds)


@dataclass(frozen=True, slots=True, eq=False)
class Repeat:
    """Playing for a given time, restarting at the end of the material.

    Attributes:
        seconds: How long, > 0.
        reopen: Opens the same material again.

    Raises:
        SourceError: `seconds` is not above 0.
    """

    seconds: float
    reopen: Callable[[], Source]

    def __post_init__(self) -> None:
        if not self.seconds > 0:
            raise SourceError(f"repeat: expected seconds above 0, got {self.seconds}")


class PacedSource(Closing):
    """Plays a recorded source as a live one.

    The first frame is due at once, each other one at its time. `captured_s` and `wall_time_s` of a
    frame are when it was due, not when it was read. Numbers and times count from the first frame
    and go on where the material is repeated; at double speed there are twice as many frames a
    second, and all times are half as long.

    Args:
        source: The recording; it is closed with this source.
        speed: 1 = as recorded, from `SLOWEST` to `FASTEST`.
        repeat: How long to play; `None` for the material once.
        clock: Decides when frames are due.

    Raises:
        SourceError: The speed is out of range.
    """

    def __init__(
        self,
        source: Source,
        *,
        speed: float = 1.0,
        repeat: Repeat | None = None,
        clock: Clock | None = None,
    ) -> None:
        if not SLOWEST <= speed <= FASTEST:
            raise SourceError(
                f"{source.info.source}: speed: expected {SLOWEST:g} to {FASTEST:g}, got {speed:g}"
            )
        self._source = source
        self._speed = speed
        self._repeat = repeat
        self._clock: Clock = clock or SystemClock()
        self._closed = threading.Event()
        self._skipped_before = 0
        rate = Fraction(speed).limit_denominator(1_000_000)
        self._info = replace(
            source.info,
            fps=source.info.fps * rate,
            time_base=Fraction(1, _TICKS_A_SECOND),
            frame_count=source.info.frame_count if repeat is None else None,
            is_live=True,
            audio_path=None,
            start_s=0.0,
        )

    @property
    def info(self) -> VideoInfo:
        """The facts known before the first frame."""
        return self._info

    @property
    def skipped(self) -> int:
        """Frames so far that could not be decoded."""
        return self._skipped_before + self._source.skipped

    def __iter__(self) -> Iterator[Frame]:
        start: tuple[float, float] | None = None
        for frame, index, time_s in self._timeline():
            if self._repeat is not None and time_s >= self._repeat.seconds:
                return
            if start is None:
                start = self._clock.now(), self._clock.wall()
            due = start[0] + time_s
            while (left := due - self._clock.now()) > 0 and not self._closed.is_set():
                self._clock.wait(left, self._closed)
            if self._closed.is_set():
                return
            yield replace(
                frame,
                index=index,
                time_s=time_s,
                wall_time_s=start[1] + time_s,
                captured_s=due,
            )

    def close(self) -> None:
        """Closes the recording; an iteration in another thread ends, also while it waits."""
        self._closed.set()
        self._source.close()

    def _timeline(self) -> Iterator[tuple[Frame, int, float]]:
        """Yields each frame with its number and its time after the first one, as it is decoded."""
        number, passed_s = 0, 0.0
        while True:
            first: Frame | None = None
            index, time_s = number, passed_s
            for frame in self._source:
                first = first or frame
                index = number + frame.index - first.index
                time_s = passed_s + (frame.time_s - first.time_s) / self._speed
                yield frame, index, round(time_s * _TICKS_A_SECOND) / _TICKS_A_SECOND
            if self._repeat is None or first is None or not self._rewind(self._repeat):
                return
            number, passed_s = index + 1, time_s + float(1 / self._info.fps)

    def _rewind(self, repeat: Repeat) -> bool:
        """Reopens the material; returns false after `close`."""
        self._source.close()
        if self._closed.is_set():
            return False
        self._skipped_before += self._source.skipped
        self._source = repeat.reopen()
        if self._closed.is_set():  # by another thread, which may have closed the old one only
            self._source.close()
            return False
        return True
