"""Geometry against hand-worked values and independent forms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracker.analytics import geometry
from tracker.util.opencv import cv2

SQUARE = np.array([[0.0, 0], [10, 0], [10, 10], [0, 10]])
ARROW = np.array([[0.0, 0], [10, 5], [0, 10], [4, 5]])


def inside(polygons: list[np.ndarray], points: np.ndarray) -> np.ndarray:
    edges = geometry.edges_of(polygons)
    prepared = geometry.membership_of(edges)
    return geometry.insides(points, geometry.sides(points, edges), prepared)


def test_no_polygons_and_no_points() -> None:
    assert inside([], np.zeros((3, 2))).shape == (3, 0)
    assert inside([SQUARE], np.zeros((0, 2))).shape == (0, 1)


def test_insides_of_a_concave_polygon() -> None:
    points = np.array([[5.0, 5.0], [2.0, 5.0], [3.0, 2.0], [-1.0, 5.0]])
    assert inside([SQUARE, ARROW], points).tolist() == [
        [True, True],
        [True, False],
        [True, True],
        [False, False],
    ]


def test_neighbours_share_no_point_and_leave_none_out() -> None:
    halves = [
        np.array([[0.0, 0], [4, 0], [6, 10], [0, 10]]),
        np.array([[4.0, 0], [10, 0], [10, 10], [6, 10]]),
    ]
    on_border = np.array([[4 + y / 5, float(y)] for y in range(10)])
    assert inside(halves, on_border).sum(axis=1).tolist() == [1] * 10


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_insides_and_distances_are_those_of_opencv(seed: int) -> None:
    rng = np.random.default_rng(seed)
    polygon = np.round(rng.uniform(0, 100, (5, 2)), 2)
    points = np.round(rng.uniform(-20, 120, (20, 2)), 2) + 0.005
    signed = [cv2.pointPolygonTest(polygon.astype(np.float32), tuple(p), True) for p in points]
    ours = inside([polygon], points)[:, 0]
    outlines = geometry.outlines_of(geometry.edges_of([polygon]))
    far = geometry.distances(points, outlines, np.zeros(20, np.intp))
    assert far == pytest.approx(np.abs(signed), abs=1e-3)
    clear = far > 1e-3  # OpenCV works with 32 bits
    assert (ours[clear] == (np.array(signed)[clear] > 0)).all()


def test_insides_without_a_table_are_those_with_one() -> None:
    rng = np.random.default_rng(1)
    polygons = [np.round(rng.uniform(0, 20, (5, 2))) for _ in range(40)]
    points = np.round(rng.uniform(-2, 22, (300, 2)))  # many on borders and at corners
    edges = geometry.edges_of(polygons)
    right = geometry.sides(points, edges)
    small = geometry.membership_of(edges, largest_table=0)
    assert small.spans.size == 0
    expected = geometry.insides(points, right, geometry.membership_of(edges))
    assert (geometry.insides(points, right, small) == expected).all()
    assert expected.any()


def test_a_thousand_zones_need_no_table_of_all_levels() -> None:
    rng = np.random.default_rng(2)
    edges = geometry.edges_of([rng.uniform(0, 1000, (6, 2)) for _ in range(1000)])
    assert geometry.membership_of(edges).spans.nbytes == 0


def test_distances_of_shapes_with_different_numbers_of_segments() -> None:
    segments = geometry.segments_of(
        [np.array([[0.0, 0], [10, 0]]), np.array([[0.0, 0], [0, 10], [10, 10]])]
    )
    outlines = geometry.outlines_of(segments)
    points = np.array([[5.0, 3.0], [5.0, 3.0], [14.0, 3.0]])
    # To the first: 3 down; to the second: 5 to the left; beyond the end: 3, 4, 5.
    assert geometry.distances(points, outlines, np.array([0, 1, 0])).tolist() == [3, 5, 5]


def test_shares_of_boxes_inside() -> None:
    edges = geometry.directed_edges_of([SQUARE, ARROW])
    boxes = np.array([[0.0, 0, 10, 10], [5, 5, 15, 15], [20, 20, 30, 30], [-5, 4, 5, 6]])
    shares = geometry.shares_inside(boxes, edges)
    # The arrow has the area 100 / 2 - 20 = 30.
    assert shares[:, 0].tolist() == pytest.approx([1.0, 0.25, 0.0, 0.5])
    assert shares[0, 1] == pytest.approx(0.3)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_shares_are_those_of_many_sample_points(seed: int) -> None:
    rng = np.random.default_rng(seed)
    polygon = rng.uniform(0, 100, (4, 2))
    polygon = polygon[np.argsort(np.arctan2(*(polygon - polygon.mean(axis=0)).T))]
    x, y = rng.uniform(-10, 80, 2)
    box = np.array([[x, y, x + rng.uniform(5, 60), y + rng.uniform(5, 60)]])
    steps = (np.arange(100) + 0.5) / 100
    grid = np.stack(np.meshgrid(x + (box[0, 2] - x) * steps, y + (box[0, 3] - y) * steps), -1)
    expected = inside([polygon], grid.reshape(-1, 2)).mean()
    ours = geometry.shares_inside(box, geometry.directed_edges_of([polygon]))[0, 0]
    assert ours == pytest.approx(expected, abs=0.02)


def test_inner_radii() -> None:
    thin = np.array([[0.0, 0], [100, 0], [100, 4], [0, 4]])
    assert geometry.inner_radii([SQUARE, thin]) == pytest.approx([5.0, 2.0], rel=0.1)
