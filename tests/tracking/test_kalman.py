"""The batched filter against filterpy's 8x8 filter, and against numbers derived by hand."""

import numpy as np
import pytest
from filterpy.kalman import KalmanFilter
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from tracker.errors import ConfigError
from tracker.tracking import kalman
from tracker.tracking.gating import by_motion
from tracker.tracking.kalman import GATE_95, RATE, VALUE, VARIANCE, MotionNoise

NOISE = MotionNoise()


def reference_filter(measurement: np.ndarray) -> KalmanFilter:
    """filterpy's filter with the full matrices of the same model."""
    height = measurement[3]
    reference = KalmanFilter(dim_x=8, dim_z=4)
    reference.x = np.concatenate([measurement, np.zeros(4)])[:, None]
    position, velocity = NOISE.position * height, NOISE.velocity * height
    reference.P = np.diag(
        np.square(
            [
                *(2 * position, 2 * position, NOISE.aspect, 2 * position),
                *(10 * velocity, 10 * velocity, NOISE.aspect_velocity, 10 * velocity),
            ]
        )
    )
    reference.F = np.eye(8) + np.eye(8, k=4)
    reference.H = np.eye(4, 8)
    return reference


def set_noise(reference: KalmanFilter) -> None:
    height = reference.x[3, 0]
    position, velocity = NOISE.position * height, NOISE.velocity * height
    measured = NOISE.measurement * height
    reference.Q = np.diag(
        np.square(
            [
                *(position, position, NOISE.aspect, position),
                *(velocity, velocity, NOISE.aspect_velocity, velocity),
            ]
        )
    )
    reference.R = np.diag(np.square([measured, measured, NOISE.aspect_measurement, measured]))


def test_zero_tracks() -> None:
    state = kalman.predict(kalman.initiate(np.zeros((0, 4)), NOISE), dt=1, noise=NOISE)
    state = kalman.update(state, np.zeros((0, 4)), noise=NOISE)
    assert state.shape == (5, 4, 0)
    assert kalman.means(state).shape == (0, 8)
    assert kalman.full_covariance(state).shape == (0, 8, 8)
    assert len(by_motion(kalman.means(state), np.ones((0, 4)), np.ones((3, 4)), gate=GATE_95)) == 0


def test_first_innovation_by_hand() -> None:
    # Height 20: position std 1 px. New track: variance 4, rate variance (10 * 20/160)^2 = 25/16.
    state = kalman.initiate(np.array([[0.0, 0.0, 0.5, 20.0]]), NOISE)
    state = kalman.predict(state, dt=1, noise=NOISE)
    # One step: 4 + 25/16 + 1 of process noise; the measurement (std 2 px) adds 4.
    assert state[VARIANCE, 0, 0] == pytest.approx(4 + 25 / 16 + 1)
    variance = kalman.innovation_variance(state, NOISE)
    assert variance[0, 0] == pytest.approx(4 + 25 / 16 + 1 + 4)
    seen = np.array([[3.0, 0.0, 0.5, 20.0]])
    pairs = by_motion(kalman.means(state), variance, seen, gate=GATE_95)
    assert pairs.costs.tolist() == pytest.approx([9 / (4 + 25 / 16 + 1 + 4)])


def test_equals_filterpy_over_a_long_run() -> None:
    random = np.random.default_rng(3)
    tracks = 7
    measurement = random.uniform([0, 0, 0.2, 10], [1920, 1080, 2, 400], (tracks, 4))
    references = [reference_filter(row) for row in measurement]
    state = kalman.initiate(measurement, NOISE)
    for step in range(60):
        for reference in references:
            set_noise(reference)
            reference.predict()
        state = kalman.predict(state, dt=1, noise=NOISE)
        measurement = measurement + random.normal(0, [5, 5, 0.02, 2], (tracks, 4))
        apart = measurement - kalman.means(state)[:, :4]
        variance = kalman.innovation_variance(state, NOISE)
        distance = (apart**2 / variance).sum(axis=1)
        for row, reference in enumerate(references):
            set_noise(reference)
            seen = (step + row) % 4 != 0
            reference.update(measurement[row][:, None] if seen else None)
            if seen:
                assert distance[row] == pytest.approx(reference.mahalanobis**2, rel=1e-9)
        seen_rows = np.array([(step + row) % 4 != 0 for row in range(tracks)])
        state[..., seen_rows] = kalman.update(
            state[..., seen_rows], measurement[seen_rows], noise=NOISE
        )
        mean, full = kalman.means(state), kalman.full_covariance(state)
        for row, reference in enumerate(references):
            np.testing.assert_allclose(mean[row], reference.x[:, 0], rtol=1e-9, atol=1e-9)
            np.testing.assert_allclose(full[row], reference.P, rtol=1e-9, atol=1e-9)


