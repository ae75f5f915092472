"""TFLite_Detection_PostProcess: the orders in which converters list its outputs."""

import numpy as np
import pytest

from tests.detection.layouts.given import check, decode, nhwc, spec
from tracker.detection.image_input import Fit
from tracker.detection.layouts.tflite_detection import TfliteDetection
from tracker.errors import ModelError
from tracker.inference.network import AxisOrder

TFLITE = TfliteDetection()
OWN = "TFLite_Detection_PostProcess"
OWN_NAMES = [OWN, f"{OWN}:1", f"{OWN}:2", f"{OWN}:3"]


def outputs(count: float = 2) -> list[np.ndarray]:
    """Boxes, classes, scores and count; the third row is strong, but not counted."""
    boxes = np.array([[[0.25, 0.125, 0.75, 0.5], [0, 0, 1, 1], [0, 0, 0.5, 0.5]]], np.float32)
    classes = np.array([[0, 2, 1]], np.float32)
    scores = np.array([[0.75, 0.5, 0.9]], np.float32)
    return [boxes, classes, scores, np.array([count], np.float32)]


BOXES = [[16, 16, 64, 48], [0, 0, 128, 64]]  # of 64 high and 128 wide


def test_a_count_of_zero_is_nothing() -> None:
    assert TFLITE.is_suppressed
    check(decode(TFLITE, outputs(0), names=OWN_NAMES)[0], [], [], [])


def test_its_own_names_are_in_order() -> None:
    (found,) = decode(TFLITE, outputs(), names=OWN_NAMES, size=(64, 128))
    check(found, BOXES, [0.75, 0.5], [0, 2])


@pytest.mark.parametrize(
    ("order", "names"),
    [
        ((2, 0, 3, 1), [f"StatefulPartitionedCall:{n}" for n in (1, 3, 0, 2)]),  # TensorFlow 2
        ((0, 1, 2, 3), [f"StatefulPartitionedCall:{n}" for n in (31, 32, 33, 34)]),
        ((3, 2, 1, 0), [f"output_{n}" for n in (0, 1, 2, 3)]),
        ((3, 0, 2, 1), ["Identity_3", "Identity", "Identity_2", "Identity_1"]),
        ((0, 1, 2, 3), ["boxes", "classes", "scores", "count"]),
        ((3, 2, 1, 0), ["d", "c", "b", "a"]),
    ],
    ids=["tf2", "efficientdet-lite", "signature", "identity", "as it stands", "backwards"],
)
def test_numbers_at_the_ends_of_names_tell_the_order(
    order: tuple[int, ...], names: list[str]
) -> None:
    given = [outputs()[index] for index in order]
    (found,) = decode(TFLITE, given, names=names, size=(64, 128))
    check(found, BOXES, [0.75, 0.5], [0, 2])
    specs = [spec(name, *array.shape) for name, array in zip(names, given, strict=True)]
    assert TFLITE.matches(specs, nhwc(300, 300))


def test_a_batch_of_two() -> None:
    given = [np.concatenate(pair) for pair in zip(outputs(1), outputs(3), strict=True)]
    found = decode(TFLITE, given, names=OWN_NAMES)
    assert [len(image.scores) for image in found] == [1, 3]
    np.testing.assert_array_equal(found[1].classes, [0, 2, 1])


def test_what_is_not_finite_goes_on_without_a_warning() -> None:
    given = outputs(3)
    given[0][0, 0] = np.nan
    given[2][0, 1] = np.nan
    given[1][0, 2] = np.nan
    (found,) = decode(TFLITE, given, names=OWN_NAMES)
    np.testing.assert_array_equal(found.classes, [0, 2])
    assert np.isnan(found.boxes[0]).all()
    assert np.isnan(found.scores[1])


def test_other_outputs_are_refused() -> None:
    good = outputs()
    for bad, names in (
        (good[:3], OWN_NAMES[:3]),
        ([good[1], good[0], good[2], good[3]], ["a", "b", "c", "d"]),
        ([good[0], good[1][:, :2], good[2], good[3]], OWN_NAMES),
        ([good[0][..., :3], good[1], good[2], good[3]], OWN_NAMES),
    ):
        with pytest.raises(ModelError, match="the layout tflite-detection needs four outputs"):
            decode(TFLITE, bad, names=names)


def specs(names: list[str], *, rows: int | None = 10) -> list:
    shapes = [(1, rows, 4), (1, rows), (1, rows), (1,)]
    return [spec(name, *shape) for name, shape in zip(names, shapes, strict=True)]


def test_it_matches_four_outputs_of_its_shapes() -> None:
    assert TFLITE.matches(specs(OWN_NAMES), nhwc(300, 300))
    assert TFLITE.matches(specs(OWN_NAMES, rows=None), nhwc(300, 300))
    # Converted files may tell no shapes at all.
    assert TFLITE.matches([spec(name) for name in OWN_NAMES], nhwc(300, 300))
    assert not TFLITE.matches(specs(OWN_NAMES)[:3])
    assert not TFLITE.matches([*specs(OWN_NAMES)[:3], spec(OWN_NAMES[3], 1, 10)])
    assert not TFLITE.matches([spec(OWN, 1, 10, 5), *specs(OWN_NAMES)[1:]])
    # Names of others.
    other = specs(["nmsed_boxes", "nmsed_scores", "nmsed_classes", "valid_detections"])
    assert not TFLITE.matches(other, nhwc(300, 300))
    other = specs(["detection_boxes", "detection_classes", "detection_scores", "num_detections"])
    assert not TFLITE.matches(other, nhwc(300, 300))
    # TensorFlow's suppression without its names counts in integers, and puts scores first.
    other = [
        *specs(["output_0", "output_1", "output_2", "x"])[:3],
        spec("output_3", 1, dtype="int32"),
    ]
    assert not TFLITE.matches(other, nhwc(300, 300))
    assert TFLITE.matches(other)
    assert TFLITE.class_count(specs(OWN_NAMES)) is None


def test_the_image_it_expects() -> None:
    whole = TFLITE.image_input(spec("image", 1, 300, 300, 3, dtype="uint8"))
    assert (whole.size, whole.fit, whole.dtype) == ((300, 300), Fit.STRETCH, "uint8")
    real = TFLITE.image_input(spec("image", 1, 300, 300, 3))
    assert (real.axes, real.scale) == (AxisOrder.NHWC, 1)
    assert (0 * real.scale - real.mean[0]) / real.std[0] == -1
    assert (255 * real.scale - real.mean[0]) / real.std[0] == 1
    assert TFLITE.extra_inputs(nhwc(), input_size=(300, 300)) == []
