"""One source through detector, embedder and tracker: `TrackedFrame`s, in order."""

import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from typing import Any

from tracker.detection.function_detector import as_detector
from tracker.detections import AnyDetector, Detections, Embedder, digests_of
from tracker.frames import Frame, Source, VideoInfo
from tracker.linking.settings import LinkSettings
from tracker.pipeline.frame_loop import (
    LoopOptions,
    SourceResult,
    SourceStages,
    close_together,
    run_sources,
)
from tracker.pipeline.snapshots import ResumePoint, SnapshotTaker
from tracker.pipeline.source_state import SourceTracker, check_detect_every, run_info
from tracker.sources.live.settings import FramePolicy
from tracker.tracks import CameraObserver, MultiObjectTracker, TrackedFrame


class NoEmbedder:
    """The embedder that adds no appearance: detections keep the embeddings that they have.

    Replayed detections may have some (`ReplayDetector`); those of detectors are `(N, 0)`.
    """

    @property
    def digests(self) -> Mapping[str, str]:
        """No model, no files."""
        return {}

    def embed(self, frame: Frame, detections: Detections) -> Detections:
        """Returns the detections as they are."""
        return detections


class Pipeline:
    """Runs a source through detector, embedder and tracker.

    Args:
        detector: Finds objects: a `Detector`, or a function from an image `(H, W, 3)` to
            `Detections` or to boxes, scores and classes (`FunctionDetector`).
        embedder: Computes their appearance embeddings; `None` for none.
        camera_motion: Estimates the camera's motion for the tracker; `None` for a static camera, at
            no cost.
        tracker: Associates them over time.
        config: The resolved configuration, recorded in results; plain JSON types.
        detect_every: The detector runs on every n-th processed frame, from the first one on, >= 1;
            in the others the tracker coasts.
        link: Tracks that look like the same person get one global id, see `Linker`; `None` for no
            global ids.

    Raises:
        ConfigError: `detect_every` is below 1, or `detector` is not a detector.

    Example:
        ```python
        pipeline = Pipeline(detector=MotionDetector(), tracker=DeepSort())
        with VideoFile("in.mp4") as video, JsonLinesSink("out.jsonl") as sink:
            for result in pipeline.run(video):
                sink.write(result)
        ```
    """

    def __init__(
        self,
        *,
        detector: AnyDetector,
        tracker: MultiObjectTracker,
        embedder: Embedder | None = None,
        camera_motion: CameraObserver | None = None,
        config: Mapping[str, Any] | None = None,
        detect_every: int = 1,
        link: LinkSettings | None = None,
    ) -> None:
        check_detect_every(detect_every)
        self._detector = as_detector(detector)
        self._embedder: Embedder = embedder or NoEmbedder()
        self._camera_motion = camera_motion
        self._tracker = tracker
        self._config = dict(config or {})
        self._detect_every = detect_every
        self._link = link

    @property
    def config(self) -> Mapping[str, Any]:
        """The resolved configuration; plain JSON types."""
        return self._config

    @property
    def model_digests(self) -> Mapping[str, str]:
        """SHA-256 by file name of the models."""
        return digests_of(self._detector) | digests_of(self._embedder)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the detector's classes, by class index."""
        return self._detector.class_names

    def run(
        self,
        source: Source,
        *,
        policy: FramePolicy = FramePolicy.AUTO,
        stop: threading.Event | None = None,
        idle: Callable[[], None] | None = None,
        snapshots: SnapshotTaker | None = None,
        resume: ResumePoint | None = None,
    ) -> Generator[TrackedFrame, None, None]:
        """Yields the result of each frame, in order.

        The tracker is reset first: ids start at 1 for every source. Threads end when the source
        ends, when any stage raises (the error is raised here, after the results of all frames
        that came before it), or when the iterator is closed. Closing takes less than a second plus
        the computation in progress, whatever the source does; a driver call that does not return is
        left to a daemon thread.

        Args:
            source: An open source. It stays open, unless `stop` or an error ends the run, or it is
                silent when the iterator is closed: its reader blocks in it.
            policy: Which frames are processed where the source is faster than the pipeline, or than
                the consumer of the results: the newest, or all; `AUTO` takes the newest of a live
                source and all of any other.
            stop: Once it is set, no further result is yielded, but for those held back by
                `DeepSortSettings.lag_frames`; for signal handlers.
            idle: Called in the caller's thread, ten times a second while there is no result: keeps
                a window responsive while a camera is disconnected.
            snapshots: Gets snapshots from which a later run can continue; `None` for none.
            resume: Continue here; `source` begins with the frame after the snapshot. `None` for the
                beginning.

        Raises:
            DataError: The snapshot to continue from does not fit the pipeline.
            SourceError: The source had no frame or failed. TrackerError: Any other stage failed.
        """
        linker = None
        if self._link is not None:
            from tracker.linking.online import Linker

            linker = Linker(self._link)
        options = LoopOptions(policy, stop, idle, linker=linker, snapshots=snapshots, resume=resume)
        events = run_sources([source], lambda: [self._stages(source.info)], options)
        with closing(events):
            for event in events:
                if isinstance(event, SourceResult):
                    yield event.result
                elif event.error is not None:
                    close_together([source])
                    raise event.error

    def _stages(self, info: VideoInfo) -> SourceStages:
        self._detector.start(info)
        source_tracker = SourceTracker(
            run_info(info, self._detector, self._embedder, self._config),
            tracker=self._tracker,
            embedder=self._embedder,
            camera_motion=self._camera_motion,
            detect_every=self._detect_every,
        )
        return SourceStages(self._detector, source_tracker)
