"""Detections of one frame, and the protocols of detectors and embedders."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tracker.boxes import checked_boxes
from tracker.errors import DataError
from tracker.frames import Frame, VideoInfo
from tracker.masks import Mask, encode_mask, masks_from_coco
from tracker.util.arrays import (
    BoolArray,
    Float32Array,
    Float64Array,
    IndexArray,
    Int32Array,
    UInt8Array,
    array_of,
    class_ids,
    frozen,
    unit_vectors,
)
from tracker.util.stopwatch import Stopwatch


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """The `N` detections of one frame, in descending order of score (ties keep their order).

    Attributes:
        boxes: `(N, 4)` float32 xyxy in pixels of the original frame.
        scores: `(N,)` float32 in `[0, 1]`.
        classes: `(N,)` int32, index into the detector's class names.
        embeddings: `(N, D)` float32 unit vectors, or `(N, 0)` where there is no appearance model.
            Vectors are normalised to unit length. A row of zeros means unknown appearance; rows
            with NaN become zeros.
        masks: `N` masks of one frame size, empty for detections without one; `None` where the
            detector gives no masks.
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
        if np.count_nonzero(scores[1:] > scores[:-1]):
            order = (-scores).argsort(kind="stable")
            boxes, scores, classes, embeddings = (
                _read_only(array.take(order, axis=0))
                for array in (boxes, scores, classes, embeddings)
            )
            masks = _selected(masks, order)
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
        """Returns detections from array-likes; classes default to 0.

        Args:
            boxes: `(N, 4)` xyxy; lists, arrays of any numeric dtype, tensors that NumPy can read.
            scores: `(N,)` in `[0, 1]`.
            classes: `(N,)` integers of 0 to `arrays.LARGEST_CLASS`.
            embeddings: `(N, D)` of any length; rows of zeros or NaN for an unknown appearance.
            masks: One for each box.

        Raises:
            DataError: A shape, dtype or value is wrong.
        """
        array = array_of(boxes, name="Detections.boxes")
        count = len(array) if array.ndim else 0
        return cls(
            boxes=array,
            scores=scores,  # type: ignore[arg-type]  # checked at construction, as the others are
            classes=np.zeros(count, np.int32) if classes is None else classes,  # type: ignore[arg-type]
            embeddings=np.zeros((count, 0), np.float32) if embeddings is None else embeddings,  # type: ignore[arg-type]
            masks=None if masks is None else tuple(masks),
        )

    @classmethod
    def empty(cls, embedding_size: int = 0) -> Self:
        """Returns no detections."""
        return cls.create(np.zeros((0, 4)), np.zeros(0), None, np.zeros((0, embedding_size)))

    @classmethod
    def from_xywh(
        cls,
        boxes: ArrayLike,
        scores: ArrayLike | None = None,
        classes: ArrayLike | None = None,
    ) -> Self:
        """Returns detections from boxes given as top-left corner and size.

        Args:
            boxes: `(N, 4)` left, top, width, height in pixels.
            scores: `(N,)` in `[0, 1]`; `None` for 1.
            classes: `(N,)`; `None` for 0.

        Raises:
            DataError: A shape or a value is wrong.

        Example:
            >>> Detections.from_xywh([[10, 20, 30, 40]]).boxes.tolist()
            [[10.0, 20.0, 40.0, 60.0]]
        """
        xywh = _numbers_of_boxes(boxes, "Detections.from_xywh")
        corners = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)
        return cls.create(corners, np.ones(len(xywh)) if scores is None else scores, classes)

    @classmethod
    def from_yolo(
        cls,
        boxes: ArrayLike,
        scores: ArrayLike | None = None,
        classes: ArrayLike | None = None,
        *,
        frame_size: tuple[int, int],
    ) -> Self:
        """Returns detections from YOLO boxes: normalised centre and size.

        Args:
            boxes: `(N, 4)` centre x, centre y, width, height, each in `[0, 1]`.
            scores: `(N,)` in `[0, 1]`; `None` for 1, as for labels.
            classes: `(N,)`; `None` for 0.
            frame_size: Width and height of the frame in pixels.

        Raises:
            DataError: A shape or a value is wrong, or the boxes are in pixels.

        Example:
            >>> Detections.from_yolo([[0.5, 0.5, 0.2, 0.5]], frame_size=(100, 40)).boxes.tolist()
            [[40.0, 10.0, 60.0, 30.0]]
        """
        cxcywh = _numbers_of_boxes(boxes, "Detections.from_yolo")
        if len(cxcywh) and not (np.abs(cxcywh) <= _LARGEST_SHARE).all():
            raise DataError(
                "Detections.from_yolo: expected shares of the frame in [0, 1], got "
                f"{np.abs(cxcywh).max()}; for boxes in pixels use from_xywh or create"
            )
        scaled = cxcywh * np.tile(np.asarray(frame_size, np.float64), 2)
        scaled[:, :2] -= 0.5 * scaled[:, 2:]
        return cls.from_xywh(scaled, scores, classes)

    @classmethod
    def from_coco(
        cls, records: Sequence[Mapping[str, Any]], *, category_ids: Sequence[int] | None = None
    ) -> Self:
        """Returns detections from COCO results or annotations of one image.

        Args:
            records: JSON objects with `bbox` (left, top, width, height in pixels) and
                `category_id`; a missing `score` is 1. `segmentation` becomes a mask where it is a
                compressed run-length encoding; polygons are ignored.
            category_ids: COCO category id of each class index, as they have gaps; `None` where
                category ids are class indices.

        Raises:
            DataError: A record has no box or an unknown category, the records belong to several
                images, or a value is wrong.
        """
        images = {record["image_id"] for record in records if "image_id" in record}
        if len(images) > 1:
            raise DataError(
                f"Detections.from_coco: expected records of one image, got {len(images)} images"
            )
        try:
            boxes = [record["bbox"] for record in records]
            categories = [record["category_id"] for record in records]
        except KeyError as error:
            raise DataError(f"Detections.from_coco: expected key {error} in each record") from error
        classes = categories if category_ids is None else _class_indices(categories, category_ids)
        detections = cls.from_xywh(boxes, [record.get("score", 1.0) for record in records], classes)
        masks = masks_from_coco([record.get("segmentation") for record in records])
        if masks is None:
            return detections
        order = np.argsort([-record.get("score", 1.0) for record in records], kind="stable")
        return detections.with_masks([masks[row] for row in order.tolist()])

    @classmethod
    def from_supervision(cls, found: Any) -> Self:
        """Returns detections from an `sv.Detections` of the library supervision.

        Boxes, masks, confidences (default 1) and class ids (default 0) are converted;
        `tracker_id` and `data` are not.

        Args:
            found: Any object with the fields `xyxy`, `mask`, `confidence` and `class_id`.

        Raises:
            DataError: A shape or a value is wrong.
        """
        boxes = array_of(found.xyxy, name="Detections.boxes")
        scores = np.ones(len(boxes)) if found.confidence is None else found.confidence
        masks = None
        if found.mask is not None:
            masks = [encode_mask(np.asarray(pixels, dtype=bool)) for pixels in found.mask]
        return cls.create(boxes, scores, found.class_id, masks=masks)

    def __len__(self) -> int:
        return len(self.scores)

    def select(self, index: BoolArray | IndexArray) -> Self:
        """Returns the detections selected by a boolean mask `(N,)` or by indices, sorted."""
        return type(self)(
            boxes=self.boxes[index],
            scores=self.scores[index],
            classes=self.classes[index],
            embeddings=self.embeddings[index],
            masks=_selected(self.masks, np.arange(len(self))[index]),
        )

    def with_embeddings(self, embeddings: Float32Array) -> Self:
        """Returns the same detections with embeddings `(N, D)`."""
        return type(self)(self.boxes, self.scores, self.classes, embeddings, self.masks)

    def with_masks(self, masks: Sequence[Mask] | None) -> Self:
        """Returns the same detections with `N` masks in the order of the detections, or without."""
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
    # Comparisons with NaN are false, and `minimum` and `maximum` propagate NaN.
    if count and not (np.minimum.reduce(scores) >= 0 and np.maximum.reduce(scores) <= 1):
        within = (scores >= 0) & (scores <= 1)
        row = int(within.argmin())
        raise DataError(f"Detections.scores: expected [0, 1], got {scores[row]} in row {row}")
    return scores


