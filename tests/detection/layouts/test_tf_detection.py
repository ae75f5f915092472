"""TensorFlow's suppressed outputs: names, class numbers, counts, masks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.detection.layouts.given import check, decode, nchw, nhwc, spec
from tracker.detection.image_input import Fit
from tracker.detection.layouts.tf_detection import TfDetection, TfNms
from tracker.errors import ModelError
from tracker.inference.network import AxisOrder

API, NMS = TfDetection(), TfNms()
API_NAMES = ["detection_boxes", "detection_classes", "detection_scores", "num_detections"]
NMS_NAMES = ["nmsed_boxes", "nmsed_scores", "nmsed_classes", "valid_detections"]


def rows(
    *filled: tuple[list[float], float, float], count: int | None = None, padded: int = 4
) -> list[np.ndarray]:
    """Boxes, classes, scores, count of one image from (box, class, score)."""
    boxes, classes = np.zeros((1, padded, 4), np.float32), np.zeros((1, padded), np.float32)
    scores = np.zeros((1, padded), np.float32)
    for index, (box, label, score) in enumerate(filled):
        boxes[0, index], classes[0, index], scores[0, index] = box, label, score
    return [boxes, classes, scores, np.array([len(filled) if count is None else count], np.float32)]


ONE = ([0.25, 0.125, 0.75, 0.5], 1, 0.5)  # top, left, bottom, right: of 64 high and 128 wide


def test_nothing_is_found_in_padding() -> None:
    assert API.is_suppressed
    assert NMS.is_suppressed
    check(decode(API, rows(), names=API_NAMES)[0], [], [], [])
    boxes, classes, scores, count = rows()
    check(decode(NMS, [boxes, scores, classes, count], names=NMS_NAMES)[0], [], [], [])


def test_boxes_are_top_left_bottom_right_and_classes_count_from_one() -> None:
    other = ([0, 0, 1, 1], 90, 0.75)
    (found,) = decode(API, rows(ONE, other), names=API_NAMES, size=(64, 128))
    check(found, [[16, 16, 64, 48], [0, 0, 128, 64]], [0.5, 0.75], [0, 89])


def test_combined_suppression_keeps_left_top_right_bottom_and_its_classes() -> None:
    boxes, classes, scores, count = rows(ONE)
    outputs = [classes, count, boxes, scores]
    names = [NMS_NAMES[index] for index in (2, 3, 0, 1)]
    (found,) = decode(NMS, outputs, names=names, size=(64, 128))
    check(found, [[32, 8, 96, 32]], [0.5], [1])
    # Without its names the order counts.
    (found,) = decode(NMS, [boxes, scores, classes, count], size=(64, 128))
    check(found, [[32, 8, 96, 32]], [0.5], [1])


def test_rows_after_the_count_mean_nothing() -> None:
    (found,) = decode(API, rows(ONE, ONE, ONE, count=2), names=API_NAMES)
    assert len(found.scores) == 2
    boxes, classes, scores, _ = rows(ONE, ONE, ONE)
    valid = np.array([1], np.int32)
    assert len(decode(NMS, [boxes, scores, classes, valid], names=NMS_NAMES)[0].scores) == 1


def test_other_outputs_and_a_missing_count_are_no_matter() -> None:
    outputs = [*rows(ONE)[:3], np.zeros((1, 100, 4), np.float32)]
    names = ["detection_boxes:0", *API_NAMES[1:3], "raw_detection_boxes"]
    check(decode(API, outputs, names=names)[0], [[8, 16, 32, 48]], [0.5], [0])


def test_masks_go_with_their_boxes() -> None:
    masks = np.arange(4, dtype=np.float32)[None, :, None, None] / 4 * np.ones((1, 4, 3, 5))
    weak = ([0, 0, 1, 1], 1, 0.1)
    outputs = [*rows(ONE, weak, ONE), masks.astype(np.float16)]
    (found,) = decode(API, outputs, names=[*API_NAMES, "detection_masks"])
    assert found.masks is not None
    assert (found.masks.shape, found.masks.dtype) == ((2, 3, 5), np.float32)
    np.testing.assert_array_equal(found.masks[:, 0, 0], [0, 0.5])


def test_a_batch_of_two_with_integer_classes() -> None:
    first, second = rows(ONE), rows(([0, 0, 1, 1], 3, 1), ONE)
    outputs = [np.concatenate(pair) for pair in zip(first, second, strict=True)]
    outputs[1] = outputs[1].astype(np.int64)
    found = decode(API, outputs, names=API_NAMES)
    assert [len(image.scores) for image in found] == [1, 2]
    check(found[1], [[0, 0, 64, 64], [8, 16, 32, 48]], [1, 0.5], [2, 0])


def test_what_is_not_finite_goes_on_but_not_without_a_class() -> None:
    nan = np.nan
    outputs = rows(([nan, 0, 1, 1], 1, 1), ([0, 0, 1, np.inf], 2, 1), ([0, 0, 1, 1], nan, 1))
    (found,) = decode(API, outputs, names=API_NAMES)
    np.testing.assert_array_equal(found.classes, [0, 1])
    outputs[3][:] = nan
    assert len(decode(API, outputs, names=API_NAMES)[0].scores) == 0
    # Class 0, the background, is none.
    assert len(decode(API, rows(([0, 0, 1, 1], 0, 1)), names=API_NAMES)[0].scores) == 0


def test_shapes_that_do_not_belong_together_are_refused() -> None:
    good = rows(ONE)
    for index, shape in ((0, (1, 4, 5)), (0, (4, 4)), (1, (1, 3)), (2, (2, 4)), (3, (2,))):
        bad = list(good)
        bad[index] = np.zeros(shape, np.float32)
        with pytest.raises(ModelError, match="the layout tf-detection needs"):
            decode(API, bad, names=API_NAMES)
        with pytest.raises(ModelError, match="the layout tf-nms needs"):
            decode(NMS, [bad[0], bad[2], bad[1], bad[3]], names=NMS_NAMES)
    with pytest.raises(ModelError, match="tf-detection"):
        decode(API, [*good, np.zeros((1, 3, 2, 2))], names=[*API_NAMES, "detection_masks"])
    with pytest.raises(ModelError, match="tf-detection"):
        decode(API, good[:2], names=API_NAMES[:2])
    with pytest.raises(ModelError, match="tf-nms"):
        decode(NMS, good[:3], names=NMS_NAMES[:3])


def api_specs(count: int | None = 100) -> list:
    return [
        spec("detection_boxes", 1, count, 4),
        spec("detection_classes", 1, count),
        spec("detection_scores", 1, count),
        spec("num_detections", 1),
        spec("raw_detection_scores", 1, None, 91),
    ]


def nms_specs(names: list[str]) -> list:
    shapes = [(1, 100, 4), (1, 100), (1, 100), (1,)]
    return [spec(name, *shape) for name, shape in zip(names, shapes, strict=True)]


def test_names_tell_them() -> None:
    assert API.matches(api_specs(), nhwc(None, None))
    assert API.matches(api_specs(None))
    assert API.matches([spec(s.name) for s in api_specs()], nhwc(None, None))
    assert not API.matches(api_specs()[1:])
    assert not API.matches([spec("detection_boxes", 100, 4), *api_specs()[1:]])
    assert NMS.matches(nms_specs(NMS_NAMES), nhwc())
    assert not NMS.matches(api_specs()[:4], nhwc())
    unnamed = nms_specs(["a", "b", "c", "d"])
    assert NMS.matches(unnamed)
    assert not NMS.matches(unnamed, nhwc())
    assert not NMS.matches(unnamed[::-1])
    assert API.class_count(api_specs()) is None
    assert NMS.class_count(unnamed) is None


def test_the_images_they_want() -> None:
    wanted = API.image_input(spec("input_tensor", 1, None, None, 3, dtype="uint8"))
    assert (wanted.size, wanted.stride, wanted.long_side) == (None, 1, 1024)
    assert (wanted.dtype, wanted.axes, wanted.fit) == ("uint8", AxisOrder.NHWC, Fit.STRETCH)
    # The frame's own aspect, so that stretching changes nothing.
    assert wanted.size_for((1080, 1920)) == (576, 1024)
    wanted = NMS.image_input(nhwc()[0])
    assert (wanted.size, wanted.fit, wanted.dtype) == ((640, 640), Fit.LETTERBOX, "float32")


def test_no_other_input_is_known() -> None:
    for layout in (API, NMS):
        assert layout.extra_inputs(nhwc(), input_size=(640, 640)) == []
        with pytest.raises(ModelError, match="more"):
            layout.extra_inputs([*nchw(), spec("more", 1)], input_size=(640, 640))


@given(hnp.arrays(np.float32, (3, 4), elements=st.floats(0, 256, width=32)))
@settings(max_examples=30, deadline=None)
def test_boxes_come_back(boxes: np.ndarray) -> None:
    shares = boxes / np.array([128, 64, 128, 64], np.float32)
    given_rows = rows(*((list(box), 1, 1) for box in shares[:, [1, 0, 3, 2]]))
    (found,) = decode(API, given_rows, names=API_NAMES, size=(64, 128))
    np.testing.assert_allclose(found.boxes, boxes, rtol=1e-6, atol=1e-6)