@given(steps=st.integers(1, 12), height=st.floats(5, 500), rate=st.floats(-5, 5))
def test_a_long_step_equals_as_many_short_ones(steps: int, height: float, rate: float) -> None:
    state = kalman.initiate(np.array([[10.0, 20.0, 0.4, height]]), NOISE)
    state[RATE, 0] = rate  # the height stays, so the noise is the same in every step
    at_once = kalman.predict(state, dt=steps, noise=NOISE)
    for _ in range(steps):
        state = kalman.predict(state, dt=1, noise=NOISE)
    np.testing.assert_allclose(at_once, state, rtol=1e-9)


@given(dt=st.floats(0.01, 40), height=st.floats(1, 1000))
def test_covariance_stays_positive_definite(dt: float, height: float) -> None:
    measurement = np.array([[0.0, 0.0, 1.0, height]])
    state = kalman.initiate(measurement, NOISE)
    for _ in range(5):
        state = kalman.predict(state, dt=dt, noise=NOISE)
        assert np.linalg.eigvalsh(kalman.full_covariance(state)[0]).min() > 0
        state = kalman.update(state, measurement, noise=NOISE)
        assert np.linalg.eigvalsh(kalman.full_covariance(state)[0]).min() > 0


def test_a_shrinking_box_never_vanishes() -> None:
    state = kalman.initiate(np.array([[0.0, 0.0, 0.5, 10.0]]), NOISE)
    state[RATE, 3] = -4
    for _ in range(5):
        state = kalman.predict(state, dt=1, noise=NOISE)
    assert state[VALUE, 3].tolist() == [kalman.MIN_SIZE]


def test_an_infinite_variance_leaves_a_state_as_it_is() -> None:
    state = kalman.initiate(np.array([[3.0, 4.0, 0.5, 20.0]] * 2), NOISE)
    state = kalman.predict(state, dt=1, noise=NOISE)
    expected = kalman.innovation_variance(state, NOISE).T.copy()
    expected[:, 1] = np.inf
    corrected = kalman.correct(state, np.array([[2.0, 0.0]] * 4), expected)
    np.testing.assert_array_equal(corrected[..., 1], state[..., 1])
    # A gain of P / S moves the first one by that share of 2.
    gain = state[VARIANCE, 0, 0] / expected[0, 0]
    assert corrected[VALUE, 0, 0] == pytest.approx(3 + 2 * gain)


def test_gate_is_the_quantile_of_the_paper() -> None:
    assert pytest.approx(chi2.ppf(0.95, 4), abs=1e-4) == kalman.GATE_95


def test_noise_below_zero_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"MotionNoise.velocity: expected a number above 0"):
        MotionNoise(velocity=0)


def test_a_scaled_measurement_noise_is_that_of_another_model() -> None:
    state = kalman.initiate(np.array([[0.0, 0.0, 0.5, 20.0]] * 2), NOISE)
    found = np.array([[3.0, 1.0, 0.6, 22.0]] * 2)
    scaled = kalman.update(state, found, noise=NOISE, noise_scale=np.array([1.0, 0.25]))
    quiet = MotionNoise(measurement=NOISE.measurement / 2, aspect_measurement=0.05)
    for noise, row in ((NOISE, 0), (quiet, 1)):
        plain = kalman.update(state[..., :1], found[:1], noise=noise)
        np.testing.assert_allclose(scaled[..., row], plain[..., 0])


def test_covariances_stay_positive_definite_where_rounding_leaves_no_noise() -> None:
    # A box predicted 1e-3 px high measures with a noise of 1e-8, 1e-19 of the predicted variance.
    state = kalman.initiate(np.array([[0.0, 0.0, 1.0, 1e6]]), NOISE)
    state[VALUE, 3] = kalman.MIN_SIZE
    for _ in range(4):
        state = kalman.predict(state, dt=30.0, noise=NOISE)
        state = kalman.update(state, np.array([[5.0, 5.0, 1.0, kalman.MIN_SIZE]]), noise=NOISE)
        full = kalman.full_covariance(state)[0]
        for axis in range(4):
            block = full[np.ix_([axis, axis + 4], [axis, axis + 4])]
            assert (np.diag(block) > 0).all()
            assert block[0, 0] * block[1, 1] > block[0, 1] ** 2
