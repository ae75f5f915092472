"""One image with what is in it: what training learns from."""

from dataclasses import dataclass, field

import numpy as np

from tracker.boxes import is_proper
from tracker.errors import DataError
from tracker.util.arrays import BoolArray, Float32Array, Int32Array, UInt8Array, frozen


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One image and its boxes; `N` boxes.

    Attributes:
        image: `(H, W, 3)` uint8 RGB.
        boxes: `(N, 4)` float32 xyxy in pixels, inside the image.
        classes: `(N,)` int32, index into the dataset's class names.
        ignore: `(N,)` bool: what is in there counts neither as object nor as background, because
            it is a crowd or because a teacher was in doubt.
        scores: `(N,)` float32 in `[0, 1]`: how sure the label is, below 1 where a teacher gave it;
            where none are given, 1 everywhere.
    """

    image: UInt8Array
    boxes: Float32Array
    classes: Int32Array
    ignore: BoolArray
    scores: Float32Array = field(default_factory=lambda: np.zeros(0, np.float32))

    def __post_init__(self) -> None:
        image = frozen(self.image, dtype="uint8", shape=(None, None, 3), name="Sample.image")
        boxes = frozen(self.boxes, dtype="float32", shape=(None, 4), name="Sample.boxes")
        count = len(boxes)
        classes = frozen(self.classes, dtype="int32", shape=(count,), name="Sample.classes")
        ignore = frozen(self.ignore, dtype="bool", shape=(count,), name="Sample.ignore")
        limit = np.array([image.shape[1], image.shape[0]] * 2, np.float32)
        wrong = ~is_proper(boxes) | (boxes < 0).any(axis=1) | (boxes > limit).any(axis=1)
        if wrong.any():
            raise DataError(
                f"Sample.boxes: expected proper xyxy boxes inside {image.shape[1]}x"
                f"{image.shape[0]} pixels, got {boxes[wrong][0].tolist()}"
            )
        given = self.scores if len(self.scores) else np.ones(count, np.float32)
        scores = frozen(given, dtype="float32", shape=(count,), name="Sample.scores")
        arrays = (image, boxes, classes, ignore, scores)
        for name, array in zip(self.__slots__, arrays, strict=True):
            object.__setattr__(self, name, array)

    def __len__(self) -> int:
        return len(self.boxes)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return int(self.image.shape[0]), int(self.image.shape[1])


def owning_sample(
    image: UInt8Array,
    boxes: Float32Array,
    classes: Int32Array,
    ignore: BoolArray,
    scores: Float32Array,
) -> Sample:
    """Returns a sample that takes the image over without a copy; it is read-only from then on.

    Args:
        image: `(H, W, 3)` uint8 RGB.
        boxes: `(N, 4)` float32 xyxy in pixels.
        classes: `(N,)` int32.
        ignore: `(N,)` bool.
        scores: `(N,)` float32 in `[0, 1]`.

    Raises:
        DataError: A box is not proper or not inside the image.
    """
    if image.base is None:
        image.setflags(write=False)
    return Sample(image, boxes, classes, ignore, scores)


def short_sides(boxes: Float32Array) -> Float32Array:
    """Returns `(N,)` the shorter side of boxes `(N, 4)` xyxy."""
    shorter: Float32Array = np.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    return shorter
