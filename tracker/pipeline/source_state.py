"""The state of one source in the pipeline, kept from frame to frame.

A `SourceTracker` turns the frames of one source and their detections into `TrackedFrame`s. It is
used by one thread at a time.
"""

import dataclasses
import time
from collections import deque
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from tracker.detections import Detections, Embedder, TimedDetector, digests_of
from tracker.errors import ConfigError, SourceError
from tracker.frames import Frame, VideoInfo
from tracker.tracks import (
    CameraMotion,
    CameraObserver,
    HasUnreported,
    MultiObjectTracker,
    RunInfo,
    TrackedFrame,
    Tracks,
)
from tracker.util.stopwatch import Stopwatch

_READ_AGAIN = 32
"""Frames before the next one that are decoded again where a run continues: more than the 16 that a
decoder may reorder, and the one on each side that a deinterlacer needs."""


@runtime_checkable
class _HasLag(Protocol):
    """An optional property of trackers: how many frames late their results should be."""

    @property
    def lag_frames(self) -> int:
        """Frames by which results are late, to fill gaps in tracks that end meanwhile."""
        ...


class SourceTracker:
    """Embeds and tracks the objects of one source.

    Args:
        run: The facts shared by all frames of the source.
        tracker: Associates detections over time; it is reset.
        embedder: Computes appearance embeddings.
        camera_motion: Estimates the camera's motion; it is reset. `None` for no estimate.
        detect_every: The detector runs on every n-th frame, from the first one on.
    """

    def __init__(
        self,
        run: RunInfo,
        *,
        tracker: MultiObjectTracker,
        embedder: Embedder,
        camera_motion: CameraObserver | None,
        detect_every: int,
    ) -> None:
        self._run = run
        self._tracker = tracker
        self._embedder = embedder
        self._camera_motion = camera_motion
        self._detect_every = detect_every
        self._interval_s = float(1 / run.video.fps)
        self._last_time_s: float | None = None
        self._last_found = Detections.empty()
        self._frames = 0
        self._times_s: deque[float] = deque(maxlen=_READ_AGAIN)
        tracker.reset(
            frame_interval_s=self._interval_s, frame_size=(run.video.width, run.video.height)
        )
        if camera_motion is not None:
            camera_motion.reset()

    @property
    def run(self) -> RunInfo:
        """The facts shared by all frames of the source."""
        return self._run

    @property
    def video(self) -> VideoInfo:
        """The source."""
        return self._run.video

    @property
    def frames(self) -> int:
        """Frames so far."""
        return self._frames

    @property
    def lag_frames(self) -> int:
        """Frames by which results are late; 0 for a tracker that does not say."""
        return self._tracker.lag_frames if isinstance(self._tracker, _HasLag) else 0

    @property
    def wants_detections(self) -> bool:
        """Whether the detector has to run on the next frame."""
        return self._frames % self._detect_every == 0

    def read_from_s(self, next_s: float) -> float:
        """Returns the time from which on the source is read again, if a run continues here.

        Args:
            next_s: Time of the next frame.
        """
        return self._times_s[0] if self._times_s else next_s

    def step(
        self, frame: Frame, detections: Detections | None, watch: Stopwatch, *, dropped: int
    ) -> TrackedFrame:
        """Returns the result of the next frame.

        Args:
            frame: The frame.
            detections: Those of the frame; `None` where the detector did not run.
            watch: Records the seconds of "embed", "camera" and "track".
            dropped: Frames lost so far.
        """
        if detections is not None:
            with watch.measure("embed"):
                detections = self._embedder.embed(frame, detections)
            self._last_found = detections
        camera: CameraMotion | None = None
        if self._camera_motion is not None:
            # In a frame without detection, objects are about where the last detections were.
            with watch.measure("camera"):
                camera = self._camera_motion.estimate(frame, self._last_found)
        with watch.measure("track"):
            tracks = self._tracks(detections, self._elapsed(frame.time_s), camera)
        self._frames += 1
        self._times_s.append(frame.time_s)
        return TrackedFrame(
            frame,
            Detections.empty() if detections is None else detections,
            tracks,
            watch.seconds,
            self._run,
            dropped,
            self._tracker.track_count,
            is_coasted=detections is None,
            unreported=self._unreported(tracks),
        )

    def _tracks(
        self, detections: Detections | None, dt: float, camera: CameraMotion | None
    ) -> Tracks:
        if detections is None:
            return self._tracker.coast(dt=dt, camera=camera)
        return self._tracker.step(detections, dt=dt, camera=camera)

    def _unreported(self, tracks: Tracks) -> Tracks:
        tracker = self._tracker
        if tracker.track_count > len(tracks) and isinstance(tracker, HasUnreported):
            return tracker.unreported()
        return Tracks.empty()

    def _elapsed(self, time_s: float) -> float:
        last, self._last_time_s = self._last_time_s, time_s
        return 1.0 if last is None else frame_intervals(time_s - last, self._interval_s)


def run_info(
    info: VideoInfo, detector: TimedDetector, embedder: Embedder, config: Mapping[str, Any]
) -> RunInfo:
    """Returns the facts shared by all frames of a source.

    Args:
        info: The source.
        detector: Already started.
        embedder: Computes appearance embeddings.
        config: The resolved configuration, plain JSON types.
    """
    return RunInfo(
        video=info,
        class_names=detector.class_names,
        config=config,
        model_digests=digests_of(detector) | digests_of(embedder),
    )


def frame_intervals(elapsed_s: float, interval_s: float) -> float:
    """Returns how many nominal frame intervals have passed.

    Time stamps are rounded to the container's unit (1 ms in Matroska: 33, 33, 34 ms at 30 fps), so
    values within a tenth of a whole number are rounded to it. Equal or falling time stamps, as in
    broken files, count as one interval.

    Args:
        elapsed_s: Seconds since the last frame.
        interval_s: Nominal seconds between frames.

    Example:
        >>> frame_intervals(0.033, 1 / 30), frame_intervals(0.05, 1 / 30), frame_intervals(0, 1)
        (1.0, 1.5, 1.0)
    """
    if elapsed_s <= 0:
        return 1.0
    intervals = elapsed_s / interval_s
    whole = round(intervals)
    return float(whole) if whole and abs(intervals - whole) <= 0.1 else intervals


def with_latency(result: TrackedFrame) -> TrackedFrame:
    """Returns the result with its latency up to now; unchanged if its capture time is unknown."""
    captured_s = result.frame.captured_s
    if captured_s is None:
        return result
    return dataclasses.replace(result, age_s=time.monotonic() - captured_s)


def check_detect_every(detect_every: int) -> None:
    """Checks in how many frames detections are expected.

    Raises:
        ConfigError: It is below 1.
    """
    if detect_every < 1:
        raise ConfigError(f"detector.every: expected >= 1, got {detect_every}")


def no_frames(info: VideoInfo) -> SourceError:
    """Returns the error for a source that ended before its first frame."""
    return SourceError(
        f"{info.source}: no frames; expected at least one. Is the file a video, and does "
        "it hold more than what --start skips?"
    )
