"""Box geometry: hand-derived numbers, round trips, and IoU against exact fractions."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker import boxes as geometry

coordinates = st.integers(-50, 50)
box = st.tuples(coordinates, coordinates, st.integers(1, 40), st.integers(1, 40)).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)


def array(*rows: tuple[float, ...]) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, 4)


def test_empty() -> None:
    none = array()
    assert geometry.xyxy_to_cxcyah(none).shape == (0, 4)
    assert geometry.cxcyah_to_xyxy(none.astype(float)).shape == (0, 4)
    assert geometry.pairwise_iou(none, array((0, 0, 1, 1))).shape == (0, 1)
    assert geometry.clip(none, width=3, height=3).shape == (0, 4)


def test_one_box_by_hand() -> None:
    assert geometry.xyxy_to_cxcyah(array((10, 20, 30, 60))).tolist() == [[20, 40, 0.5, 40]]
    assert geometry.xyxy_to_xywh(array((10, 20, 30, 60))).tolist() == [[10, 20, 20, 40]]
    assert geometry.area(array((10, 20, 30, 60))).tolist() == [800]


def test_clip_cuts_at_the_image() -> None:
    assert geometry.clip(array((-5, 2, 700, 900)), width=640, height=480).tolist() == [
        [0, 2, 640, 480]
    ]


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        ((0, 0, 10, 10), Fraction(1)),
        ((5, 0, 15, 10), Fraction(50, 150)),
        ((10, 0, 20, 10), Fraction(0)),  # they touch: continuous coordinates, no + 1
        ((2, 2, 4, 4), Fraction(4, 100)),
        ((3, 3, 3, 3), Fraction(0)),  # empty
        ((8, 8, 2, 2), Fraction(0)),  # reversed
    ],
)
def test_iou_by_hand(second: tuple[int, ...], expected: Fraction) -> None:
    iou = geometry.pairwise_iou(array((0, 0, 10, 10)), array(second))
    assert iou[0, 0] == pytest.approx(float(expected))


@given(first=st.lists(box, max_size=4), second=st.lists(box, max_size=4))
def test_iou_against_exact_fractions(first: list, second: list) -> None:
    got = geometry.pairwise_iou(array(*first), array(*second))
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            width = max(0, min(a[2], b[2]) - max(a[0], b[0]))
            height = max(0, min(a[3], b[3]) - max(a[1], b[1]))
            total = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
            exact = Fraction(width * height, total - width * height)
            assert got[i, j] == pytest.approx(float(exact), abs=1e-12)


@given(rows=st.lists(box, max_size=5))
def test_formats_round_trip(rows: list) -> None:
    given_boxes = array(*rows)
    np.testing.assert_allclose(
        geometry.cxcyah_to_xyxy(geometry.xyxy_to_cxcyah(given_boxes)), given_boxes, atol=1e-9
    )
    np.testing.assert_array_equal(
        geometry.xywh_to_xyxy(geometry.xyxy_to_xywh(given_boxes)), given_boxes
    )


def test_proper_boxes_are_finite_and_not_empty() -> None:
    rows = array((0, 0, 1, 1), (0, 0, 0, 1), (2, 0, 1, 1), (0, np.nan, 1, 1), (0, 0, np.inf, 1))
    assert geometry.is_proper(rows).tolist() == [True, False, False, False, False]
