"""All detectors suppress the same boxes: whole ones, as networks give them, cut to the frame after.

Frame 64x32. Two boxes reach beyond its left side: x from -30 to 10 and from -2 to 14, y from 4 to
28. Whole, they share 12 of 44 columns (IoU 0.27) and both stay at a threshold of 0.45; cut to the
frame they would share 10 of 14 (IoU 0.71), and one would go. A third lies outside altogether, which
a YOLO cell inside the frame cannot say.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np
import pytest

from tracker.detection.fcn_detector import FcnDetector, FcnSettings
from tracker.detection.image_input import ImageInput
from tracker.detection.layouts.yolo import YoloColumns
from tracker.detection.model_detector import ModelDetector
from tracker.detection.runtimes.base import YoloNetwork
from tracker.detection.yolo_detector import DetectorSettings, YoloDetector
from tracker.frames import Frame, VideoInfo
from tracker.inference.network import TensorSpec
from tracker.inference.runtime_kind import RuntimeKind
from tracker.models.fcn.convert import WindowNetwork
from tracker.models.heads import AnchorFreeHead
from tracker.util.stopwatch import Stopwatch

WIDTH, HEIGHT = 64, 32
BOXES = [[-30, 4, 10, 28, 0.9], [-2, 4, 14, 28, 0.8], [-30, 4, -5, 28, 0.7]]
CUT = [[0, 4, 10, 28], [0, 4, 14, 28]]


def yolo(runtime: RuntimeKind) -> YoloDetector:
    """A network that gives the boxes whatever it sees, in two cells of 8x8 pixels."""
    maps = np.full((4, 8, 5), -20, np.float32)
    for column, (x1, y1, x2, y2, score) in enumerate(BOXES[:2]):
        middle = np.array([8 * column + 4, 20])
        cells = np.concatenate([middle - [x1, y1], [x2, y2] - middle]) / 8
        maps[2, column] = [*np.log(np.expm1(cells)), np.log(score / (1 - score))]

    def build(size: tuple[int, int]) -> object:
        import keras

        image = keras.Input((*size, 3))
        nothing = keras.layers.AveragePooling2D(8)(image)[..., :1] * 0.0
        return keras.Model(image, nothing + maps)

    network = YoloNetwork((AnchorFreeHead(1),), 1, 32, WIDTH, f"two boxes {runtime}", build)
    settings = DetectorSettings(runtime=runtime, confidence=0.25, iou=0.45)
    return YoloDetector(network, ["block"], settings=settings, digests={})


class Columns:
    """A network of the layout of YOLOv8 that gives the boxes whatever it sees."""

    digests: Mapping[str, str] = {}
    inputs = (TensorSpec("images", (None, 3, HEIGHT, WIDTH), "float32"),)
    outputs = (TensorSpec("output0", (None, 5, 33), "float32"),)

    def run(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        found = np.zeros((5, 33), np.float32)
        for column, (x1, y1, x2, y2, score) in enumerate(BOXES):
            found[:, column] = (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1, score
        return [np.repeat(found[None], len(arrays[0]), axis=0)]


def model() -> ModelDetector:
    return ModelDetector(
        Columns(),
        layout=YoloColumns(),
        wanted=ImageInput(size=(HEIGHT, WIDTH)),
        class_names=["block"],
        settings=DetectorSettings(iou=0.45),
    )


def windows() -> FcnDetector:
    """A sliding classifier of 32x32 that gives a box in each of its first three windows."""
    boxes, scores = np.zeros((1, 5, 4), np.float32), np.zeros((1, 5, 1), np.float32)
    for column, (x1, y1, x2, y2, score) in enumerate(BOXES):
        centre = [(x1 + x2) / 2 - 8 * column, (y1 + y2) / 2]
        boxes[0, column] = np.array([*centre, x2 - x1, y2 - y1]) / 32
        scores[0, column] = score

    def network(pixels: object, *, training: bool) -> dict[str, object]:
        import tensorflow as tf

        def each(values: np.ndarray) -> object:
            return tf.repeat(tf.constant(values)[None], tf.shape(pixels)[0], axis=0)

        return {"class": each(np.ones((1, 5, 1), np.float32)), "objectness": each(scores),
                "box": each(boxes)}  # fmt: skip

    slides = WindowNetwork(network, (32, 32), (8, 8), class_count=1, channels=3)
    return FcnDetector(slides, ["block"], settings=FcnSettings(iou=0.45))


DETECTORS = {
    "yolo-litert": lambda: yolo(RuntimeKind.LITERT),
    "yolo-xla": lambda: yolo(RuntimeKind.XLA),
    "model": model,
    "fcn": windows,
}


@pytest.mark.parametrize("name", DETECTORS)
def test_whole_boxes_are_suppressed_and_cut_after(name: str) -> None:
    detector = DETECTORS[name]()
    detector.start(VideoInfo("test", WIDTH, HEIGHT, Fraction(25), Fraction(1, 25)))
    frame = Frame(np.zeros((HEIGHT, WIDTH, 3), np.uint8), 0, 0.0, "test")
    (found,) = detector.detect([frame], Stopwatch())
    np.testing.assert_allclose(found.boxes, CUT, atol=1e-3)
    np.testing.assert_allclose(found.scores, [0.9, 0.8], atol=1e-4)
