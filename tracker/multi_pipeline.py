"""The frame loop of many sources in one process, which share one network.

Comes in: open sources and what makes the stages. Goes out: results as they come, each with the
number of its source, and the end of each source. A thread reads each source; one thread puts the
frames that are there into one batch for the detector and steps each source's own tracker.
"""

import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tracker.detection.function_detector import FunctionDetector, ObjectDetector, as_detector
from tracker.detections import (
    AnyDetector,
    Detections,
    Embedder,
    TimedDetector,
    digests_of,
)
from tracker.errors import ConfigError, TrackerError
from tracker.frames import Frame, Source, VideoInfo
from tracker.intake import Arrival, Intake
from tracker.lane import Lane, check_detect_every, no_frames, with_age
from tracker.pipeline import (
    QUEUE_SIZE,
    NoEmbedder,
    closed_if_cut_short,
    frame_channel,
    next_item,
    reading_stage,
    takes_newest,
)
from tracker.sources.live_settings import FramePolicy
from tracker.timing import Stopwatch
from tracker.tracks import CameraObserver, MultiObjectTracker, RunInfo, TrackedFrame
from tracker.workers import Channel, Workers

BATCH_WAIT_S = 0.005
"""How long the first frame of a batch waits for those of other sources: short beside a detector's
time, long enough for cameras that are released by one clock."""


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
    """The end of one of several sources; nothing of it follows.

    Attributes:
        index: The source, from 0 in the order given.
        error: What it broke with; `None` where it came to its end.
    """

    index: int
    error: TrackerError | None = None


SourceEvent = SourceResult | SourceEnd


@dataclass(frozen=True, slots=True)
class StageMakers:
    """What makes the stages of each source; each function is called once a source.

    Attributes:
        detector: Makes what `Pipeline` takes as a detector. An object that is returned for several
            sources is shared by them and gets their frames in one batch; one that learns from its
            source must not be.
        tracker: A tracker of its own for each source.
        embedder: May return one object for all.
        camera_motion: `None`, or an observer of its own for each source.
    """

    detector: Callable[[], AnyDetector]
    tracker: Callable[[], MultiObjectTracker]
    embedder: Callable[[], Embedder] = NoEmbedder
    camera_motion: Callable[[], CameraObserver | None] = lambda: None


class MultiPipeline:
    """Runs many sources through one detector and a tracker each.

    Args:
        make: What makes the stages.
        config: What results record as the resolved configuration; plain JSON types.
        detect_every: The detector looks at every n-th frame of each source, >= 1.
        batch_wait_s: Seconds that the first frame of a batch waits for those of other sources,
            >= 0.
        max_frames: A source ends after so many results, >= 1; `None` for all.

    Raises:
        ConfigError: A number is out of range.

    Example:
        ```python
        detector = YoloDetector.load_builtin("small")
        stages = StageMakers(detector=lambda: detector, tracker=DeepSort)
        with Camera(0) as left, Camera(1) as right:
            for event in MultiPipeline(stages).run([left, right]):
                if isinstance(event, SourceResult):
                    print(event.index, event.result.tracks.ids)
        ```
    """

    def __init__(
        self,
        make: StageMakers,
        *,
        config: Mapping[str, Any] | None = None,
        detect_every: int = 1,
        batch_wait_s: float = BATCH_WAIT_S,
        max_frames: int | None = None,
    ) -> None:
        check_detect_every(detect_every)
        if not 0 <= batch_wait_s < float("inf"):
            raise ConfigError(f"batch.wait_s: expected seconds >= 0, got {batch_wait_s}")
        if max_frames is not None and max_frames < 1:
            raise ConfigError(f"source.max_frames: expected >= 1, got {max_frames}")
        self._make = make
        self._config = dict(config or {})
        self._detect_every = detect_every
        self._batch_wait_s = batch_wait_s
        self._max_frames = max_frames

    def run(
        self,
        sources: Sequence[Source],
        *,
        policy: FramePolicy = FramePolicy.AUTO,
        stop: threading.Event | None = None,
        idle: Callable[[], None] | None = None,
    ) -> Generator[SourceEvent, None, None]:
        """Yields the results of each source in order, and its end; sources interleave.

        A source that breaks or is empty ends with its error and the others go on. A batch has at
        most one frame of each source; `timings_s` of a result is its share of the batch's time.

        Args:
            sources: Open sources. They stay open, unless `stop` or an error ends the run, or one
                gives no frame at the moment the iterator is closed, as for `Pipeline.run`.
            policy: Which frames are processed where a source is faster than the pipeline; `AUTO`
                takes the newest of live sources and all of the others.
            stop: Once it is set, no further event comes; for signal handlers.
            idle: Called in the caller's thread, ten times a second while no event comes: a window
                lives on while a camera is away.

        Raises:
            ConfigError: No source is given, or two share a tracker or camera observer.
            TrackerError: A stage that all share failed.
        """
        if not sources:
            raise ConfigError("sources: expected at least one, got none")
        newest = [takes_newest(policy, source.info) for source in sources]
        changed = threading.Condition()
        with Workers() as workers, closed_if_cut_short(sources, stop):
            channels = [
                workers.add(frame_channel(newest=is_newest, changed=changed))
                for is_newest in newest
            ]
            size = len(sources) * (1 if any(newest) else QUEUE_SIZE)
            events = workers.add(Channel[SourceEvent](size))
            for index, (source, channel) in enumerate(zip(sources, channels, strict=True)):
                workers.start_reader(f"tracker-read-{index}", source, channel)
            # Reading begins before networks are compiled; see `Pipeline.run`.
            detectors = _detectors([self._make.detector() for _ in sources])
            lanes = self._lanes([source.info for source in sources], detectors)
            intake = Intake(channels, changed, wait_s=self._batch_wait_s)
            inference = _Inference(detectors, lanes, intake, events, max_frames=self._max_frames)
            run = inference.run_newest if any(newest) else inference.run_all
            workers.start("tracker-infer", run, events)
            while (event := next_item(events, stop, idle)) is not None:
                yield (
                    SourceResult(event.index, with_age(event.result))
                    if isinstance(event, SourceResult)
                    else event
                )

    def _lanes(self, infos: Sequence[VideoInfo], detectors: Sequence[TimedDetector]) -> list[Lane]:
        """Returns a lane for each source, with its detector started."""
        for detector, info in zip(detectors, infos, strict=True):
            detector.start(info)
        for group in _by_detector(detectors, range(len(infos))):
            detector = detectors[group[0]]
            if len(group) > 1 and not isinstance(detector, FunctionDetector | ObjectDetector):
                # The largest batch is compiled before the first frame, not in the middle. What
                # users write sees the frames of the sources and no others.
                detector.detect([_blank(infos[index]) for index in group], Stopwatch())
        trackers = [self._make.tracker() for _ in infos]
        observers = [self._make.camera_motion() for _ in infos]
        _check_own(trackers, "tracker")
        _check_own([observer for observer in observers if observer is not None], "camera_motion")
        lanes = []
        for index, info in enumerate(infos):
            embedder = self._make.embedder()
            run = RunInfo(
                video=info,
                class_names=detectors[index].class_names,
                config=self._config,
                model_digests=digests_of(detectors[index]) | digests_of(embedder),
            )
            lanes.append(
                Lane(
                    run,
                    tracker=trackers[index],
                    embedder=embedder,
                    camera_motion=observers[index],
                    detect_every=self._detect_every,
                )
            )
        return lanes


