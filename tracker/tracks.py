"""Tracks of one frame, the result that sinks receive, and the protocols of trackers and sinks."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from types import TracebackType
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from tracker.detections import Detections
from tracker.errors import DataError
from tracker.frames import Frame, VideoInfo
from tracker.util.arrays import (
    BoolArray,
    Float32Array,
    Float64Array,
    IndexArray,
    Int32Array,
    Int64Array,
    UInt8Array,
    frozen,
)
from tracker.util.optional_library import optional_library


class TrackState(IntEnum):
    """State of a track (DeepSORT, sec. 2.1)."""

    TENTATIVE = 0
    """New: not yet matched in enough consecutive frames to be confirmed."""
    CONFIRMED = 1
    """Confirmed, and matched in the last frame on which the detector ran."""
    LOST = 2
    """Confirmed earlier, but not matched in that frame: the box is the filter's prediction."""


@dataclass(frozen=True, slots=True, eq=False)
class Tracks:
    """The `T` tracks of one frame, in ascending order of id.

    Attributes:
        ids: `(T,)` int64, unique; from 1 in order of confirmation. Tentative tracks have
            provisional negative ids.
        boxes: `(T, 4)` float32 xyxy in pixels of the original frame, the filter's estimate.
        velocities: `(T, 2)` float32 velocity of the centre in pixels per second.
        scores: `(T,)` float32 score of the detection matched last.
        classes: `(T,)` int32 class by vote over the track's detections.
        class_scores: `(T,)` float32 share of the votes for this class.
        states: `(T,)` uint8, values of `TrackState`.
        ages: `(T,)` int32 frames since birth, from 1.
        misses: `(T,)` int32 missed detections since the last match; 0 = matched in the last frame
            on which the detector ran. Coasted frames are not counted.
        detection_index: `(T,)` int32 row of this frame's detections, -1 = not matched, predicted.
        global_ids: `(T,)` int64 id of the same object in all sources of the run, from 1; -1 = none.
            Only linking sets it (`tracker run --link`).
    """

    ids: Int64Array
    boxes: Float32Array
    velocities: Float32Array
    scores: Float32Array
    classes: Int32Array
    class_scores: Float32Array
    states: UInt8Array
    ages: Int32Array
    misses: Int32Array
    detection_index: Int32Array
    global_ids: Int64Array = field(default_factory=lambda: np.zeros(0, np.int64))

    def __post_init__(self) -> None:
        count = len(self.ids)
        if count and not len(self.global_ids):
            object.__setattr__(self, "global_ids", _no_global_ids(count))
        for name, (dtype, width) in _LAYOUT.items():
            shape = (count,) if width is None else (count, width)
            array = frozen(getattr(self, name), dtype=dtype, shape=shape, name=f"Tracks.{name}")
            object.__setattr__(self, name, array)

    @classmethod
    def of_own(cls, **columns: NDArray[Any]) -> Self:
        """Returns tracks of new arrays of the right types and shapes, which become read-only.

        For trackers, whose arrays nothing else refers to: checks and copies of ten small arrays
        would be a tenth of a step.

        Args:
            columns: One contiguous array for each attribute, not checked; without `global_ids`
                there are none.
        """
        tracks = object.__new__(cls)
        columns.setdefault("global_ids", _no_global_ids(len(columns["ids"])))
        for name, column in columns.items():
            column.setflags(write=False)
            object.__setattr__(tracks, name, column)
        return tracks

    @classmethod
    def empty(cls) -> Self:
        """Returns no tracks."""
        return cls(
            **{
                name: np.zeros((0,) if width is None else (0, width), dtype)
                for name, (dtype, width) in _LAYOUT.items()
            }
        )

    def __len__(self) -> int:
        return len(self.ids)

    def select(self, index: BoolArray | IndexArray) -> Self:
        """Returns the tracks selected by a boolean mask `(T,)` or by indices."""
        return type(self)(**{name: getattr(self, name)[index] for name in _LAYOUT})

    def to_supervision(self, class_names: Sequence[str] | None = None) -> Any:
        """Returns the tracks as an `sv.Detections` of the library supervision.

        `tracker_id` has the ids and `confidence` the scores.

        Args:
            class_names: Names by class index (`result.run.class_names`), for
                `data["class_name"]`; `None` to leave it out.

        Raises:
            DependencyError: The library is not installed.
        """
        supervision = optional_library("supervision", purpose="tracks for supervision")
        data = {}
        if class_names is not None:
            data["class_name"] = np.array([class_names[c] for c in self.classes.tolist()], str)
        return supervision.Detections(
            xyxy=self.boxes.copy(),
            confidence=self.scores.copy(),
            class_id=self.classes.astype(np.int64),
            tracker_id=self.ids.copy(),
            data=data,
        )

    def to_dataframe(self, class_names: Sequence[str] | None = None) -> Any:
        """Returns the tracks as a `pandas.DataFrame`, one row for each track.

        Columns are those of the CSV output from `id` on, then `class_score` and
        `detection_index`.

        Args:
            class_names: Names by class index (`result.run.class_names`), for the column `class`;
                `None` for the index itself.

        Raises:
            DependencyError: pandas is not installed.
        """
        pandas = optional_library("pandas", purpose="data frames", extra="pandas")
        classes = self.classes.tolist()
        x1, y1, x2, y2 = self.boxes.T
        columns = {
            "id": self.ids,
            "class": classes if class_names is None else [class_names[c] for c in classes],
            "score": self.scores,
            **{"x1": x1, "y1": y1, "x2": x2, "y2": y2},
            "state": [TrackState(state).name.lower() for state in self.states.tolist()],
            **{"vx": self.velocities[:, 0], "vy": self.velocities[:, 1]},
            **{"age": self.ages, "misses": self.misses},
            "class_score": self.class_scores,
            "detection_index": self.detection_index,
        }
        return pandas.DataFrame(columns)


