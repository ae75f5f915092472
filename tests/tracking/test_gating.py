"""The gates against matrices over all pairs."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tracker.boxes import cxcyah_to_xyxy, pairwise_iou
from tracker.tracking import gating, kalman
from tracker.tracking.association import Pairs
from tracker.tracking.kalman import GATE_95, MotionNoise

NOISE = MotionNoise()


def scene(seed: int, tracks: int, detections: int) -> tuple[np.ndarray, np.ndarray]:
    """Measurements of tracks and of detections, crowded into a small frame."""
    random = np.random.default_rng(seed)

    def some(count: int) -> np.ndarray:
        return np.column_stack(
            [random.uniform(0, 120, (count, 2)), random.uniform(0.3, 0.6, count),
             random.uniform(20, 60, count)]
        )  # fmt: skip

    return some(tracks), some(detections)


def as_set(pairs: Pairs) -> dict[tuple[int, int], float]:
    keys = zip(pairs.rows.tolist(), pairs.columns.tolist(), strict=True)
    return dict(zip(keys, pairs.costs.tolist(), strict=True))


def expected(cost: np.ndarray, admissible: np.ndarray) -> dict[tuple[int, int], float]:
    return as_set(Pairs.of(cost, admissible))


@given(seed=st.integers(0, 999), tracks=st.integers(0, 8), detections=st.integers(0, 8))
@example(5, 90, 80)  # so many that they are sorted first
def test_motion_gate_finds_what_the_full_matrix_finds(
    seed: int, tracks: int, detections: int
) -> None:
    known, seen = scene(seed, tracks, detections)
    state = kalman.predict(kalman.initiate(known, NOISE), dt=1, noise=NOISE)
    mean, variance = kalman.means(state), kalman.innovation_variance(state, NOISE)
    pairs = gating.by_motion(mean, variance, seen, gate=GATE_95)
    # Equation 1 with the whole 8x8 covariance and its inverse.
    distance = np.zeros((tracks, detections))
    spread = kalman.full_covariance(state)[:, :4, :4]
    for t in range(tracks):
        high = np.square(mean[t, 3] * NOISE.measurement)
        measured = np.diag([high, high, NOISE.aspect_measurement**2, high])
        inverse = np.linalg.inv(spread[t] + measured)
        for n in range(detections):
            apart = seen[n] - mean[t, :4]
            distance[t, n] = apart @ inverse @ apart
    assert as_set(pairs) == pytest.approx(expected(distance, distance <= GATE_95))
    assert (np.diff(pairs.rows) >= 0).all()


@given(seed=st.integers(0, 999), tracks=st.integers(0, 8), detections=st.integers(0, 8))
def test_overlap_finds_what_the_full_matrix_finds(seed: int, tracks: int, detections: int) -> None:
    known, seen = scene(seed, tracks, detections)
    boxes = cxcyah_to_xyxy(seen).astype(np.float32)
    mean = kalman.means(kalman.initiate(known, NOISE))
    pairs = gating.by_overlap(mean, boxes, min_iou=0.3)
    overlap = pairwise_iou(cxcyah_to_xyxy(known), boxes)
    assert as_set(pairs) == pytest.approx(expected(1 - overlap, overlap >= 0.3))


def test_boxes_that_only_touch_do_not_overlap() -> None:
    mean = kalman.means(kalman.initiate(np.array([[5.0, 5.0, 1.0, 10.0]]), NOISE))
    touching = np.array([[10, 0, 20, 10]], np.float32)
    assert len(gating.by_overlap(mean, touching, min_iou=0.0)) == 0


@given(seed=st.integers(0, 999), tracks=st.integers(0, 8), detections=st.integers(0, 8))
def test_reach_finds_what_the_full_matrix_finds(seed: int, tracks: int, detections: int) -> None:
    known, seen = scene(seed, tracks, detections)
    mean = kalman.means(kalman.initiate(known, NOISE))
    reach = np.linspace(0.2, 1.0, tracks)
    pairs = gating.by_reach(mean, seen, reach=reach, size_ratio=1.4)
    heights = known[:, None, 3], seen[None, :, 3]
    distance = np.linalg.norm(known[:, None, :2] - seen[None, :, :2], axis=2)
    distance /= np.sqrt(heights[0] * heights[1])
    ratio = np.maximum(*heights) / np.minimum(*heights)
    assert as_set(pairs) == pytest.approx(
        expected(distance, (distance <= reach[:, None]) & (ratio <= 1.4))
    )
