"""The DETR family: logits by hand, the best pairs, and the second input of "deploy" exports."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.detection.layouts.given import check, decode, nchw, nhwc, spec
from tracker.detection.image_input import Fit
from tracker.detection.layouts.detr import RF_DETR_INPUT, DetrDeploy, DetrLogits
from tracker.errors import ModelError
from tracker.inference.network import ColourOrder

DETR, DEPLOY = DetrLogits(), DetrDeploy()
RF = DetrLogits("rf-detr", names=("dets", "labels"), wanted=RF_DETR_INPUT)
HF_NAMES, RF_NAMES = ["logits", "pred_boxes"], ["dets", "labels"]
DEPLOY_NAMES = ["labels", "boxes", "scores"]
SIZES = spec("orig_target_sizes", None, 2, dtype="int64")
LOG3 = np.log(3)  # sigmoid: 3/4


def queries(count: int = 2, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Boxes in the middle, and logits of no probability."""
    boxes = np.tile(np.array([0.5, 0.5, 0.5, 0.25], np.float32), (1, count, 1))
    return boxes, np.full((1, count, classes), -50, np.float32)


def test_no_queries_and_no_scores_are_no_candidates() -> None:
    assert DETR.is_suppressed
    assert DEPLOY.is_suppressed
    for count in (0, 2):
        boxes, logits = queries(count)
        check(decode(DETR, [logits, boxes], names=HF_NAMES)[0], [], [], [])
    empty = [np.zeros((1, 0), int), np.zeros((1, 0, 4)), np.zeros((1, 0))]
    check(decode(DEPLOY, empty, names=DEPLOY_NAMES)[0], [], [], [])


def test_boxes_are_shares_and_scores_sigmoids() -> None:
    boxes, logits = queries()
    boxes[0, 1] = [0.25, 0.5, 0.25, 1]
    logits[0, 0, 2], logits[0, 1, 0] = 0, LOG3
    (found,) = decode(DETR, [logits, boxes], names=HF_NAMES, size=(64, 128))
    check(found, [[32, 24, 96, 40], [16, 0, 48, 64]], [0.5, 0.75], [2, 0])
    (found,) = decode(RF, [boxes, logits], names=RF_NAMES, size=(64, 128))
    check(found, [[32, 24, 96, 40], [16, 0, 48, 64]], [0.5, 0.75], [2, 0])


def test_as_many_pairs_as_queries_are_kept_the_best_ones() -> None:
    boxes, logits = queries()
    boxes[0, 1] = [0.25, 0.5, 0.25, 1]
    logits[0, 0] = [0, LOG3, -LOG3]
    logits[0, 1] = [2, -50, -50]
    (found,) = decode(DETR, [logits, boxes], names=HF_NAMES, least=0.1)
    score = 1 / (1 + np.exp(-2))
    check(found, [[8, 0, 24, 64], [16, 24, 48, 40]], [score, 0.75], [0, 1])


def test_names_tell_boxes_from_logits_of_four_classes() -> None:
    boxes, logits = queries(classes=4)
    logits[0, 0, 3] = 50
    for layout, outputs, names in (
        (DETR, [logits, boxes], HF_NAMES),
        (RF, [boxes, logits], RF_NAMES),
    ):
        check(decode(layout, outputs, names=names)[0], [[16, 24, 48, 40]], [1], [3])
    with pytest.raises(ModelError, match="their names have to tell"):
        decode(DETR, [boxes, logits])


def test_shapes_tell_where_names_do_not() -> None:
    boxes, logits = queries()
    logits[0, 1, 1] = 50
    for outputs in ([boxes, logits], [logits, boxes]):
        check(decode(DETR, outputs)[0], [[16, 24, 48, 40]], [1], [1])


def test_a_batch_of_two_in_half_precision() -> None:
    boxes, logits = (np.concatenate([array] * 2).astype(np.float16) for array in queries())
    logits[1, 0, 0] = 50
    found = decode(DETR, [logits, boxes], names=HF_NAMES)
    assert [len(image.scores) for image in found] == [0, 1]
    check(found[1], [[16, 24, 48, 40]], [1], [0])


def test_what_is_not_finite_goes_on_without_a_warning() -> None:
    boxes, logits = queries(4)
    logits[0, 0, 0], logits[0, 1, 1], logits[0, 2, 2] = np.nan, np.inf, -np.inf
    boxes[0, 1, 0] = np.inf
    (found,) = decode(DETR, [logits, boxes], names=HF_NAMES)
    assert len(found.scores) == 2
    assert not np.isfinite(np.column_stack([found.boxes, found.scores])).all(axis=1).any()


def test_other_shapes_are_refused() -> None:
    boxes, logits = queries()
    for bad in ([boxes], [boxes, logits[:, :1]], [boxes[0], logits[0]], [boxes, logits, logits]):
        with pytest.raises(ModelError, match="the layout detr needs two outputs"):
            decode(DETR, bad)
    with pytest.raises(ModelError, match="the layout rf-detr needs two outputs, dets"):
        decode(RF, [logits, boxes], names=RF_NAMES)


def pair(names: list[str], first: int | None, second: int | None, n: int | None = 300) -> list:
    return [spec(names[0], 1, n, first), spec(names[1], 1, n, second)]


