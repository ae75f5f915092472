"""The tracks of a whole recording as one table: a row for each track in each frame."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tracker.boxes import is_proper
from tracker.errors import DataError
from tracker.util.arrays import (
    BoolArray,
    Float32Array,
    Float64Array,
    IndexArray,
    Int32Array,
    Int64Array,
    array_of,
    frozen,
)


@dataclass(frozen=True, slots=True, eq=False)
class TrackRows:
    """`R` rows, sorted by id, then by frame; no two of one id in one frame.

    Attributes:
        frames: `(R,)` int32 frame of each row, >= 0.
        ids: `(R,)` int64.
        boxes: `(R, 4)` float64 xyxy in pixels.
        scores: `(R,)` float32.
        classes: `(R,)` int32.
        seen: `(R,)` whether a detection was matched; false where the box was interpolated.
        embeddings: `(R, D)` float32 unit vectors, zero where a row has none; `(R, 0)` where no row
            has one.
        origins: `(R,)` int32 index of the row in the arrays given to `create`, -1 = interpolated.

    Raises:
        DataError: A shape or dtype differs, a box is empty or not finite, or a track has two rows
        in a frame.
    """

    frames: Int32Array
    ids: Int64Array
    boxes: Float64Array
    scores: Float32Array
    classes: Int32Array
    seen: BoolArray
    embeddings: Float32Array
    origins: Int32Array

    def __post_init__(self) -> None:
        count = len(self.ids)
        order = np.lexsort((self.frames, self.ids)) if len(self.frames) == count else slice(None)
        for name, (dtype, more) in _LAYOUT.items():
            shape = (count, *more)
            values = frozen(getattr(self, name), dtype=dtype, shape=shape, name=f"TrackRows.{name}")
            object.__setattr__(self, name, frozen(values[order], dtype=dtype, shape=shape, name=""))
        # As float32, which is what every output holds: a box must not vanish when it is rounded.
        with np.errstate(over="ignore"):
            proper = is_proper(self.boxes.astype(np.float32))
        if not proper.all():
            row = np.flatnonzero(~proper)[0]
            raise DataError(
                f"track {self.ids[row]}, frame {self.frames[row]}: expected a finite box with "
                f"x2 > x1 and y2 > y1, got {self.boxes[row].tolist()}"
            )
        if not np.isfinite(self.embeddings).all():
            raise DataError("TrackRows.embeddings: expected finite values, got NaN or infinity")
        if count and self.frames.min() < 0:
            raise DataError(f"TrackRows.frames: expected 0 or more, got {self.frames.min()}")
        twice = (np.diff(self.ids) == 0) & (np.diff(self.frames) == 0)
        if twice.any():
            row = np.flatnonzero(twice)[0]
            raise DataError(
                f"track {self.ids[row]} is twice in frame {self.frames[row]}; expected one box "
                "for each id in a frame"
            )

    @classmethod
    def create(
        cls,
        frames: ArrayLike,
        ids: ArrayLike,
        boxes: ArrayLike,
        scores: ArrayLike | None = None,
        classes: ArrayLike | None = None,
        embeddings: ArrayLike | None = None,
    ) -> Self:
        """Returns rows that are all `seen`; by default of score 1, class 0, without embeddings.

        Raises:
            DataError: A shape, type or value does not fit the attributes.
        """
        count = len(array_of(ids, name="TrackRows.ids"))
        corners = array_of(boxes, name="TrackRows.boxes")
        given: dict[str, Any] = {
            "frames": frames,
            "ids": ids,
            "boxes": corners.reshape(0, 4) if corners.shape == (0,) else corners,
            "scores": np.ones(count, np.float32) if scores is None else scores,
            "classes": np.zeros(count, np.int32) if classes is None else classes,
            "seen": np.ones(count, np.bool_),
            "embeddings": np.zeros((count, 0), np.float32) if embeddings is None else embeddings,
            "origins": np.arange(count, dtype=np.int32),
        }
        return cls(**given)

    @classmethod
    def concatenate(cls, parts: Sequence[Self]) -> Self:
        """Returns the rows of all parts, of which there is at least one."""
        return cls(**{n: np.concatenate([getattr(p, n) for p in parts]) for n in _LAYOUT})

    def __len__(self) -> int:
        return len(self.ids)

    def select(self, index: BoolArray | IndexArray) -> Self:
        """Returns the rows picked by a boolean mask `(R,)` or by indices."""
        return type(self)(**{name: getattr(self, name)[index] for name in _LAYOUT})

    def replace(self, **columns: NDArray[Any]) -> Self:
        """Returns the same rows with other values in the named columns, sorted again."""
        return replace(self, **columns)

    def unseen(
        self, row: int, frames: Int32Array, boxes: Float64Array, scores: Float32Array
    ) -> Self:
        """Returns rows that are not `seen`, of the track of one row.

        Args:
            row: A row of the track.
            frames: `(n,)`.
            boxes: `(n, 4)` xyxy.
            scores: `(n,)`.
        """
        count = len(frames)
        return type(self)(
            frames=frames,
            ids=np.full(count, self.ids[row]),
            boxes=boxes,
            scores=scores,
            classes=np.full(count, self.classes[row]),
            seen=np.zeros(count, np.bool_),
            embeddings=np.zeros((count, self.embeddings.shape[1]), np.float32),
            origins=np.full(count, -1, np.int32),
        )

    def spans(self) -> list[slice]:
        """Returns one slice of the rows for each track, by rising id."""
        edges = [0, *(np.flatnonzero(np.diff(self.ids)) + 1).tolist(), len(self)]
        return [slice(a, b) for a, b in pairwise(edges) if b > a]

    def class_votes(self) -> tuple[Int32Array, Float32Array]:
        """Returns `(T,)` the class that each track has most often, and the share of its rows.

        Only `seen` rows vote; between equals the lower class wins. Tracks as in `spans`.
        """
        winners, shares = [], []
        for span in self.spans():
            votes = self.classes[span][self.seen[span]]
            classes, counts = np.unique(
                votes if len(votes) else self.classes[span], return_counts=True
            )
            winners.append(classes[counts.argmax()])
            shares.append(counts.max() / counts.sum())
        return np.array(winners, np.int32), np.array(shares, np.float32)


_LAYOUT: dict[str, tuple[str, tuple[int | None, ...]]] = {
    "frames": ("int32", ()),
    "ids": ("int64", ()),
    "boxes": ("float64", (4,)),
    "scores": ("float32", ()),
    "classes": ("int32", ()),
    "seen": ("bool", ()),
    "embeddings": ("float32", (None,)),
    "origins": ("int32", ()),
}
