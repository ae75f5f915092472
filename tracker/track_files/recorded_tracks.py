"""Tracks of a whole recording as arrays: a row for each track in each frame."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from tracker.errors import DataError
from tracker.masks import Mask
from tracker.util.arrays import (
    BoolArray,
    Float32Array,
    Float64Array,
    IndexArray,
    Int32Array,
    Int64Array,
    frozen,
)
from tracker.util.optional_library import optional_library


@dataclass(frozen=True, slots=True, eq=False)
class RecordedTracks:
    """All tracks of one recording; `R` rows, one for each track in each frame.

    Rows are sorted by frame, then id. Tentative tracks (negative ids) are not among them.

    Attributes:
        frames: `(R,)` int32 frame number, from 0.
        ids: `(R,)` int64 track ids, unique within a frame.
        boxes: `(R, 4)` float64 xyxy in pixels of the original frame.
        scores: `(R,)` float32 as written; 1 where the file has no scores.
        classes: `(R,)` int32 index into `class_names`; 0 for MOT text.
        seen: `(R,)` false where the box was predicted or filled in (JSON: lost, or with misses, or
            all of a coasted frame).
        embeddings: `(R, D)` float32 unit vectors, zero where a row has none; `(R, 0)` where the
            file has none.
        class_names: Names by class index; `()` for MOT text, which has none.
        frame_count: Frames that the writer counted (the footer's `frames`); `None` for MOT text
            and for a recording that was cut off.
        fps: Nominal frames a second; `None` for MOT text.
        masks: `R` masks of one frame size, `None` for a row that has none; `None` where the file
            has none.
        global_ids: `(R,)` int64 ids across sources, from 1; -1 where a row has none.
        times_s: `(R,)` float64 time of the frame in seconds; NaN where the file has none.
        velocities: `(R, 2)` float32 of the centre in pixels a second; NaN where the file has none.
        ages: `(R,)` int32 frames since birth, from 1; 0 where the file has none.
        misses: `(R,)` int32 detector runs since the last match; -1 where the file has none.
        class_scores: `(R,)` float32 share of the votes for the class; NaN where the file has none.

    Raises:
        DataError: An array has the wrong shape or dtype, a value is not finite, a frame is
            negative, an id occurs twice in a frame, or masks are of different frame sizes.
    """

    frames: Int32Array
    ids: Int64Array
    boxes: Float64Array
    scores: Float32Array
    classes: Int32Array
    seen: BoolArray
    embeddings: Float32Array
    class_names: tuple[str, ...]
    frame_count: int | None
    fps: float | None
    masks: tuple[Mask | None, ...] | None = None
    global_ids: Int64Array = field(default_factory=lambda: np.zeros(0, np.int64))
    times_s: Float64Array = field(default_factory=lambda: np.zeros(0, np.float64))
    velocities: Float32Array = field(default_factory=lambda: np.zeros((0, 2), np.float32))
    ages: Int32Array = field(default_factory=lambda: np.zeros(0, np.int32))
    misses: Int32Array = field(default_factory=lambda: np.zeros(0, np.int32))
    class_scores: Float32Array = field(default_factory=lambda: np.zeros(0, np.float32))

    def __post_init__(self) -> None:
        frames, ids = np.asarray(self.frames), np.asarray(self.ids)
        if frames.shape != ids.shape or frames.ndim != 1:
            raise DataError(
                f"RecordedTracks: expected as many ids as frames, got {ids.shape} and "
                f"{frames.shape}"
            )
        for name, unknown in _UNKNOWN.items():
            if not len(getattr(self, name)):
                dtype, shape = _LAYOUT[name]
                values = np.full((len(ids), *filter(None, shape)), unknown, dtype)
                object.__setattr__(self, name, values)
        order = np.lexsort((ids, frames))
        for name, (dtype, shape) in _LAYOUT.items():
            what = f"RecordedTracks.{name}"
            values = np.asarray(getattr(self, name))
            array = frozen(values, dtype=dtype, shape=(len(ids), *shape), name=what)
            object.__setattr__(
                self, name, frozen(array[order], dtype=dtype, shape=array.shape, name=what)
            )
        object.__setattr__(self, "masks", _ordered_masks(self.masks, order))
        if not (np.all(np.isfinite(self.boxes)) and np.all(np.isfinite(self.scores))):
            raise DataError("RecordedTracks: expected finite boxes and scores, got NaN or infinity")
        if len(frames) and self.frames[0] < 0:
            raise DataError(f"RecordedTracks: expected frames from 0, got {self.frames[0]}")
        twice = (np.diff(self.frames) == 0) & (np.diff(self.ids) == 0)
        if np.any(twice):
            row = int(np.argmax(twice))
            raise DataError(
                f"RecordedTracks: id {self.ids[row]} occurs twice in frame {self.frames[row]}"
            )

    def __len__(self) -> int:
        return len(self.ids)

    def select(self, index: BoolArray | IndexArray) -> Self:
        """Returns the rows picked by a boolean mask `(R,)` or by indices."""
        columns = {name: getattr(self, name)[index] for name in _LAYOUT}
        rows = np.arange(len(self))[index]
        masks = None if self.masks is None else tuple(self.masks[row] for row in rows.tolist())
        return replace(self, **columns, masks=masks)

    def with_derived_columns(self) -> Self:
        """Returns the tracks with values computed where the file has none.

        Times are frame numbers over `fps`, velocities are differences of the centres, ages and
        misses count frames, and a class has all votes. Without `fps` times and velocities stay NaN
        where the file has none.
        """
        from tracker.track_files.derived import centre_velocities, frame_counts

        times = self.times_s
        if self.fps is not None:
            times = np.where(np.isnan(times), self.frames / self.fps, times)
        velocities = centre_velocities(self.ids, times, self.boxes)
        ages, misses = frame_counts(self.ids, self.frames, self.seen)
        return replace(
            self,
            times_s=times,
            velocities=np.where(np.isnan(self.velocities), velocities, self.velocities),
            ages=np.where(self.ages > 0, self.ages, ages),
            misses=np.where(self.misses >= 0, self.misses, misses),
            class_scores=np.where(np.isnan(self.class_scores), np.float32(1), self.class_scores),
        )

    def to_dataframe(self) -> Any:
        """Returns the tracks as a `pandas.DataFrame`, one row for each track in each frame.

        Columns: `frame`, `time_s`, `id`, `class`, `score`, `x1`, `y1`, `x2`, `y2` in pixels,
        `seen`, `vx`, `vy` and `speed` of the centre in pixels a second (those of the file, else
        computed from the boxes); `global_id` where a track has one. Times and speeds are NaN
        where the file has no times and no frame rate. `class` is a number where the file has no
        class names.

        Raises:
            DependencyError: pandas is not installed.

        Example:
            ```python
            table = tracker.read_tracks("out.jsonl").to_dataframe()
            print(table.groupby("id").speed.mean())
            ```
        """
        pandas = optional_library("pandas", purpose="data frames", extra="pandas")
        rows = self.with_derived_columns()
        classes = rows.classes.tolist()
        names = rows.class_names
        x1, y1, x2, y2 = rows.boxes.T
        vx, vy = rows.velocities.T
        columns = {
            **{"frame": rows.frames, "time_s": rows.times_s, "id": rows.ids},
            "class": [names[index] for index in classes] if names else classes,
            "score": rows.scores,
            **{"x1": x1, "y1": y1, "x2": x2, "y2": y2, "seen": rows.seen},
            **{"vx": vx, "vy": vy, "speed": np.hypot(vx, vy)},
        }
        if (rows.global_ids >= 0).any():
            columns["global_id"] = rows.global_ids
        return pandas.DataFrame(columns)

    def by_frame(self) -> Iterator[tuple[int, Self]]:
        """Yields the index of each frame that has tracks, rising, with the rows of that frame.

        Example:
            ```python
            for frame, tracks in tracker.read_tracks("out.jsonl").by_frame():
                print(frame, tracks.ids, tracks.boxes)
            ```
        """
        frames, starts = np.unique(self.frames, return_index=True)
        stops = np.append(starts, len(self))[1:]
        for frame, start, stop in zip(frames.tolist(), starts, stops, strict=True):
            yield frame, self.select(np.arange(start, stop))


def _ordered_masks(
    masks: tuple[Mask | None, ...] | None, order: IndexArray
) -> tuple[Mask | None, ...] | None:
    if masks is None:
        return None
    if len(masks) != len(order):
        raise DataError(f"RecordedTracks.masks: expected {len(order)}, got {len(masks)}")
    sizes = {mask.size for mask in masks if mask is not None}
    if len(sizes) > 1:
        raise DataError(
            "RecordedTracks.masks: expected masks of one frame size, got "
            f"{sorted(sizes)} (height, width)"
        )
    return tuple(masks[row] for row in order.tolist())


_LAYOUT: dict[str, tuple[str, tuple[int | None, ...]]] = {
    "frames": ("int32", ()),
    "ids": ("int64", ()),
    "boxes": ("float64", (4,)),
    "scores": ("float32", ()),
    "classes": ("int32", ()),
    "seen": ("bool", ()),
    "embeddings": ("float32", (None,)),
    "global_ids": ("int64", ()),
    "times_s": ("float64", ()),
    "velocities": ("float32", (2,)),
    "ages": ("int32", ()),
    "misses": ("int32", ()),
    "class_scores": ("float32", ()),
}

_UNKNOWN: dict[str, float] = {
    "global_ids": -1,
    "times_s": np.nan,
    "velocities": np.nan,
    "ages": 0,
    "misses": -1,
    "class_scores": np.nan,
}
"""Values of the columns that a file may lack."""