def _no_global_ids(count: int) -> Int64Array:
    return np.full(count, -1, np.int64)


_LAYOUT: dict[str, tuple[np.dtype[Any], int | None]] = {
    "ids": (np.dtype(np.int64), None),
    "boxes": (np.dtype(np.float32), 4),
    "velocities": (np.dtype(np.float32), 2),
    "scores": (np.dtype(np.float32), None),
    "classes": (np.dtype(np.int32), None),
    "class_scores": (np.dtype(np.float32), None),
    "states": (np.dtype(np.uint8), None),
    "ages": (np.dtype(np.int32), None),
    "misses": (np.dtype(np.int32), None),
    "detection_index": (np.dtype(np.int32), None),
    "global_ids": (np.dtype(np.int64), None),
}


@dataclass(frozen=True, slots=True)
class CameraMotion:
    """Motion of the static background in the image since the last frame, caused by the camera.

    A point `p` of the last frame is at `scale * R @ p + shift` in this frame, where `R` rotates by
    `rotation_rad`. The default is a static camera.

    Attributes:
        scale: Zoom, > 0; above 1 objects grow.
        rotation_rad: Rotation in radians about the top-left corner of the image, from the x axis
            towards the y axis (clockwise, as y points down).
        shift: x and y in pixels.

    Example:
        >>> CameraMotion(scale=2.0, shift=(3.0, -1.0)).matrix.tolist()
        [[2.0, -0.0, 3.0], [0.0, 2.0, -1.0]]
    """

    scale: float = 1.0
    rotation_rad: float = 0.0
    shift: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        numbers = (self.scale, self.rotation_rad, *self.shift)
        if not (len(numbers) == 4 and self.scale > 0 and all(map(math.isfinite, numbers))):
            raise DataError(
                "CameraMotion: expected finite numbers, scale above 0 and shift (x, y), got "
                f"scale {self.scale}, rotation_rad {self.rotation_rad}, shift {self.shift}"
            )

    @classmethod
    def identity(cls) -> Self:
        """Returns the motion of a static camera."""
        return cls()

    @property
    def is_identity(self) -> bool:
        """Whether the camera was exactly static."""
        return self.scale == 1 and self.rotation_rad == 0 and self.shift == (0, 0)

    @property
    def matrix(self) -> Float64Array:
        """`(2, 3)` float64 that maps `(x, y, 1)` of the last frame to pixels of this one."""
        cos = self.scale * math.cos(self.rotation_rad)
        sin = self.scale * math.sin(self.rotation_rad)
        return np.array([[cos, -sin, self.shift[0]], [sin, cos, self.shift[1]]])


