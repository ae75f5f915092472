"""Several sources in one process that share a network: results of all, interleaved."""

import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tracker.detection.function_detector import FunctionDetector, ObjectDetector, as_detector
from tracker.detection.sliced import innermost
from tracker.detections import AnyDetector, Embedder, TimedDetector
from tracker.errors import ConfigError
from tracker.frames import Frame, Source, VideoInfo
from tracker.linking.online import Linker
from tracker.linking.settings import LinkSettings
from tracker.pipeline.frame_loop import (
    BATCH_WAIT_S,
    LoopOptions,
    SourceEvent,
    SourceStages,
    check_batch_wait,
    run_sources,
    sources_by_detector,
)
from tracker.pipeline.single import NoEmbedder
from tracker.pipeline.source_state import SourceTracker, check_detect_every, run_info
from tracker.sources.live.settings import FramePolicy
from tracker.tracks import CameraObserver, MultiObjectTracker
from tracker.util.stopwatch import Stopwatch


@dataclass(frozen=True, slots=True)
class StageFactories:
    """Factories of the stages; each is called once per source.

    Attributes:
        detector: Returns a detector as `Pipeline` accepts it. A detector returned for several
            sources is shared by them and gets their frames in one batch; one that adapts to its
            source must not be shared.
        tracker: Returns a new tracker for each source.
        embedder: May return one object for all sources.
        camera_motion: Returns a new estimator for each source; `None` for no camera motion.
    """

    detector: Callable[[], AnyDetector]
    tracker: Callable[[], MultiObjectTracker]
    embedder: Callable[[], Embedder] = NoEmbedder
    camera_motion: Callable[[], CameraObserver | None] = lambda: None


class MultiPipeline:
    """Runs many sources through one detector and a tracker each.

    Args:
        factories: The factories of the stages.
        config: The resolved configuration, recorded in results; plain JSON types.
        detect_every: The detector runs on every n-th frame of each source, >= 1.
        batch_wait_s: Seconds that the first frame of a batch waits for those of other sources,
            >= 0.
        max_frames: Number of results after which a source ends, >= 1; `None` for all.
        link: Tracks of all sources that look like the same person get one global id, see `Linker`;
            `None` for no global ids.

    Raises:
        ConfigError: A number is out of range.

    Example:
        ```python
        detector = YoloDetector.load_builtin("small")
        stages = StageFactories(detector=lambda: detector, tracker=DeepSort)
        with Camera(0) as left, Camera(1) as right:
            for event in MultiPipeline(stages).run([left, right]):
                if isinstance(event, SourceResult):
                    print(event.index, event.result.tracks.ids)
        ```
    """

    def __init__(
        self,
        factories: StageFactories,
        *,
        config: Mapping[str, Any] | None = None,
        detect_every: int = 1,
        batch_wait_s: float = BATCH_WAIT_S,
        max_frames: int | None = None,
        link: LinkSettings | None = None,
    ) -> None:
        check_detect_every(detect_every)
        check_batch_wait(batch_wait_s)
        if max_frames is not None and max_frames < 1:
            raise ConfigError(f"source.max_frames: expected >= 1, got {max_frames}")
        self._factories = factories
        self._config = dict(config or {})
        self._detect_every = detect_every
        self._batch_wait_s = batch_wait_s
        self._max_frames = max_frames
        self._link = link

    def run(
        self,
        sources: Sequence[Source],
        *,
        policy: FramePolicy = FramePolicy.AUTO,
        stop: threading.Event | None = None,
        idle: Callable[[], None] | None = None,
    ) -> Generator[SourceEvent, None, None]:
        """Yields the results of each source in order, and its end; sources interleave.

        A source that fails or is empty ends with its error and the others continue. A batch has at
        most one frame of each source; `timings_s` of a result is its share of the batch's time.

        Args:
            sources: Open sources. They stay open, unless `stop` or an error ends the run, or
                closing the iterator interrupts a blocked read, as for `Pipeline.run`.
            policy: Which frames are processed where a source is faster than the pipeline; `AUTO`
                takes the newest of live sources and all of the others.
            stop: Once it is set, no further event is yielded, but for results held back by
                `DeepSortSettings.lag_frames`; for signal handlers.
            idle: Called in the caller's thread, ten times a second while there is no event: keeps a
                window responsive while a camera is disconnected.

        Raises:
            ConfigError: No source is given, or two share a tracker or camera observer.
            TrackerError: A shared stage failed.
        """
        if not sources:
            raise ConfigError("sources: expected at least one, got none")
        linker = None if self._link is None else Linker(self._link)
        options = LoopOptions(policy, stop, idle, self._batch_wait_s, self._max_frames, linker)
        infos = [source.info for source in sources]
        yield from run_sources(sources, lambda: self._stages(infos), options)

    def _stages(self, infos: Sequence[VideoInfo]) -> list[SourceStages]:
        """Returns the stages of each source, with its detector started."""
        detectors = _detectors([self._factories.detector() for _ in infos])
        for detector, info in zip(detectors, infos, strict=True):
            detector.start(info)
        _compile_largest_batches(detectors, infos)
        trackers = [self._factories.tracker() for _ in infos]
        observers = [self._factories.camera_motion() for _ in infos]
        _check_not_shared(trackers, "tracker")
        _check_not_shared(
            [observer for observer in observers if observer is not None], "camera_motion"
        )
        stages = []
        for detector, info, tracker, observer in zip(
            detectors, infos, trackers, observers, strict=True
        ):
            embedder = self._factories.embedder()
            source_tracker = SourceTracker(
                run_info(info, detector, embedder, self._config),
                tracker=tracker,
                embedder=embedder,
                camera_motion=observer,
                detect_every=self._detect_every,
            )
            stages.append(SourceStages(detector, source_tracker))
        return stages


def _compile_largest_batches(
    detectors: Sequence[TimedDetector], infos: Sequence[VideoInfo]
) -> None:
    """Compiles the largest batch before the first frame, not in the middle of the run.

    User-defined detectors get no blank frames, only those of the sources.
    """
    for group in sources_by_detector(detectors, range(len(infos))):
        detector = detectors[group[0]]
        is_given = isinstance(innermost(detector), FunctionDetector | ObjectDetector)
        if len(group) > 1 and not is_given:
            detector.detect([_blank(infos[index]) for index in group], Stopwatch())


def _detectors(made: Sequence[AnyDetector]) -> list[TimedDetector]:
    """Returns a timed detector for each source; shared detectors stay shared."""
    ready = {id(detector): as_detector(detector) for detector in made}
    return [ready[id(detector)] for detector in made]


def _blank(info: VideoInfo) -> Frame:
    image = np.zeros((info.height, info.width, 3), np.uint8)
    return Frame(image, index=0, time_s=0.0, source=info.source)


def _check_not_shared(stages: Sequence[object], name: str) -> None:
    if len({id(stage) for stage in stages}) < len(stages):
        raise ConfigError(
            f"{name}: expected one of its own for each source, got one for several; let the "
            "factory return a new one"
        )
