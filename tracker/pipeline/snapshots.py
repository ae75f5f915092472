"""Snapshots of a run between two frames, and a run that continues from one.

A snapshot holds all that the following results depend on, as plain data, and how to find the next
frame in the source: its number, its time and a digest of its pixels.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from tracker.detections import TimedDetector
from tracker.frames import Frame
from tracker.pipeline.lag import LaggedResults, LateResult
from tracker.pipeline.source_state import SourceTracker
from tracker.util.plain_state import Kinds, PlainState, restore, state_of, value_from
from tracker.util.stopwatch import Stopwatch

if TYPE_CHECKING:
    from tracker.linking.online import Linker


@dataclass(frozen=True, slots=True)
class FrameMark:
    """How to recognise a frame when the source is read again.

    Attributes:
        index: Its number in the source.
        time_s: Its time in seconds.
        digest: SHA-256 of its pixels.
    """

    index: int
    time_s: float
    digest: str

    @classmethod
    def of(cls, frame: Frame) -> "FrameMark":
        """Returns the mark of a frame."""
        return cls(frame.index, frame.time_s, hashlib.sha256(frame.image.data).hexdigest())


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """The state of a run between two frames.

    Attributes:
        frames: Frames that were processed before.
        next_frame: The frame that follows.
        read_from_s: Time of an earlier frame, from which on the source has to be read again: images
            of results that wait, and what the decoder needs.
        tracker: State of the source's `SourceTracker`.
        lag: State of `FixedLag`; `None` without a lag.
        waiting: The results that are delayed by it.
        linker: State of the global ids; `None` without.
    """

    frames: int
    next_frame: FrameMark
    read_from_s: float
    tracker: PlainState
    lag: PlainState = None
    waiting: PlainState = field(default_factory=list)
    linker: PlainState = None

    @property
    def results(self) -> int:
        """Number of results that were delivered before."""
        return self.frames - len(self.waiting)

    def late_results(self) -> list[LateResult]:
        """Returns the results that wait.

        Raises:
            DataError: The snapshot is malformed.
        """
        return [value_from(one, _kinds()) for one in self.waiting]


class SnapshotTaker(Protocol):
    """Decides when snapshots are taken, and gets them."""

    def is_due(self, frames: int) -> bool:
        """Returns whether to take one now; called in the inference thread before each frame.

        Args:
            frames: Frames that were processed so far.
        """
        ...

    def take(self, snapshot: Snapshot) -> None:
        """Gets one, in the caller's thread, after all results before it were delivered."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class ResumePoint:
    """Where a run continues.

    Attributes:
        snapshot: The state.
        frames: Frames of the results that wait, by number.
        history: All frames before, for a detector that learns from them; called once.
    """

    snapshot: Snapshot
    frames: Mapping[int, Frame] = field(default_factory=dict)
    history: Callable[[], Iterable[Frame]] = tuple


def _kinds() -> Kinds:
    # On first use: it names classes of all kinds of runs, and most runs take no snapshot.
    from tracker.pipeline.stateful import TRACKING

    return TRACKING


def snapshot_of(source_tracker: SourceTracker, next_frame: Frame) -> Snapshot:
    """Returns the state of a source's tracker before a frame."""
    return Snapshot(
        source_tracker.frames,
        FrameMark.of(next_frame),
        source_tracker.read_from_s(next_frame.time_s),
        state_of(source_tracker, _kinds()),
    )


def with_results(snapshot: Snapshot, lag: LaggedResults, linker: "Linker | None") -> Snapshot:
    """Returns a snapshot with the state of what follows the tracker."""
    waiting = lag.waiting()
    return Snapshot(
        snapshot.frames,
        snapshot.next_frame,
        min([snapshot.read_from_s, *(one.time_s for one in waiting)]),
        snapshot.tracker,
        state_of(lag.fixed_lag, _kinds()),
        [state_of(one, _kinds()) for one in waiting],
        state_of(linker, _kinds()),
    )


def continue_from(
    point: ResumePoint,
    detector: TimedDetector,
    source_tracker: SourceTracker,
    lag: LaggedResults,
    linker: "Linker | None",
) -> None:
    """Puts the state of a snapshot into the stages of a run that begins.

    Raises:
        DataError: The state does not fit the stages.
    """
    snapshot = point.snapshot
    for frame in point.history():
        detector.detect([frame], Stopwatch())
    restore(source_tracker, snapshot.tracker, _kinds())
    if lag.fixed_lag is not None:
        restore(lag.fixed_lag, snapshot.lag, _kinds())
        lag.set_waiting(snapshot.late_results(), point.frames, source_tracker.run)
    if linker is not None:
        restore(linker, snapshot.linker, _kinds())