@dataclass(frozen=True, slots=True)
class RunInfo:
    """Constants of a run; sinks write them into their headers.

    Attributes:
        video: The source.
        class_names: Names by class index.
        config: The resolved configuration, plain JSON types.
        model_digests: SHA-256 of the model files, by file name.
    """

    video: VideoInfo
    class_names: tuple[str, ...]
    config: Mapping[str, Any] = field(default_factory=dict)
    model_digests: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class TrackedFrame:
    """One frame with its detections and tracks, as sinks receive it.

    Attributes:
        frame: The image and its timestamp.
        detections: Its detections.
        tracks: The reported tracks.
        timings_s: Seconds by stage: decode (wait, where the source is live), preprocess, infer,
            nms, embed, camera, track.
        dropped: Number of frames dropped so far because a live source was faster than the pipeline.
        track_count: Number of tracks, reported or not.
        age_s: Latency: seconds from capture until the result left the pipeline, for live sources.
        is_coasted: Whether the detector was deliberately not run on this frame (`detector.every`),
            so that tracks are predictions.
        run: Constants of the run.
        unreported: Tracks alive that `tracks` leaves out: tentative, lost, or outside the image.
            Empty where the tracker has no `unreported`.
    """

    frame: Frame
    detections: Detections
    tracks: Tracks
    timings_s: Mapping[str, float]
    run: RunInfo
    dropped: int = 0
    track_count: int = 0
    age_s: float | None = None
    is_coasted: bool = False
    unreported: Tracks = field(default_factory=Tracks.empty)


class CameraObserver(Protocol):
    """Estimates camera motion from frame to frame."""

    def reset(self) -> None:
        """Clears the last frame, for a new source."""
        ...

    def estimate(self, frame: Frame, detections: Detections) -> CameraMotion:
        """Returns the motion since the last frame; the identity for the first one."""
        ...


class MultiObjectTracker(Protocol):
    """Associates detections over time into tracks."""

    @property
    def track_count(self) -> int:
        """Number of tracks, reported or not."""
        ...

    def reset(self, *, frame_interval_s: float, frame_size: tuple[int, int] | None = None) -> None:
        """Deletes all tracks and restarts ids at 1, for a new source.

        Args:
            frame_interval_s: Nominal seconds between two frames; the unit of `dt`.
            frame_size: Width and height of the frames in pixels; `None` if unknown.
        """
        ...

    def step(
        self, detections: Detections, *, dt: float = 1.0, camera: CameraMotion | None = None
    ) -> Tracks:
        """Returns the tracks of the next frame.

        Args:
            detections: The detections of the frame.
            dt: Nominal frame intervals since the last step or coast, > 0 (2 = one frame was
                dropped).
            camera: Camera motion since then; `None` if it is not estimated.
        """
        ...

    def coast(self, *, dt: float = 1.0, camera: CameraMotion | None = None) -> Tracks:
        """Returns the tracks of the next frame, on which the detector did not run.

        All are predictions (`detection_index` is -1). No track is born or confirmed, and no missed
        detection is counted: tracks that were matched in the last detector frame stay confirmed,
        and lost ones stay lost until they are deleted at the maximum age.

        Args:
            dt: Nominal frame intervals since the last step or coast, > 0.
            camera: Camera motion since then; `None` if it is not estimated.
        """
        ...


@runtime_checkable
class HasUnreported(Protocol):
    """An optional method of trackers: the tracks that they do not report."""

    def unreported(self) -> Tracks:
        """Returns the tracks alive that the last `step` or `coast` did not return."""
        ...


class Sink(Protocol):
    """A destination of results.

    It is opened with the first result; without results it creates nothing.
    """

    @property
    def status(self) -> str:
        """One line such as `out.jsonl: 123 frames`; empty if there is nothing to report."""
        ...

    def write(self, result: TrackedFrame) -> None:
        """Writes one result.

        Raises:
            OutputError: The output cannot be written (disk full, device gone).
        """
        ...

    def close(self, *, complete: bool = True) -> None:
        """Finishes the output; calling it again does nothing.

        Args:
            complete: Whether the run finished; false after Ctrl-C or an error.

        Raises:
            OutputError: The output cannot be finished.
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...