class _Inference:
    """What the inference thread does: batches in, events out."""

    def __init__(
        self,
        detectors: Sequence[TimedDetector],
        lanes: Sequence[Lane],
        intake: Intake,
        events: Channel[SourceEvent],
        *,
        max_frames: int | None,
    ) -> None:
        self._detectors = detectors
        self._lanes = lanes
        self._intake = intake
        self._events = events
        self._max_frames = max_frames

    def run_all(self) -> None:
        """Takes batches until all sources have ended."""
        while arrivals := self._intake.take():
            self._process(arrivals)

    def run_newest(self) -> None:
        """Takes batches until all sources have ended, none before its results have room.

        A frame that is taken now and has to wait afterwards would not be the newest.
        """
        self._events.wait_for_room()
        while arrivals := self._intake.take():
            self._process(arrivals)
            self._events.wait_for_room()

    def _process(self, arrivals: Sequence[Arrival]) -> None:
        frames = {a.index: a.taken.item for a in arrivals if a.taken is not None}
        watches = {index: Stopwatch() for index in frames}
        found = self._detect({index: read.frame for index, read in frames.items()}, watches)
        for arrival in arrivals:
            index, taken = arrival.index, arrival.taken
            if taken is None:
                self._events.put(_end(arrival, self._lanes[index]))
                continue
            watches[index].add(reading_stage(self._lanes[index].video), taken.item.read_s)
            result = self._lanes[index].step(
                taken.item.frame, found.get(index), watches[index], dropped=taken.dropped
            )
            self._events.put(SourceResult(index, result))
            if self._lanes[index].frames == self._max_frames:
                self._intake.retire(index)
                self._events.put(SourceEnd(index))

    def _detect(
        self, frames: Mapping[int, Frame], watches: Mapping[int, Stopwatch]
    ) -> dict[int, Detections]:
        """Returns the detections of the frames that want some, one call for each detector."""
        wanting = [index for index in frames if self._lanes[index].wants_detections]
        found: dict[int, Detections] = {}
        for group in _by_detector(self._detectors, wanting):
            watch = Stopwatch()
            batch = [frames[index] for index in group]
            detections = self._detectors[group[0]].detect(batch, watch)
            found |= zip(group, detections, strict=True)
            for index in group:
                for stage, seconds in watch.seconds.items():
                    watches[index].add(stage, seconds / len(group))
        return found


def _end(arrival: Arrival, lane: Lane) -> SourceEnd:
    """Returns the end of a source; raises an error that is no fault of the source but ours."""
    error = arrival.error
    if error is None:
        return SourceEnd(arrival.index, None if lane.frames else no_frames(lane.video))
    if not isinstance(error, TrackerError):
        raise error
    return SourceEnd(arrival.index, error)


def _detectors(made: Sequence[AnyDetector]) -> list[TimedDetector]:
    """Returns what is run for each source; one object for several stays one."""
    ready = {id(detector): as_detector(detector) for detector in made}
    return [ready[id(detector)] for detector in made]


def _by_detector(detectors: Sequence[TimedDetector], indices: Sequence[int]) -> list[list[int]]:
    """Returns the sources, those with the same detector together."""
    groups: dict[int, list[int]] = {}
    for index in indices:
        groups.setdefault(id(detectors[index]), []).append(index)
    return list(groups.values())


def _blank(info: VideoInfo) -> Frame:
    image = np.zeros((info.height, info.width, 3), np.uint8)
    return Frame(image, index=0, time_s=0.0, source=info.source)


def _check_own(stages: Sequence[object], name: str) -> None:
    if len({id(stage) for stage in stages}) < len(stages):
        raise ConfigError(
            f"{name}: expected one of its own for each source, got one for several; let the "
            "function make a new one"
        )
