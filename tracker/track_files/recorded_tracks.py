"""Tracks of a whole recording as arrays: a row for each track in each frame."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Self

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

    def __post_init__(self) -> None:
        frames, ids = np.asarray(self.frames), np.asarray(self.ids)
        if frames.shape != ids.shape or frames.ndim != 1:
            raise DataError(
                f"RecordedTracks: expected as many ids as frames, got {ids.shape} and "
                f"{frames.shape}"
            )
        if not len(self.global_ids):
            object.__setattr__(self, "global_ids", np.full(len(ids), -1, np.int64))
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
}
