"""The frame loop: sources are read in threads, and one thread detects, embeds and tracks.

Three stages overlap: one thread per source decodes, the inference thread batches the available
frames for the detector and steps the tracker of each source, and the caller's thread draws and
writes (videos have a thread of their own). The channels between them are bounded, and so is memory.
One source is a batch of one.
"""

import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty
from typing import TYPE_CHECKING, TypeVar

from tracker.detections import Detections, TimedDetector
from tracker.errors import ConfigError, TrackerError
from tracker.frames import Frame, Source, VideoInfo
from tracker.pipeline.arrival_rate import Rhythm
from tracker.pipeline.batching import FrameOrEnd, Intake
from tracker.pipeline.lag import LaggedResults
from tracker.pipeline.snapshots import (
    ResumePoint,
    Snapshot,
    SnapshotTaker,
    continue_from,
    snapshot_of,
    with_results,
)
from tracker.pipeline.source_state import SourceTracker, no_frames, with_latency
from tracker.pipeline.threads import ReadFrame, Workers, run_together
from tracker.sources.live.settings import FramePolicy
from tracker.tracks import TrackedFrame
from tracker.util.channel import Channel, WhenFull
from tracker.util.stopwatch import Stopwatch

if TYPE_CHECKING:
    from tracker.linking.online import Linker

ItemT = TypeVar("ItemT")

QUEUE_SIZE = 2
"""Frames that may wait between two stages: enough to even out a slow key frame or encoder burst."""

BATCH_WAIT_S = 0.005
"""Seconds that the first frame of a batch waits for those of other sources: short compared with a
detector's time, long enough for cameras with a common trigger."""

_LONGEST_BATCH_WAIT_S = 60.0
"""The frames of a live source are old by then."""

_CLOSE_S = 2.0
"""Seconds that the sources of a run get to close; a slower one continues in its thread."""

_POLL_S = 0.1
"""Interval at which the caller's thread checks whether to stop."""


def check_batch_wait(wait_s: float) -> None:
    """Checks the seconds that the first frame of a batch waits for those of other sources.

    Raises:
        ConfigError: They are out of range.
    """
    if not 0 <= wait_s <= _LONGEST_BATCH_WAIT_S:
        most = f"{_LONGEST_BATCH_WAIT_S:g}"
        raise ConfigError(f"batch.wait_s: expected seconds from 0 to {most}, got {wait_s}")


@dataclass(frozen=True, slots=True, eq=False)
class SourceResult:
    """A result of one of several sources.

    Attributes:
        index: The source, from 0 in the order given.
        result: Its next result.
    """

    index: int
    result: TrackedFrame


@dataclass(frozen=True, slots=True, eq=False)
class SourceEnd:
    """The end of one of several sources; no result of it follows.

    Attributes:
        index: The source, from 0 in the order given.
        error: Its error; `None` at a regular end.
    """

    index: int
    error: TrackerError | None = None


SourceEvent = SourceResult | SourceEnd


@dataclass(frozen=True, slots=True, eq=False)
class SourceStages:
    """The stages that process the frames of one source.

    Attributes:
        detector: Sources with the same detector share its batches.
        source_tracker: Embedder, tracker and camera observer of this source.
    """

    detector: TimedDetector
    source_tracker: SourceTracker


@dataclass(frozen=True, slots=True)
class LoopOptions:
    """How the loop runs; see `Pipeline.run` and `MultiPipeline.run`.

    Attributes:
        policy: Which frames are processed where a source is faster than the pipeline.
        stop: Once set, no further event is yielded, but for results that were held back
            (`DeepSortSettings.lag_frames`).
        idle: Called in the caller's thread, ten times a second while there is no event.
        batch_wait_s: Seconds that the first frame of a batch waits for those of other sources.
        max_frames: Number of results after which a source ends; `None` for all.
        linker: Gives global ids to the tracks of all sources; `None` for none.
        snapshots: Gets snapshots of the run, which has one source; `None` for none.
        resume: Where the run, of one source, continues; `None` for the beginning.
    """

    policy: FramePolicy = FramePolicy.AUTO
    stop: threading.Event | None = None
    idle: Callable[[], None] | None = None
    batch_wait_s: float = BATCH_WAIT_S
    max_frames: int | None = None
    linker: "Linker | None" = None
    snapshots: SnapshotTaker | None = None
    resume: ResumePoint | None = None


