"""Detections of one frame, and the protocols of what makes them.

Comes in: frames. Goes out: `Detections`, a structure of read-only arrays sorted by falling score.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tracker.arrays import (
    BoolArray,
    Float32Array,
    IndexArray,
    Int32Array,
    UInt8Array,
    frozen,
)
from tracker.boxes import is_proper
from tracker.errors import DataError
from tracker.frames import Frame, VideoInfo
from tracker.masks import Mask
from tracker.timing import Stopwatch


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """What was found in one frame; `N` detections, sorted by falling score (ties keep their order).

    Attributes:
        boxes: `(N, 4)` float32 xyxy in pixels of the original frame.
        scores: `(N,)` float32 in `[0, 1]`.
        classes: `(N,)` int32, index into the detector's class names.
        embeddings: `(N, D)` float32 unit vectors, or `(N, 0)` where there is no appearance model.
        masks: `N` masks of one frame size, an empty one for a detection without; `None` where the
            detector makes none.
    """

    boxes: Float32Array
    scores: Float32Array
    classes: Int32Array
    embeddings: Float32Array
    masks: tuple[Mask, ...] | None = None

    def __post_init__(self) -> None:
        boxes = frozen(self.boxes, dtype="float32", shape=(None, 4), name="Detections.boxes")
        count = len(boxes)
        scores = frozen(self.scores, dtype="float32", shape=(count,), name="Detections.scores")
        classes = frozen(self.classes, dtype="int32", shape=(count,), name="Detections.classes")
        embeddings = frozen(
            self.embeddings, dtype="float32", shape=(count, None), name="Detections.embeddings"
        )
        if not is_proper(boxes).all():
            raise DataError(
                "Detections.boxes: expected finite xyxy boxes with x2 > x1 and y2 > y1, got "
                f"{boxes[~is_proper(boxes)][0].tolist()}"
            )
        if count and not ((scores >= 0) & (scores <= 1)).all():
            raise DataError(
                f"Detections.scores: expected [0, 1], got {scores.min()}..{scores.max()}"
            )
        if not np.isfinite(embeddings).all():
            raise DataError("Detections.embeddings: expected finite values, got NaN or infinity")
        masks = _checked_masks(self.masks, count)
        order = np.argsort(-scores, kind="stable")
        if not np.array_equal(order, np.arange(count)):
            boxes, scores, classes, embeddings = (
                _read_only(array[order]) for array in (boxes, scores, classes, embeddings)
            )
            masks = _picked(masks, order)
        columns = (boxes, scores, classes, embeddings, masks)
        for name, column in zip(self.__slots__, columns, strict=True):
            object.__setattr__(self, name, column)

    @classmethod
    def create(
        cls,
        boxes: ArrayLike,
        scores: ArrayLike,
        classes: ArrayLike | None = None,
        embeddings: ArrayLike | None = None,
        *,
        masks: Sequence[Mask] | None = None,
    ) -> Self:
        """Returns detections from anything array-like; classes default to 0, all else to none."""
        box_array = np.asarray(boxes, dtype=np.float32).reshape(-1, 4)
        count = len(box_array)
        return cls(
            boxes=box_array,
            scores=np.asarray(scores, dtype=np.float32),
            classes=np.zeros(count, np.int32) if classes is None else np.asarray(classes, np.int32),
            embeddings=(
                np.zeros((count, 0), np.float32)
                if embeddings is None
                else np.asarray(embeddings, np.float32)
            ),
            masks=None if masks is None else tuple(masks),
        )

    @classmethod
    def empty(cls, embedding_size: int = 0) -> Self:
        """Returns no detections."""
        return cls.create(np.zeros((0, 4)), np.zeros(0), None, np.zeros((0, embedding_size)))

    def __len__(self) -> int:
        return len(self.scores)

    def select(self, index: BoolArray | IndexArray) -> Self:
        """Returns the detections picked by a boolean mask `(N,)` or by indices, sorted again."""
        return type(self)(
            boxes=self.boxes[index],
            scores=self.scores[index],
            classes=self.classes[index],
            embeddings=self.embeddings[index],
            masks=_picked(self.masks, np.arange(len(self))[index]),
        )

    def with_embeddings(self, embeddings: Float32Array) -> Self:
        """Returns the same detections with embeddings `(N, D)`."""
        return type(self)(self.boxes, self.scores, self.classes, embeddings, self.masks)

    def with_masks(self, masks: Sequence[Mask] | None) -> Self:
        """Returns the same detections with `N` masks, in their order, or with none."""
        kept = None if masks is None else tuple(masks)
        return type(self)(self.boxes, self.scores, self.classes, self.embeddings, kept)


def _checked_masks(masks: tuple[Mask, ...] | None, count: int) -> tuple[Mask, ...] | None:
    if masks is None:
        return None
    if len(masks) != count:
        raise DataError(f"Detections.masks: expected {count}, one for each box, got {len(masks)}")
    sizes = {mask.size for mask in masks}
    if len(sizes) > 1:
        raise DataError(
            f"Detections.masks: expected masks of one frame size, got {sorted(sizes)} (height, "
            "width)"
        )
    return tuple(masks)


def _picked(masks: tuple[Mask, ...] | None, rows: IndexArray) -> tuple[Mask, ...] | None:
    return None if masks is None else tuple(masks[row] for row in rows.tolist())


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    array.setflags(write=False)
    return array


class Detector(Protocol):
    """Finds objects in frames: the one method that a detector needs.

    A detector may also have any of the other members of `TimedDetector`: class names (without
    them all objects are of one class, "object"), digests, `start`. A plain function of a picture
    does as well, see `FunctionDetector`.
    """

    def detect(self, frames: Sequence[Frame]) -> Sequence[Detections]:
        """Returns the detections of each frame."""
        ...


@runtime_checkable
class TimedDetector(Protocol):
    """What the detectors of this package are: a `Detector` that says more about itself."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, by class index."""
        ...

    @property
    def digests(self) -> Mapping[str, str]:
        """SHA-256 by file name of the files that define the model; empty where there is none."""
        ...

    def start(self, info: VideoInfo) -> None:
        """Prepares for a new source: compiles for its frame size, forgets the last one."""
        ...

    def detect(self, frames: Sequence[Frame], stopwatch: Stopwatch) -> list[Detections]:
        """Returns the detections of each frame, with the seconds of each part in the stopwatch."""
        ...


DetectFunction = Callable[[UInt8Array], Detections | tuple[ArrayLike, ArrayLike, ArrayLike]]
"""From an RGB picture `(H, W, 3)` uint8 to `Detections`, or to boxes, scores and classes."""

AnyDetector = Detector | TimedDetector | DetectFunction
"""What the pipelines accept as a detector."""


class Embedder(Protocol):
    """Describes how detections look, by unit vectors whose dot product tells how alike two are.

    An embedder may also have `digests`, as `TimedDetector` has.
    """

    def embed(self, frame: Frame, detections: Detections) -> Detections:
        """Returns the detections with embeddings `(N, D)`; `D` is the same where `N` is 0."""
        ...


@runtime_checkable
class _Digested(Protocol):
    @property
    def digests(self) -> Mapping[str, str]: ...


def digests_of(stage: object) -> dict[str, str]:
    """Returns the digests of a detector or an embedder; none where it does not tell any."""
    return dict(stage.digests) if isinstance(stage, _Digested) else {}
