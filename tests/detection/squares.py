"""A detector that finds rectangles of one colour on black, and images of them."""

from collections.abc import Mapping, Sequence

import numpy as np

from tracker.detections import Detections
from tracker.frames import Frame, VideoInfo
from tracker.util.arrays import UInt8Array
from tracker.util.stopwatch import Stopwatch


class Squares:
    """Finds the box around the pixels of each colour; exact, also where an image cuts the object.

    Red tells objects apart, green is the class, blue the score in per cent.

    Args:
        least_share: Objects smaller than this share of the image's long side are missed, as by a
            network that reduces the image.
        blind_size: Height and width of the images in which nothing is found.

    Attributes:
        started: Width and height of what was started, in order.
        calls: Index, time, height and width of the frames of each call.
    """

    class_names = ("circle", "square")
    digests: Mapping[str, str] = {"squares": "0" * 64}

    def __init__(
        self, *, least_share: float = 0.0, blind_size: tuple[int, int] | None = None
    ) -> None:
        self._least_share = least_share
        self._blind_size = blind_size
        self.started: list[tuple[int, int]] = []
        self.calls: list[list[tuple[int, float, int, int]]] = []

    def start(self, info: VideoInfo) -> None:
        self.started.append((info.width, info.height))

    def detect(
        self, frames: Sequence[Frame], stopwatch: Stopwatch | None = None
    ) -> list[Detections]:
        self.calls.append([(f.index, f.time_s, f.height, f.width) for f in frames])
        return [self._found(frame.image) for frame in frames]

    def _found(self, image: UInt8Array) -> Detections:
        if image.shape[:2] == self._blind_size:
            return Detections.empty()
        boxes, scores, classes = [], [], []
        red = image[:, :, 0]
        for number in np.flatnonzero(np.bincount(red.ravel(), minlength=2)[1:]) + 1:
            pixels = red == number
            rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
            box = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
            colour = image[rows[0], columns[0]]
            if max(box[2] - box[0], box[3] - box[1]) >= self._least_share * max(image.shape):
                boxes.append(box)
                scores.append(colour[2] / 100)
                classes.append(colour[1])
        return Detections.create(boxes, scores, classes) if boxes else Detections.empty()


def drawn(
    size: tuple[int, int],
    boxes: Sequence[Sequence[int]],
    *,
    classes: Sequence[int] | None = None,
    index: int = 0,
) -> Frame:
    """Returns a frame of this height and width with a rectangle for each box xyxy."""
    image = np.zeros((*size, 3), np.uint8)
    for number, (x1, y1, x2, y2) in enumerate(boxes):
        image[y1:y2, x1:x2] = [number + 1, 0 if classes is None else classes[number], 90 - number]
    return Frame(image, index, index / 25, "drawn")


def random_boxes(
    rng: np.random.Generator, size: tuple[int, int], *, smallest: int, largest: int
) -> list[list[int]]:
    """Returns up to ten boxes xyxy that do not overlap, with sides in `[smallest, largest]`."""
    height, width = size
    free = np.ones(size, bool)
    boxes = []
    for _ in range(10):
        w, h = rng.integers(smallest, largest + 1, 2)
        x, y = rng.integers(0, width - w + 1), rng.integers(0, height - h + 1)
        if free[y : y + h, x : x + w].all():
            free[y : y + h, x : x + w] = False
            boxes.append([int(x), int(y), int(x + w), int(y + h)])
    return boxes
