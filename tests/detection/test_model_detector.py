"""Detectors on networks of others: a scripted network in place of a runtime."""

import logging
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

import numpy as np
import pytest

from tracker.detection.image_input import Fit, ImageInput
from tracker.detection.layouts.end_to_end import EndToEnd
from tracker.detection.layouts.tf_detection import TfDetection
from tracker.detection.layouts.yolo import YoloColumns
from tracker.detection.model_detector import ModelDetector
from tracker.detection.nms import NmsMode
from tracker.detection.yolo_detector import DetectorSettings
from tracker.errors import ConfigError, DataError, ModelError
from tracker.frames import Frame, VideoInfo
from tracker.inference.network import AxisOrder, TensorSpec
from tracker.masks import decode_mask
from tracker.util.stopwatch import Stopwatch

NAMES = ("person", "car")
INFO = VideoInfo("test", 40, 20, fps=Fraction(10), time_base=Fraction(1, 10))


class Scripted:
    """A network that answers with what a function makes of its images."""

    digests: Mapping[str, str] = {"scripted.onnx": "0" * 64}

    def __init__(
        self, answer: Callable[[np.ndarray], list[np.ndarray]], *outputs: TensorSpec
    ) -> None:
        self._answer = answer
        self.inputs = (TensorSpec("images", (None, 3, 40, 40), "float32"),)
        self.outputs = outputs or (TensorSpec("output0", (None, None, 6), "float32"),)
        self.calls = 0

    def run(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        self.calls += 1
        return self._answer(arrays[0])


def rows(*found: Sequence[float]) -> Callable[[np.ndarray], list[np.ndarray]]:
    """Answers with rows x1, y1, x2, y2, score, class for each image."""
    array = np.array(found, np.float32).reshape(-1, 6)
    return lambda images: [np.repeat(array[None], len(images), axis=0)]


def detector(
    network: Scripted, *, layout: object = None, wanted: ImageInput | None = None, **settings
) -> ModelDetector:
    made = ModelDetector(
        network,
        layout=layout or EndToEnd(),
        wanted=wanted or ImageInput(size=(40, 40)),
        class_names=NAMES,
        settings=DetectorSettings(**settings),
    )
    made.start(INFO)
    return made


def frames(count: int = 1) -> list[Frame]:
    image = np.zeros((20, 40, 3), np.uint8)
    return [Frame(image, index=n, time_s=n / 10, source="test") for n in range(count)]


def test_nothing_found_and_no_frames() -> None:
    made = detector(Scripted(rows()))
    assert made.detect([], Stopwatch()) == []
    (found,) = made.detect(frames(), Stopwatch())
    assert len(found) == 0


def test_boxes_come_back_in_pixels_of_the_frame_cut_to_it() -> None:
    # The frame lies at rows 10 to 30 of the square input.
    made = detector(Scripted(rows([-5, 5, 20, 20, 0.9, 1], [10, 12, 20, 22, 0.95, 0])))
    (found,) = made.detect(frames(), Stopwatch())
    np.testing.assert_allclose(found.boxes, [[10, 2, 20, 12], [0, 0, 20, 10]])
    np.testing.assert_allclose(found.scores, [0.95, 0.9])
    assert found.classes.tolist() == [0, 1]


def test_every_frame_of_a_batch_has_its_own() -> None:
    network = Scripted(rows([0, 10, 10, 20, 0.9, 0]))
    made, watch = detector(network), Stopwatch()
    before = network.calls
    assert [len(found) for found in made.detect(frames(3), watch)] == [1, 1, 1]
    assert network.calls == before + 1
    assert set(watch.seconds) == {"preprocess", "infer", "nms"}


def test_settings_filter() -> None:
    answer = rows([0, 10, 10, 20, 0.9, 0], [20, 10, 30, 20, 0.5, 1], [0, 12, 9, 19, 0.3, 1])
    assert len(detector(Scripted(answer)).detect(frames(), Stopwatch())[0]) == 3
    for settings, kept in (
        ({"confidence": 0.5}, [0.9]),
        ({"classes": ("car",)}, [0.5, 0.3]),
        ({"max_detections": 2}, [0.9, 0.5]),
    ):
        (found,) = detector(Scripted(answer), **settings).detect(frames(), Stopwatch())
        np.testing.assert_allclose(found.scores, kept)


def columns(*found: Sequence[float]) -> Scripted:
    """Answers in the layout of YOLOv8: centre, size, a score for each class."""
    array = np.zeros((6, 33), np.float32)
    array[:, : len(found)] = np.array(found, np.float32).T
    spec = TensorSpec("output0", (None, 6, 33), "float32")
    return Scripted(lambda images: [np.repeat(array[None], len(images), axis=0)], spec)


def test_overlaps_are_suppressed_where_the_network_does_not() -> None:
    def network() -> Scripted:
        return columns([10, 20, 10, 10, 0.9, 0], [11, 20, 10, 10, 0.8, 0], [10, 20, 10, 10, 0, 0.7])

    per_class = detector(network(), layout=YoloColumns())
    agnostic = detector(network(), layout=YoloColumns(), nms_mode=NmsMode.AGNOSTIC)
    np.testing.assert_allclose(per_class.detect(frames(), Stopwatch())[0].scores, [0.9, 0.7])
    np.testing.assert_allclose(agnostic.detect(frames(), Stopwatch())[0].scores, [0.9])


def test_what_is_not_finite_is_left_out_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    network = Scripted(
        rows(
            [np.nan, 10, 10, 20, 0.9, 0],
            [0, 10, np.inf, 20, 0.9, 0],
            [0, 10, 10, 20, np.nan, 0],
            [0, 10, 10, 20, 0.8, 0],
            [5, 10, 5, 20, 0.8, 0],
        )
    )
    made = detector(network)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            (found,) = made.detect(frames(), Stopwatch())
            np.testing.assert_allclose(found.boxes, [[0, 0, 10, 10]])
    assert [record.getMessage().partition(";")[0] for record in caplog.records] == [
        "detector: 3 boxes, scores or masks are not finite and are left out, here and from now on"
    ]


def test_masks_stay_with_their_boxes() -> None:
    specs = [
        TensorSpec("detection_boxes", (1, 2, 4), "float32"),
        TensorSpec("detection_classes", (1, 2), "float32"),
        TensorSpec("detection_masks", (1, 2, 2, 2), "float32"),
        TensorSpec("detection_scores", (1, 2), "float32"),
        TensorSpec("num_detections", (1,), "float32"),
    ]
    answer = [
        np.array([[[0.25, 0, 0.75, 0.5], [0.25, 0.5, 0.5, 1]]], np.float32),
        np.array([[1, 2]], np.float32),
        np.array([[[[1, 1], [0, 0]], [[1, 1], [1, 1]]]], np.float32),
        np.array([[0.5, 0.9]], np.float32),
        np.array([2], np.float32),
    ]
    made = detector(Scripted(lambda images: answer, *specs), layout=TfDetection())
    (found,) = made.detect(frames(), Stopwatch())
    assert found.classes.tolist() == [1, 0]
    np.testing.assert_allclose(found.boxes, [[20, 0, 40, 10], [0, 0, 20, 20]])
    assert found.masks is not None
    first, second = (decode_mask(mask) for mask in found.masks)
    assert first.shape == (20, 40)
    assert first[:10, 20:].all()
    assert first.sum() == 200
    assert second[:9, :20].all()
    assert not second[11:].any()


def test_a_new_source_of_another_size_is_another_input() -> None:
    wanted = ImageInput(long_side=64, stride=32)
    seen = []

    def answer(images: np.ndarray) -> list[np.ndarray]:
        seen.append(images.shape)
        return rows()(images)

    made = detector(Scripted(answer), wanted=wanted)
    assert made.input_size == (32, 64)
    made.start(VideoInfo("upright", 20, 40, fps=Fraction(10), time_base=Fraction(1, 10)))
    assert seen == [(1, 3, 32, 64), (1, 3, 64, 32)]
    assert detector(Scripted(answer), wanted=wanted, input_size=96).input_size == (64, 96)


def test_frames_of_several_sources_in_one_batch() -> None:
    """One call of the network for each input size; boxes in pixels of their own frames."""
    seen = []

    def answer(images: np.ndarray) -> list[np.ndarray]:
        seen.append(images.shape)
        return rows([0, 0, 32, 32, 0.9, 0])(images)

    made = detector(Scripted(answer), wanted=ImageInput(long_side=64, stride=32))
    made.start(VideoInfo("upright", 20, 40, fps=Fraction(10), time_base=Fraction(1, 10)))
    seen.clear()
    shapes = [(20, 40, 3), (40, 20, 3), (10, 20, 3)]
    batch = [Frame(np.zeros(shape, np.uint8), n, n / 10, "test") for n, shape in enumerate(shapes)]
    found = made.detect(batch, Stopwatch())
    assert seen == [(2, 3, 32, 64), (1, 3, 64, 32)]
    # The inputs are 1.6, 1.6 and 3.2 times as large as the frames.
    for one, side in zip(found, (20, 20, 10), strict=True):
        np.testing.assert_allclose(one.boxes, [[0, 0, side, side]], atol=1e-3)


def test_grey_and_square_frames_are_frames_too() -> None:
    made = detector(
        Scripted(rows([0, 0, 40, 40, 0.9, 0])),
        wanted=ImageInput(size=(40, 40), fit=Fit.STRETCH, axes=AxisOrder.NHWC),
    )
    odd = Frame(np.full((7, 13, 3), 128, np.uint8), index=0, time_s=0, source="test")
    np.testing.assert_allclose(made.detect([odd], Stopwatch())[0].boxes, [[0, 0, 13, 7]])


def test_wrong_settings_and_wrong_networks() -> None:
    network = Scripted(rows([0, 10, 10, 20, 0.9, 5]))
    with pytest.raises(ModelError, match="expected classes 0 to 1, got 5"):
        detector(network).detect(frames(), Stopwatch())
    with pytest.raises(ConfigError, match="the network takes 40x40 only; leave --imgsz out"):
        detector(network, input_size=64)
    with pytest.raises(ConfigError, match="does not know 'cart'"):
        detector(network, classes=("cart",))
    with pytest.raises(ModelError, match="expected 2 as the network has, got 1"):
        ModelDetector(
            columns(),
            layout=YoloColumns(),
            wanted=ImageInput(size=(40, 40)),
            class_names=("person",),
            settings=DetectorSettings(),
        )
    idle = ModelDetector(
        network,
        layout=EndToEnd(),
        wanted=ImageInput(size=(40, 40)),
        class_names=NAMES,
        settings=DetectorSettings(),
    )
    with pytest.raises(DataError, match=r"expected start\(info\)"):
        idle.detect(frames(), Stopwatch())


def test_outputs_of_too_few_images_are_refused() -> None:
    made = detector(Scripted(lambda images: [np.zeros((1, 0, 6), np.float32)]))
    with pytest.raises(ModelError, match="expected the outputs of 2 images, got 1"):
        made.detect(frames(2), Stopwatch())