def test_names_tell_whose_export_it_is() -> None:
    hf, rf = pair(HF_NAMES, 80, 4), pair(RF_NAMES, 4, 91)
    unnamed = pair(["a", "b"], 4, 91)
    for layout, own, other in ((DETR, hf, rf), (RF, rf, hf)):
        assert layout.matches(own, nchw())
        assert not layout.matches(other, nchw())
        assert layout.matches(other)  # by the user's word
        assert layout.matches(unnamed, nchw())
        assert layout.matches([spec(s.name) for s in own], nchw())
    assert DETR.matches(pair(HF_NAMES, None, 4, None), nchw(None, None))
    assert not DETR.matches(pair(["a", "b"], 4, 4), nchw())
    assert not DETR.matches(pair(["a", "b"], 4, None), nchw())
    assert not DETR.matches(pair(HF_NAMES, 80, 5), nchw())
    assert not DETR.matches([spec("logits", 1, 300, 80), spec("pred_boxes", 1, 100, 4)], nchw())
    assert not DETR.matches(hf[:1], nchw())
    assert (DETR.class_count(hf), RF.class_count(rf)) == (80, 91)
    assert DETR.class_count(pair(HF_NAMES, None, 4)) is None
    assert DETR.class_count(pair(["a", "b"], 4, 4)) is None


def test_deploy_outputs_are_taken_as_they_are() -> None:
    labels = np.array([[3, 0, 5]])
    boxes = np.array([[[1, 2, 3, 4], [5, 6, 7, 8], [9, 9, 9, 9]]], np.float32)
    scores = np.array([[0.5, 0.75, 0.1]], np.float32)
    for outputs, names in (
        ([labels, boxes, scores], DEPLOY_NAMES),
        ([labels.astype(np.float32), boxes, scores], DEPLOY_NAMES),
        ([scores, labels, boxes], ["a", "b", "c"]),
    ):
        (found,) = decode(DEPLOY, outputs, names=names)
        check(found, [[1, 2, 3, 4], [5, 6, 7, 8]], [0.5, 0.75], [3, 0])
    two = [np.concatenate([array, array * 0]) for array in (labels, boxes, scores)]
    assert [len(p.scores) for p in decode(DEPLOY, two, names=DEPLOY_NAMES)] == [2, 0]
    for bad in ([labels, boxes], [scores, boxes, scores], [labels[:, :2], boxes, scores]):
        with pytest.raises(ModelError, match="the layout detr-deploy needs three outputs"):
            decode(DEPLOY, bad)


def test_deploy_matches_with_its_second_input() -> None:
    outputs = [
        spec("labels", None, 300, dtype="int64"),
        spec("boxes", None, 300, 4),
        spec("scores", None, 300),
    ]
    assert DEPLOY.matches(outputs, [*nchw(), SIZES])
    assert not DEPLOY.matches(outputs, nchw())
    assert DEPLOY.matches(outputs)
    assert DEPLOY.matches([spec(s.name, dtype=s.dtype) for s in outputs])
    assert not DEPLOY.matches([spec("labels", None, 300), spec("boxes", 300), outputs[2]])
    strange = [spec("x", 1, 300, dtype="string"), *outputs[1:]]
    assert not DEPLOY.matches(strange)
    assert DEPLOY.class_count(outputs) is None


def test_deploy_is_told_the_size_of_its_own_input() -> None:
    (sizes,) = DEPLOY.extra_inputs([*nchw(), SIZES], input_size=(480, 640), count=2)
    np.testing.assert_array_equal(sizes, [[640, 480], [640, 480]])
    assert sizes.dtype == np.int64
    assert DEPLOY.extra_inputs(nchw(), input_size=(480, 640)) == []
    for other in (spec("im_shape", 1, 2), spec("orig_target_sizes", 1, 3)):
        with pytest.raises(ModelError, match=other.name):
            DEPLOY.extra_inputs([*nchw(), other], input_size=(480, 640))
    with pytest.raises(ModelError, match="orig_target_sizes"):
        DETR.extra_inputs([*nchw(), SIZES], input_size=(480, 640))


def test_the_images_they_want() -> None:
    for layout in (DETR, DEPLOY, RF):
        wanted = layout.image_input(nchw(560, 560)[0])
        assert (wanted.size, wanted.fit) == ((560, 560), Fit.STRETCH)
        assert (wanted.colours, wanted.scale) == (ColourOrder.RGB, pytest.approx(1 / 255))
        assert wanted.mean == ((0.485, 0.456, 0.406) if layout is RF else (0, 0, 0))
    assert DETR.image_input(nhwc()[0]).size == (640, 640)


@given(
    hnp.arrays(np.float32, (4, 4), elements=st.floats(0, 1, width=32)),
    hnp.arrays(np.float32, (4, 5), elements=st.floats(-8, 8, width=32), unique=True),
)
@settings(max_examples=25, deadline=None)
def test_pairs_are_those_of_sorting_all(boxes: np.ndarray, logits: np.ndarray) -> None:
    """Against all pairs in plain Python, in float64."""
    (found,) = decode(DETR, [logits[None], boxes[None]], names=HF_NAMES, least=0.1)
    pairs = sorted(((-float(v), q, c) for (q, c), v in np.ndenumerate(logits)))[:4]
    scores = {(q, c): 1 / (1 + np.exp(v)) for v, q, c in pairs}
    wanted = sorted(score for score in scores.values() if score > 0.1)
    # float32 may tie two scores that differ in float64, so the scores count, not their order.
    np.testing.assert_allclose(np.sort(found.scores), wanted, rtol=1e-4, atol=1e-6)
    x, y, width, height = boxes.T
    corners = np.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], 1) * 64
    gaps = np.abs(found.boxes[:, None] - corners).max(axis=2)
    assert (gaps.min(axis=1) < 1e-3).all()
