"""Suppression against TensorFlow's own, run class by class and merged by score."""

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracker.detection.nms import NmsMode, NmsSettings, nms, nms_graph
from tracker.errors import ConfigError

FIT = [0, 0, 2, 1]
THIRD = [1, 0, 3, 1]  # intersection 1, union 3
IOU_THIRD = float(np.float32(1) / np.float32(3))


def _arrays(boxes, scores, classes=None):
    boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
    classes = np.zeros(len(boxes)) if classes is None else classes
    return boxes, np.asarray(scores, np.float32), np.asarray(classes, np.int32)


def _indices(boxes, scores, classes=None, **kwargs):
    return nms(*_arrays(boxes, scores, classes), settings=NmsSettings(**kwargs)).tolist()


def _tensorflow(boxes, scores, classes, config):
    """The reference: `tf.image.non_max_suppression` per class, merged by score, then by index."""
    import tensorflow as tf

    if config.mode is NmsMode.AGNOSTIC:
        classes = np.zeros_like(classes)
    kept = []
    for label in np.unique(classes):
        members = np.flatnonzero(classes == label)
        picked = tf.image.non_max_suppression(
            boxes[members], scores[members], len(members), config.iou, config.confidence
        )
        kept.extend(members[picked.numpy()].tolist())
    kept.sort(key=lambda index: (-scores[index], index))
    return kept[: config.max_detections]


@functools.cache
def _compiled(config):
    import tensorflow as tf

    @tf.function(jit_compile=True)
    def run(boxes, scores, classes):
        return nms_graph(boxes, scores, classes, settings=config)

    return run


def _graph(boxes, scores, classes, config):
    """Boxes, scores, classes of the one image of a batch, as the compiled graph gives them."""
    outputs = _compiled(config)(boxes[None], scores[None], classes[None])
    *arrays, count = (np.asarray(output)[0] for output in outputs)
    assert not any(array[count:].any() for array in arrays)
    return [array[:count] for array in arrays]


def _random_case(seed, count, *, grid):
    """Boxes on a coarse grid of coordinates and scores: many ties, duplicates, empty boxes."""
    random = np.random.default_rng(seed)
    boxes = random.uniform(0, 60, (count, 4)).astype(np.float32)
    boxes[: count // 2, 2:] = boxes[: count // 2, :2] + random.uniform(0, 30, (count // 2, 2))
    scores = random.uniform(0, 1, count).astype(np.float32)
    if grid:
        boxes, scores = np.round(boxes / 6), np.round(scores * 8) / 8
    return boxes, scores.astype(np.float32), random.integers(0, 3, count).astype(np.int32)


def test_empty():
    assert _indices([], []) == []


def test_all_below_threshold():
    assert _indices([FIT, THIRD], [0.25, 0.1]) == []


def test_score_at_threshold_is_dropped():
    assert _indices([FIT], [0.5], confidence=0.5) == []
    assert _indices([FIT], [np.nextafter(np.float32(0.5), np.float32(1))], confidence=0.5) == [0]


def test_nan_score_is_dropped():
    assert _indices([FIT, THIRD], [np.nan, 0.5]) == [1]


def test_one():
    assert _indices([FIT], [0.9]) == [0]


def test_overlap_at_threshold_is_kept():
    just_below = float(np.nextafter(np.float32(IOU_THIRD), np.float32(0)))
    assert _indices([FIT, THIRD], [0.9, 0.8], iou=IOU_THIRD) == [0, 1]
    assert _indices([FIT, THIRD], [0.9, 0.8], iou=just_below) == [0]


def test_ties_go_to_the_lower_index():
    assert _indices([FIT, FIT, THIRD], [0.5, 0.5, 0.5]) == [0, 2]


def test_classes_are_apart_unless_agnostic():
    assert _indices([FIT, FIT], [0.5, 0.6], [0, 1]) == [1, 0]
    assert _indices([FIT, FIT], [0.5, 0.6], [0, 1], mode=NmsMode.AGNOSTIC) == [1]


def test_reversed_corners_and_empty_boxes():
    assert _indices([[2, 1, 0, 0], FIT], [0.9, 0.8]) == [0]
    assert _indices([[1, 1, 1, 1], [1, 1, 1, 1]], [0.9, 0.8], iou=0.0) == [0, 1]


def test_chain_is_greedy():
    """The middle box falls to the first, so the last, which only the middle overlaps, stays."""
    chain = [[0, 0, 10, 10], [4, 0, 14, 10], [8, 0, 18, 10]]
    assert _indices(chain, [0.9, 0.8, 0.7], iou=0.3) == [0, 2]


def test_at_most_max_detections():
    boxes = [[i, 0, i + 1, 1] for i in range(0, 20, 2)]
    assert _indices(boxes, np.linspace(0.3, 0.9, 10), max_detections=3) == [9, 8, 7]


def test_overflowing_area():
    huge = [-3e38, -3e38, 3e38, 3e38]
    assert _indices([huge, FIT, FIT], [0.9, 0.8, 0.7]) == [0, 1]


@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 60),
    grid=st.booleans(),
    iou=st.sampled_from([0.0, 0.25, 1 / 3, 0.45, 0.5, 1.0]),
    mode=st.sampled_from(NmsMode),
)
@settings(max_examples=50, deadline=None)
def test_equals_tensorflow(seed, count, grid, iou, mode):
    case = _random_case(seed, count, grid=grid)
    config = NmsSettings(iou=iou, mode=mode, max_detections=20)
    assert nms(*case, settings=config).tolist() == _tensorflow(*case, config)