_LARGEST_SHARE = 2.0
"""Normalised boxes may exceed 1 slightly at the edge of the frame; pixels are far above this."""


def _numbers_of_boxes(boxes: ArrayLike, name: str) -> Float64Array:
    """Returns boxes of any format as `(N, 4)` float64; `[]` has no rows."""
    array = array_of(boxes, name=name)
    if array.shape == (0,):
        array = np.zeros((0, 4))
    return frozen(array, dtype="float64", shape=(None, 4), name=name)


def _class_indices(categories: Sequence[int], category_ids: Sequence[int]) -> list[int]:
    """Returns the class index of each COCO category id."""
    index_of = {number: index for index, number in enumerate(category_ids)}
    for number in categories:
        if number not in index_of:
            raise DataError(f"Detections.from_coco: category {number} is not among category_ids")
    return [index_of[number] for number in categories]


def _checked_masks(masks: tuple[Mask, ...] | None, count: int) -> tuple[Mask, ...] | None:
    if masks is None:
        return None
    wrong = next((mask for mask in masks if not isinstance(mask, Mask)), None)
    if wrong is not None:
        raise DataError(
            f"Detections.masks: expected Mask objects, got {type(wrong).__name__}; "
            "masks.encode_mask makes one from pixels"
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


def _selected(masks: tuple[Mask, ...] | None, rows: IndexArray) -> tuple[Mask, ...] | None:
    return None if masks is None else tuple(masks[row] for row in rows.tolist())


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    array.setflags(write=False)
    return array


class Detector(Protocol):
    """A detector: it needs one method, `detect`.

    A detector may also have any of the other members of `TimedDetector`: class names (without
    them all objects have the class "object"), digests, `start`. A plain function of an image is
    accepted as well, see `FunctionDetector`.
    """

    def detect(self, frames: Sequence[Frame]) -> Sequence[Detections]:
        """Returns the detections of each frame."""
        ...


@runtime_checkable
class TimedDetector(Protocol):
    """A detector with class names, digests, preparation and timing, as those of this package."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, by class index."""
        ...

    @property
    def digests(self) -> Mapping[str, str]:
        """SHA-256 by file name of the model files; empty where there are none."""
        ...

    def start(self, info: VideoInfo) -> None:
        """Prepares for a new source: compiles for its frame size, clears earlier state."""
        ...

    def detect(self, frames: Sequence[Frame], stopwatch: Stopwatch) -> list[Detections]:
        """Returns the detections of each frame; adds the seconds of each stage to the stopwatch."""
        ...


DetectFunction = Callable[[UInt8Array], Detections | tuple[ArrayLike, ArrayLike, ArrayLike]]
"""From an RGB image `(H, W, 3)` uint8 to `Detections`, or to boxes, scores and classes."""

AnyDetector = Detector | TimedDetector | DetectFunction
"""The types that the pipelines accept as a detector."""


class Embedder(Protocol):
    """Computes appearance embeddings: unit vectors, compared by cosine distance.

    A row of zeros means that the appearance of a detection is unknown.

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
    """Returns the digests of a detector or an embedder; empty where it has none."""
    return dict(stage.digests) if isinstance(stage, _Digested) else {}