def run_sources(
    sources: Sequence[Source],
    prepare: Callable[[], Sequence[SourceStages]],
    options: LoopOptions,
) -> Generator[SourceEvent, None, None]:
    """Yields the results of each source in order, and its end; sources interleave.

    Args:
        sources: Open sources, at least one.
        prepare: Returns the stages of each source, with detectors started. It is called once the
            sources are being read: compiling a network takes seconds, in which the frames of a live
            source would pile up in the buffers of the system, where old ones cannot be dropped.
        options: How the loop runs.

    Raises:
        TrackerError: `prepare` or a stage failed. The error of a source is in its `SourceEnd`.
    """
    newest = [takes_newest(options.policy, source.info) for source in sources]
    changed = threading.Condition()
    with Workers() as workers, closed_if_cut_short(sources, options.stop):
        channels = [
            workers.add(_frame_channel(newest=is_newest, changed=changed)) for is_newest in newest
        ]
        size = len(sources) * (1 if any(newest) else QUEUE_SIZE)
        events = workers.add(Channel[SourceEvent | Snapshot](size))
        for index, (source, channel) in enumerate(zip(sources, channels, strict=True)):
            workers.start_reader(f"tracker-read-{index}", source, channel)
        intake = Intake(channels, changed, wait_s=options.batch_wait_s)
        stages = prepare()
        lags = [LaggedResults(stage.source_tracker.lag_frames) for stage in stages]
        if options.resume is not None:
            (stage,), (lag,) = stages, lags
            continue_from(options.resume, stage.detector, stage.source_tracker, lag, options.linker)
        inference = _Inference(stages, intake, events, options)
        run = inference.run_newest if any(newest) else inference.run_all
        workers.start("tracker-infer", run, events)
        try:
            while (event := next_item(events, options.stop, options.idle)) is not None:
                if isinstance(event, Snapshot):
                    assert options.snapshots is not None, "they are taken on request"
                    options.snapshots.take(with_results(event, lags[0], options.linker))
                    continue
                for result in _ready(event, options.linker, lags):
                    yield SourceResult(event.index, with_latency(result))
                if isinstance(event, SourceEnd):
                    yield event
        except Exception:
            yield from _held_back(lags)
            raise
        yield from _held_back(lags)  # of sources that `stop` has cut short


def _ready(
    event: SourceEvent, linker: "Linker | None", lags: Sequence[LaggedResults]
) -> Iterator[TrackedFrame]:
    """Yields the results that are complete with an event: at once, or as late as the lags say."""
    if isinstance(event, SourceEnd):
        yield from lags[event.index].flush()
        return
    result = event.result
    if linker is not None:
        result = linker.link(event.index, result)
    yield from lags[event.index].push(result)


def _held_back(lags: Sequence[LaggedResults]) -> Iterator[SourceResult]:
    """Yields the results that still wait for later frames, which will not come."""
    for index, lag in enumerate(lags):
        for result in lag.flush():
            yield SourceResult(index, with_latency(result))


class _Inference:
    """The inference thread: takes batches of frames and queues events."""

    def __init__(
        self,
        stages: Sequence[SourceStages],
        intake: Intake,
        events: Channel[SourceEvent | Snapshot],
        options: LoopOptions,
    ) -> None:
        self._detectors = [stage.detector for stage in stages]
        self._source_trackers = [stage.source_tracker for stage in stages]
        self._intake = intake
        self._events = events
        self._max_frames = options.max_frames
        self._snapshots = options.snapshots

    def run_all(self) -> None:
        """Processes batches of frames until all sources have ended."""
        while arrivals := self._intake.take():
            self._process(arrivals)

    def run_newest(self) -> None:
        """Processes batches, each taken once there is room for its results, until all have ended.

        A frame that was taken earlier would no longer be the newest when it is processed.
        """
        while True:
            self._events.wait_for_room()
            self._intake.wait_for_next_if_due()
            if not (arrivals := self._intake.take()):
                return
            self._process(arrivals)

    def _process(self, arrivals: Sequence[FrameOrEnd]) -> None:
        taken = {a.index: a.taken for a in arrivals if a.taken is not None}
        watches = {index: Stopwatch() for index in taken}
        for index, watch in watches.items():
            watch.add(reading_stage(self._source_trackers[index].video), taken[index].item.read_s)
        detections = self._detect(
            {index: entry.item.frame for index, entry in taken.items()}, watches
        )
        for arrival in arrivals:
            index, source_tracker = arrival.index, self._source_trackers[arrival.index]
            if arrival.taken is None:
                self._events.put(_source_end(arrival, source_tracker))
                continue
            frame, dropped = arrival.taken.item.frame, arrival.taken.dropped
            if self._snapshots is not None and self._snapshots.is_due(source_tracker.frames):
                self._events.put(snapshot_of(source_tracker, frame))
            result = source_tracker.step(
                frame, detections.get(index), watches[index], dropped=dropped
            )
            self._events.put(SourceResult(index, result))
            if source_tracker.frames == self._max_frames:
                self._intake.retire(index)
                self._events.put(SourceEnd(index))

    def _detect(
        self, frames: Mapping[int, Frame], watches: Mapping[int, Stopwatch]
    ) -> dict[int, Detections]:
        """Returns the detections of the frames due for detection, one call for each detector."""
        due = [index for index in frames if self._source_trackers[index].wants_detections]
        by_source: dict[int, Detections] = {}
        for group in sources_by_detector(self._detectors, due):
            watch = Stopwatch()
            batch = [frames[index] for index in group]
            detections = self._detectors[group[0]].detect(batch, watch)
            by_source |= zip(group, detections, strict=True)
            for index in group:
                for stage, seconds in watch.seconds.items():
                    watches[index].add(stage, seconds / len(group))
        return by_source


