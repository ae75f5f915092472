"""Decoding against the papers' formulas, written out for one anchor at a time."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracker.detection.yolo_decode import decode_candidates, decode_graph
from tracker.models.heads import (
    AnchorFreeHead,
    BoxCoding,
    ClassActivation,
    HeadKind,
    IntegralHead,
    YoloHead,
)

INPUT = (64, 96)
PLAIN = YoloHead(HeadKind.YOLO, ((10.0, 20.0), (30.0, 15.0)), 3)
STRETCHED = YoloHead(HeadKind.YOLO, ((10.0, 20.0), (30.0, 15.0)), 3, scale_x_y=1.05)
SCALED = YoloHead(HeadKind.YOLO, ((10.0, 20.0),), 3, 2.0, BoxCoding.SCALED)
REGION = YoloHead(
    HeadKind.REGION, ((1.5, 2.0), (0.5, 1.0)), 3, class_activation=ClassActivation.SOFTMAX
)
FREE = AnchorFreeHead(3)
INTEGRAL = IntegralHead(3, stride=16, bins=4, labels=2)
HEADS = {
    "plain": PLAIN,
    "stretched": STRETCHED,
    "scaled": SCALED,
    "region": REGION,
    "free": FREE,
    "integral": INTEGRAL,
}


def _logistic(value):
    return 1 / (1 + math.exp(-value))


def _reference(raw_map, head):
    """One anchor at a time, in float64: `(box, score, class)` in the order of the decoder."""
    if isinstance(head, AnchorFreeHead):
        return _anchor_free_reference(raw_map)
    if isinstance(head, IntegralHead):
        return _integral_reference(raw_map, head)
    rows, columns, _ = raw_map.shape
    found = []
    for row, column, anchor in np.ndindex(rows, columns, len(head.anchors)):
        width = 5 + head.class_count
        raw = raw_map[row, column, anchor * width : (anchor + 1) * width].astype(float).tolist()
        is_scaled = head.box_coding is BoxCoding.SCALED
        x, y = (t if is_scaled else _logistic(t) for t in raw[:2])
        x, y = ((t - 0.5) * head.scale_x_y + 0.5 for t in (x, y))
        sizes = [4 * t * t if is_scaled else math.exp(t) for t in raw[2:4]]
        sizes = [size * length for size, length in zip(sizes, head.anchors[anchor], strict=True)]
        cell_w, cell_h = INPUT[1] / columns, INPUT[0] / rows
        if head.kind is HeadKind.REGION:
            sizes = [sizes[0] * cell_w, sizes[1] * cell_h]
        cx, cy, w, h = (x + column) * cell_w, (y + row) * cell_h, *sizes
        probabilities = raw[5:]
        if head.class_activation is ClassActivation.SOFTMAX:
            exponentials = [math.exp(value) for value in raw[5:]]
            probabilities = [value / sum(exponentials) for value in exponentials]
        elif not is_scaled:
            probabilities = [_logistic(value) for value in raw[5:]]
        best = max(probabilities)
        score = best * (raw[4] if is_scaled else _logistic(raw[4]))
        box = [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2]
        found.append((box, score, probabilities.index(best)))
    return tuple(np.array(values) for values in zip(*found, strict=True))


def _integral_reference(raw_map, head):
    rows, columns, _ = raw_map.shape
    found = []
    for row, column in np.ndindex(rows, columns):
        raw = raw_map[row, column].astype(float).tolist()
        distances = []
        for side in range(4):
            weights = [math.exp(t) for t in raw[side * head.bins : (side + 1) * head.bins]]
            distances.append(sum(n * w for n, w in enumerate(weights)) / sum(weights))
        left, top, right, bottom = (distance * head.stride for distance in distances)
        x, y = column * head.stride, row * head.stride
        values = raw[4 * head.bins :]
        box = [x - left, y - top, x + right, y + bottom]
        ranked = sorted(range(len(values)), key=lambda number: -values[number])
        found += [(box, _logistic(values[n]), n) for n in ranked[: head.labels]]
    return tuple(np.array(values) for values in zip(*found, strict=True))


def _anchor_free_reference(raw_map):
    rows, columns, _ = raw_map.shape
    cell_w, cell_h = INPUT[1] / columns, INPUT[0] / rows
    found = []
    for row, column in np.ndindex(rows, columns):
        raw = raw_map[row, column].astype(float).tolist()
        left, top, right, bottom = (math.log(1 + math.exp(t)) for t in raw[:4])
        x, y = column + 0.5, row + 0.5
        box = [(x - left) * cell_w, (y - top) * cell_h, (x + right) * cell_w, (y + bottom) * cell_h]
        best = max(raw[4:])
        found.append((box, _logistic(best), raw[4:].index(best)))
    return tuple(np.array(values) for values in zip(*found, strict=True))


def _random_map(head, seed, grid=(2, 3)):
    values = np.random.default_rng(seed).normal(0, 1.5, (*grid, head.channels))
    if head is SCALED:
        values = 1 / (1 + np.exp(-values))
    return values.astype(np.float32)


def _graph(maps, heads):
    """Boxes, scores and classes of one image, as the graph decodes them."""
    outputs = decode_graph([m[None] for m in maps], heads, input_size=INPUT)
    return tuple(np.asarray(output)[0] for output in outputs)


def _candidates(maps, heads, confidence=0.0):
    return decode_candidates(maps, heads, input_size=INPUT, confidence=confidence)


def test_no_candidates():
    quiet = np.full((2, 3, PLAIN.channels), -9, np.float32)
    boxes, scores, classes = _candidates([quiet], [PLAIN], 0.25)
    assert boxes.shape == (0, 4)
    assert scores.shape == classes.shape == (0,)


def test_zeros_by_hand():
    """Logistic(0) = 1/2: the anchor itself, in the middle of the cell, with score 1/4."""
    boxes, scores, classes = _candidates([np.zeros((2, 3, PLAIN.channels), np.float32)], [PLAIN])
    np.testing.assert_array_equal(boxes[0], [16 - 5, 16 - 10, 16 + 5, 16 + 10])
    np.testing.assert_array_equal(boxes[-1], [80 - 15, 48 - 7.5, 80 + 15, 48 + 7.5])
    assert (scores == 0.25).all()
    assert (classes == 0).all()  # the lowest index of a tie


def test_integral_distances_by_hand():
    # All weight on 2 to the left and on 1 upwards; even on 0 to 3, so 1.5, to the other sides.
    raw = np.zeros((2, 3, INTEGRAL.channels), np.float32)
    raw[1, 2, 2] = raw[1, 2, 4 + 1] = 60
    raw[1, 2, 16:] = [-1, 3, 0]
    boxes, scores, classes = decode_candidates(
        [raw], [INTEGRAL], input_size=(32, 40), confidence=0.6
    )
    np.testing.assert_allclose(boxes, [[0, 0, 56, 40]], atol=1e-5)
    np.testing.assert_allclose(scores, [1 / (1 + math.exp(-3))], rtol=1e-6)
    assert classes.tolist() == [1]


@pytest.mark.parametrize("decode", [_graph, _candidates])
@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS.keys())
def test_one_head_equals_the_formulas(decode, head):
    raw_map = _random_map(head, seed=3)
    boxes, scores, classes = _reference(raw_map, head)
    have_boxes, have_scores, have_classes = decode([raw_map], [head])
    np.testing.assert_allclose(have_boxes, boxes, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(have_scores, scores, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(have_classes, classes)
    assert [a.dtype for a in (have_boxes, have_scores, have_classes)] == [
        np.float32,
        np.float32,
        np.int32,
    ]


def test_distances_by_hand():
    """softplus(log(e^d - 1)) = d: cells of 32x32 pixels, 0.25, 0.5, 1 and 2 cells to the sides."""
    raw_map = np.full((2, 3, FREE.channels), -9, np.float32)
    raw_map[1, 2, :4] = [math.log(math.expm1(d)) for d in (0.25, 0.5, 1, 2)]
    raw_map[1, 2, 5] = 0
    boxes, scores, classes = _candidates([raw_map], [FREE], 0.25)
    np.testing.assert_allclose(boxes, [[80 - 8, 48 - 16, 80 + 32, 48 + 64]], rtol=1e-6)
    assert scores.tolist() == [0.5]
    assert classes.tolist() == [1]


@pytest.mark.parametrize("decode", [_graph, _candidates])
@pytest.mark.parametrize("second", [STRETCHED, FREE], ids=["anchors", "free"])
def test_two_heads_follow_each_other(decode, second):
    maps = [_random_map(PLAIN, 1, (2, 3)), _random_map(second, 2, (4, 6))]
    together = decode(maps, [PLAIN, second])
    apart = [decode([m], [h]) for m, h in zip(maps, [PLAIN, second], strict=True)]
    for whole, parts in zip(together, zip(*apart, strict=True), strict=True):
        np.testing.assert_array_equal(whole, np.concatenate(parts))


def test_batch_equals_single_images():
    batch = np.stack([_random_map(PLAIN, seed) for seed in range(3)])
    outputs = decode_graph([batch], [PLAIN], input_size=INPUT)
    for row, image in enumerate(batch):
        for have, want in zip(outputs, _graph([image], [PLAIN]), strict=True):
            np.testing.assert_array_equal(np.asarray(have)[row], want)


@given(
    name=st.sampled_from(sorted(HEADS)),
    seed=st.integers(0, 2**32 - 1),
    confidence=st.sampled_from([0.0, 1e-6, 0.1, 0.25, 0.5, 0.9, 1.0]),
)
@settings(max_examples=60, deadline=None)
def test_candidates_miss_nothing_above_the_confidence(name, seed, confidence):
    head, raw_map = HEADS[name], _random_map(HEADS[name], seed)
    dense = _candidates([raw_map], [head], 0.0)
    sparse = _candidates([raw_map], [head], confidence)
    for all_values, values in zip(dense, sparse, strict=True):
        wanted = all_values[dense[1] > confidence]
        np.testing.assert_array_equal(values[sparse[1] > confidence], wanted)


@pytest.mark.parametrize("decode", [_graph, _candidates])
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
@pytest.mark.parametrize("channel", [0, 2, 3])
def test_box_that_is_not_finite_has_no_score(decode, value, channel):
    raw_map = np.zeros((2, 3, PLAIN.channels), np.float32)
    raw_map[0, 0, channel] = value
    boxes, scores, _ = decode([raw_map], [PLAIN])
    assert np.isfinite(boxes).all()
    is_a_position = channel == 0 and value > 0  # the logistic of infinity is 1
    assert scores[0] == (0.25 if is_a_position else 0.0)
    assert (scores[1:] == 0.25).all()


@pytest.mark.parametrize("decode", [_graph, _candidates])
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("channel", [0, 3])
def test_distance_that_is_not_finite_has_no_score(decode, value, channel):
    raw_map = np.zeros((2, 3, FREE.channels), np.float32)
    raw_map[0, 0, channel] = value
    boxes, scores, _ = decode([raw_map], [FREE])
    assert np.isfinite(boxes).all()
    assert scores[0] == 0
    assert (scores[1:] == 0.5).all()


@pytest.mark.parametrize("channel", [4, 5])
def test_score_that_is_not_a_number_is_zero(channel):
    raw_map = np.zeros((2, 3, PLAIN.channels), np.float32)
    raw_map[0, 0, channel] = np.nan
    assert _graph([raw_map], [PLAIN])[1][0] == 0
    boxes, scores, _ = _candidates([raw_map], [PLAIN])
    assert np.isfinite(boxes).all()
    assert not np.isnan(scores).any()
    assert (scores == 0.25).sum() == len(PLAIN.anchors) * 6 - 1
