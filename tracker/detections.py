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
    array_of,
    class_ids,
    frozen,
    unit_vectors,
)
from tracker.boxes import checked_boxes
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
            Vectors of another length are normalised. A row of zeros means that the appearance is
            unknown, and so does one with NaN, which becomes zeros.
        masks: `N` masks of one frame size, an empty one for a detection without; `None` where the
            detector makes none.
    """

    boxes: Float32Array
    scores: Float32Array
    classes: Int32Array
    embeddings: Float32Array
    masks: tuple[Mask, ...] | None = None

    def __post_init__(self) -> None:
        boxes = checked_boxes(self.boxes, name="Detections.boxes")
        count = len(boxes)
        scores = _checked_scores(self.scores, count)
        classes = class_ids(self.classes, shape=(count,), name="Detections.classes")
        embeddings = unit_vectors(
            self.embeddings, shape=(count, None), name="Detections.embeddings"
        )
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
        """Returns detections from anything array-like; classes default to 0, all else to none.

        Args:
            boxes: `(N, 4)` xyxy; lists, arrays of any number type, tensors that NumPy can read.
            scores: `(N,)` in `[0, 1]`.
            classes: `(N,)` integers of 0 to `arrays.LARGEST_CLASS`.
            embeddings: `(N, D)` of any length; rows of zeros or NaN for an unknown appearance.
            masks: One for each box.

        Raises:
            DataError: A shape, type or value is another one.
        """
        checked = checked_boxes(boxes, name="Detections.boxes")
        count = len(checked)
        return cls(
            boxes=checked,
            scores=scores,  # type: ignore[arg-type]  # checked at construction, as all others
            classes=np.zeros(count, np.int32) if classes is None else classes,  # type: ignore[arg-type]
            embeddings=np.zeros((count, 0), np.float32) if embeddings is None else embeddings,  # type: ignore[arg-type]
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


def _checked_scores(values: ArrayLike, count: int) -> Float32Array:
    array = array_of(values, name="Detections.scores")
    if array.shape == (count, 1):
        raise DataError(
            f"Detections.scores: expected shape ({count},), got {array.shape}; use [:, 0]"
        )
    if array.dtype == np.bool_ and array.size:
        raise DataError("Detections.scores: expected numbers in [0, 1], got bool")
    scores = frozen(array, dtype="float32", shape=(count,), name="Detections.scores")
    within = (scores >= 0) & (scores <= 1)
    if np.count_nonzero(within) < count:
        row = int(within.argmin())
        raise DataError(f"Detections.scores: expected [0, 1], got {scores[row]} in row {row}")
    return scores


def _checked_masks(masks: tuple[Mask, ...] | None, count: int) -> tuple[Mask, ...] | None:
    if masks is None:
        return None
    odd = next((mask for mask in masks if not isinstance(mask, Mask)), None)
    if odd is not None:
        raise DataError(
            f"Detections.masks: expected Mask objects, got {type(odd).__name__}; "
            "masks.encode_mask makes one of pixels"
        )
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

    A row of zeros says that the appearance of a detection is not known.

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