def _source_end(arrival: FrameOrEnd, source_tracker: SourceTracker) -> SourceEnd:
    """Returns the end of a source; raises an error that is not a `TrackerError`."""
    error = arrival.error
    if error is None:
        return SourceEnd(
            arrival.index, None if source_tracker.frames else no_frames(source_tracker.video)
        )
    if not isinstance(error, TrackerError):
        raise error
    return SourceEnd(arrival.index, error)


def sources_by_detector(
    detectors: Sequence[TimedDetector], indices: Sequence[int]
) -> list[list[int]]:
    """Returns the given source indices grouped by detector."""
    groups: dict[int, list[int]] = {}
    for index in indices:
        groups.setdefault(id(detectors[index]), []).append(index)
    return list(groups.values())


def reading_stage(info: VideoInfo) -> str:
    """Returns the name under which the time of reading a frame is recorded.

    For a live source it is mostly waiting for the next frame, not decoding.
    """
    return "wait" if info.is_live else "decode"


def takes_newest(policy: FramePolicy, info: VideoInfo) -> bool:
    """Returns whether the newest frame replaces frames that are not taken in time."""
    return info.is_live if policy is FramePolicy.AUTO else policy is FramePolicy.NEWEST


def _frame_channel(*, newest: bool, changed: threading.Condition) -> Channel[ReadFrame]:
    """Returns the channel from a reader to inference; with `newest` it holds one frame.

    Args:
        newest: Whether a new frame replaces one that is not taken in time.
        changed: Notified of changes; shared, to wait for all channels at once.
    """
    if newest:
        return Channel(1, WhenFull.DROP_OLDEST, changed=changed, arrivals=Rhythm())
    return Channel(QUEUE_SIZE, changed=changed)


@contextmanager
def closed_if_cut_short(sources: Sequence[Source], stop: threading.Event | None) -> Iterator[None]:
    """Closes the sources where the block ends by an error or with `stop` set.

    Their readers may block on frames that never arrive, and would not end otherwise. Where the
    caller closes the iterator, `Workers` closes the silent sources; the others stay open and
    readable.
    """
    try:
        yield
    except GeneratorExit:
        raise
    except BaseException:
        close_together(sources)
        raise
    if stop and stop.is_set():
        close_together(sources)


def close_together(sources: Sequence[Source]) -> None:
    """Closes sources concurrently: silent streams take half a second each."""
    run_together([source.close for source in sources], _CLOSE_S)


def next_item(
    channel: Channel[ItemT],
    stop: threading.Event | None,
    idle: Callable[[], None] | None = None,
) -> ItemT | None:
    """Returns the next item; `None` at the end, or once `stop` is set.

    Args:
        channel: The channel to take from.
        stop: Ends the wait.
        idle: Called ten times a second while waiting.

    Raises:
        BaseException: The error that ended the other side.
    """
    while not (stop and stop.is_set()):
        try:
            taken = channel.take(_POLL_S)
        except Empty:
            if idle is not None:
                idle()
            continue
        return None if taken is None else taken.item
    return None