@given(seed=st.integers(0, 2**32 - 1), grid=st.booleans(), mode=st.sampled_from(NmsMode))
@settings(max_examples=15, deadline=None)
@pytest.mark.slow
def test_compiled_graph_equals_tensorflow(seed, grid, mode):
    case = _random_case(seed, 64, grid=grid)
    config = NmsSettings(iou=1 / 3, mode=mode, max_detections=20)
    index = _tensorflow(*case, config)
    for have, want in zip(_graph(*case, config), case, strict=True):
        np.testing.assert_array_equal(have, want[index])


@pytest.mark.parametrize("count", [0, 2500])
def test_compiled_graph_of_any_size(count):
    """No pre-selection: thousands of boxes give the exact result."""
    boxes, scores, classes = _random_case(7, count, grid=False)
    boxes *= 10
    case = (boxes, scores, classes)
    config = NmsSettings()
    index = _tensorflow(*case, config)
    assert nms(*case, settings=config).tolist() == index
    for have, want in zip(_graph(*case, config), case, strict=True):
        np.testing.assert_array_equal(have, want[index])


def test_compiled_graph_of_a_batch_equals_single_images():
    config = NmsSettings(max_detections=20)
    cases = [_random_case(seed, 64, grid=True) for seed in range(3)]
    cases[1][1][:] = 0.0  # an image with nothing in it, between two that are full
    batch = [np.stack(arrays) for arrays in zip(*cases, strict=True)]
    boxes, scores, classes, count = (np.asarray(x) for x in _compiled(config)(*batch))
    assert count[1] == 0
    for row, case in enumerate(cases):
        index = nms(*case, settings=config)
        assert count[row] == len(index)
        np.testing.assert_array_equal(boxes[row, : count[row]], case[0][index])
        np.testing.assert_array_equal(scores[row, : count[row]], case[1][index])
        np.testing.assert_array_equal(classes[row, : count[row]], case[2][index])


@pytest.mark.parametrize(
    "wrong", [{"confidence": 1.5}, {"iou": -0.1}, {"max_detections": 0}, {"iou": float("nan")}]
)
def test_bad_settings(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        NmsSettings(**wrong)
