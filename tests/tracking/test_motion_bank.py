"""The bank of motion models against single filters, SciPy's densities, and simulated scenes."""

import numpy as np
import pytest
from filterpy.kalman import KalmanFilter
from scipy.stats import norm

from tracker.tracking import kalman
from tracker.tracking.kalman import MotionNoise
from tracker.tracking.motion_bank import FACTORS, Innovations, MotionBank

NOISE = MotionNoise()
HEIGHT = 50.0
DEVIATION = np.array([HEIGHT / 10, HEIGHT / 10, 0.1, HEIGHT / 10])
"""Of measurements of an object of this height, as `NOISE` has it."""
LOW, HIGH = slice(0, 3), slice(5, 8)
"""Models of factors up to 0.5, and from 4 on."""


def bank_of(*, adapts: bool = True, interval_s: float = 1 / 30) -> MotionBank:
    return MotionBank(NOISE, adapts=adapts, frame_interval_s=interval_s)


def places(count: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    shape = np.tile([0.5, HEIGHT], (count, 1))
    return np.hstack([random.uniform(0, 1000, (count, 2)), shape])


def found_in(
    bank: MotionBank, state: np.ndarray, seen: np.ndarray, scale: np.ndarray | None = None
) -> Innovations:
    """The innovations of all tracks."""
    return bank.innovations(state, np.arange(len(seen)), seen, scale)


def learn(bank: MotionBank, state: np.ndarray, seen: np.ndarray) -> None:
    """Learns from the innovations of all tracks in a step of one frame."""
    bank.learn(found_in(bank, state, seen), np.arange(len(seen)), 1.0)


def after_walk(
    *,
    frames: int,
    turn: float = 0.0,
    noise: float = 1.0,
    bank: MotionBank | None = None,
    shared: bool = False,
) -> MotionBank:
    """Follows eight objects whose velocity changes by `turn` heights per frame, and returns the
    bank; `noise` is the deviation of the measurements over the assumed one.
    """
    random = np.random.default_rng(3)
    bank = bank or bank_of()
    truth = places(8)
    velocity = random.normal(0, 0.05 * HEIGHT, (8, 2))
    state = bank.initiate(truth + noise * DEVIATION * random.normal(size=(8, 4)))
    for frame in range(frames):
        velocity += turn * HEIGHT * random.normal(size=(1 if shared else 8, 2))
        truth[:, :2] += velocity
        seen = truth + noise * DEVIATION * random.normal(size=(8, 4))
        state = bank.predict(state, 1.0)
        if frame > 2:
            learn(bank, state, seen)
        state = bank.update(state, found_in(bank, state, seen))
    return bank


@pytest.mark.parametrize("model", [0, 3, 7])
def test_each_model_is_a_full_filter_whose_process_noise_is_scaled(model: int) -> None:
    bank, seen = bank_of(), np.array([100.0, 80.0, 0.4, HEIGHT])
    state = bank.initiate(seen[None])
    reference = KalmanFilter(dim_x=8, dim_z=4)
    reference.x = kalman.means(state[:, :, model]).T.copy()
    reference.P = kalman.full_covariance(state[:, :, model])[0]
    reference.F, reference.H = np.eye(8) + np.eye(8, k=4), np.eye(4, 8)
    random = np.random.default_rng(model)
    for _ in range(12):
        height = reference.x[3, 0]
        steps = np.array([height, height, 0, height, 0, 0, 0, 0]) * NOISE.position
        steps += np.array([0, 0, 0, 0, height, height, 0, height]) * NOISE.velocity
        steps[[2, 6]] = NOISE.aspect, NOISE.aspect_velocity
        reference.Q = np.diag(np.square(FACTORS[model] * steps))
        reference.predict()
        state = bank.predict(state, 1.0)
        seen = seen + (2, 1, 0, 0.1) + 0.02 * DEVIATION * random.normal(size=4)
        deviation = NOISE.measurement * reference.x[3, 0]
        reference.R = np.diag(
            np.square([deviation, deviation, NOISE.aspect_measurement, deviation])
        )
        reference.update(seen[:, None])
        state = bank.update(state, found_in(bank, state, seen[None]))
    own = state[:, :, model]
    np.testing.assert_allclose(kalman.means(own)[0], reference.x[:, 0], rtol=1e-9, atol=1e-9)
    full = kalman.full_covariance(own)[0]
    np.testing.assert_allclose(full, reference.P, rtol=1e-7, atol=1e-9)


def test_one_model_is_the_filter_as_configured_and_learns_nothing() -> None:
    bank, seen = bank_of(adapts=False, interval_s=0.2), places(3)
    state, own = kalman.initiate(seen, NOISE), bank.initiate(seen)
    for step in range(1, 5):
        state = kalman.predict(state, dt=1.0, noise=NOISE)
        own = bank.predict(own, 1.0)
        learn(bank, own, seen + 40 * step)
        scale = np.array([0.5, 1.0, 2.0])
        state = kalman.update(state, seen + 3 * step, noise=NOISE, noise_scale=scale)
        own = bank.update(own, found_in(bank, own, seen + 3 * step, scale))
    together = bank.combine(own)
    np.testing.assert_array_equal(together, kalman.means(state))
    np.testing.assert_array_equal(own[:, :, 0], state)
    np.testing.assert_array_equal(
        bank.innovation_variance(own, together), kalman.innovation_variance(state, NOISE)
    )
    assert bank.model_count == 1
    assert bank.weights.tolist() == [[1.0]] * 4
    assert bank.noise_scale.tolist() == [1.0] * 4


def test_noise_is_that_of_the_frame_interval_only_where_it_adapts() -> None:
    # Four times the interval: places jitter twice as much, rates by 4 ** 1.5 = 8 times as much.
    slow = bank_of(interval_s=4 / 30).noise
    assert slow.position == pytest.approx(2 / 20)
    assert slow.velocity == pytest.approx(8 / 160)
    assert (slow.measurement, slow.aspect_measurement) == (0.1, 0.1)
    assert bank_of(interval_s=4 / 30, adapts=False).noise == NOISE


def test_a_new_track_is_as_uncertain_as_a_measurement_and_its_rate_unknown() -> None:
    state = bank_of().initiate(np.array([[10.0, 20.0, 0.5, 40.0]]))
    assert state.shape == (5, 4, len(FACTORS), 1)
    assert state[0, :, :, 0].T.tolist() == [[10, 20, 0.5, 40]] * len(FACTORS)
    assert not state[1].any()
    np.testing.assert_allclose(state[2, :, 5, 0], [16, 16, 0.01, 16])
    # An eighth of the height per frame: 40 / 8 = 5 pixels.
    np.testing.assert_allclose(state[4, [0, 1, 3], 5, 0], 25)


def test_the_score_of_a_detection_scales_its_noise_in_every_model() -> None:
    bank, seen = bank_of(), places(2)
    state = bank.predict(bank.initiate(seen), 1.0)
    scale = np.array([0.25, 1.0])
    moved = bank.update(state, found_in(bank, state, seen + 5, scale))
    for model in range(len(FACTORS)):
        own = state[:, :, model]
        expected = kalman.update(own, seen + 5, noise=bank.noise, noise_scale=scale)
        np.testing.assert_allclose(moved[:, :, model], expected)


def test_a_missed_track_stays_as_predicted() -> None:
    bank, seen = bank_of(), places(3)
    state = bank.predict(bank.initiate(seen), 1.0)
    rows = np.array([0, 2])
    moved = bank.update(state, bank.innovations(state, rows, seen[rows] + 5, np.array([0.5, 1.0])))
    alone = bank.innovations(state[..., rows], np.arange(2), seen[rows] + 5, np.array([0.5, 1.0]))
    np.testing.assert_array_equal(moved[..., rows], bank.update(state[..., rows], alone))
    np.testing.assert_array_equal(moved[..., 1], state[..., 1])


def test_weights_add_up_to_one_and_favour_the_configured_noise_at_first() -> None:
    weights = bank_of().weights
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    assert weights.argmax(axis=1).tolist() == [FACTORS.index(1.0)] * 4
    # Half and twice the noise are as likely as each other.
    np.testing.assert_allclose(weights[:, 2], weights[:, 4])


def test_the_weights_of_one_frame_follow_from_normal_densities() -> None:
    bank, seen = bank_of(), places(3)
    state = bank.predict(bank.initiate(seen), 1.0)
    found = seen + DEVIATION * [[0.5, -2, 0.1, 1], [1, 1, 1, 1], [0, 3, -0.4, 0.2]]
    prior = bank.weights
    learn(bank, state, found)
    deviation = np.sqrt(state[2] + np.square(DEVIATION)[:, None, None])
    away = found.T[:, None] - state[0]
    density = norm.logpdf(away, scale=deviation).sum(axis=2)
    fading = np.exp(-1 / 60)  # a frame of 1/30 s, of a memory of two seconds
    expected = prior**fading * np.exp(0.5 * density)
    expected /= expected.sum(axis=1)[:, None]
    np.testing.assert_allclose(bank.weights, expected, rtol=1e-9)
    # The scale moves towards the mean normalised innovation squared, by the share of 3 in 200.
    squared = np.square(away / deviation).mean(axis=2)
    now = (bank.weights * squared).sum(axis=1)
    np.testing.assert_allclose(bank.noise_scale, 1 + (1 - np.exp(-3 / 200)) * (now - 1))


def test_the_combined_estimate_is_the_mixture_of_the_models() -> None:
    bank = after_walk(frames=6)
    random = np.random.default_rng(1)
    state = random.uniform(1, 2, (5, 4, len(FACTORS), 4))
    state[:2] = random.uniform(40, 60, (2, 4, len(FACTORS), 4))
    together = bank.combine(state)
    variance = bank.innovation_variance(state, together)
    weights, scale = bank.weights, bank.noise_scale
    for track in range(4):
        for axis in range(4):
            share, values = weights[axis], state[0, axis, :, track]
            assert together[track, axis] == pytest.approx(share @ values)
            assert together[track, 4 + axis] == pytest.approx(share @ state[1, axis, :, track])
            spread = share @ values**2 - (share @ values) ** 2
            measured = 0.01 if axis == 2 else (0.1 * together[track, 3]) ** 2
            expected = share @ state[2, axis, :, track] + spread + measured
            assert variance[track, axis] == pytest.approx(scale[axis] * expected)


def test_equal_models_combine_to_themselves() -> None:
    bank = after_walk(frames=6)
    state = bank.initiate(places(3))
    together = bank.combine(state)
    np.testing.assert_allclose(together, kalman.means(state[:, :, 0]))
    expected = kalman.innovation_variance(state[:, :, 0], bank.noise) * bank.noise_scale
    np.testing.assert_allclose(bank.innovation_variance(state, together), expected)


def test_a_step_of_two_intervals_is_two_steps() -> None:
    bank = bank_of()
    state = bank.predict(bank.initiate(places(3)), 1.0)
    state[1, :2] = 3.0
    twice = bank.predict(bank.predict(state, 1.0), 1.0)
    np.testing.assert_allclose(bank.predict(state, 2.0), twice, rtol=1e-9)


def test_people_who_walk_steadily_get_little_process_noise_within_two_seconds() -> None:
    weights = after_walk(frames=60).weights
    assert (weights[:2, LOW].sum(axis=1) > 0.95).all()


def test_people_who_turn_get_much_process_noise_within_a_second() -> None:
    weights = after_walk(frames=30, turn=0.15).weights
    assert (weights[:2, HIGH].sum(axis=1) > 0.95).all()
    # Their heights do not change, and each coordinate has weights of its own.
    assert weights[3, HIGH].sum() < 0.05


def test_a_camera_that_shakes_gets_much_process_noise_within_a_second() -> None:
    weights = after_walk(frames=30, turn=0.15, shared=True).weights
    assert (weights[:2, HIGH].sum(axis=1) > 0.95).all()


def test_the_scale_is_one_where_the_noise_is_right() -> None:
    np.testing.assert_allclose(after_walk(frames=300).noise_scale, 1, atol=0.2)


def test_the_scale_is_a_quarter_where_boxes_are_twice_as_exact() -> None:
    np.testing.assert_allclose(after_walk(frames=300, noise=0.5).noise_scale, 0.25, atol=0.06)


def test_the_scale_is_about_four_where_boxes_are_half_as_exact() -> None:
    # A squared innovation counts as 16 at most, which lowers the mean of 4 to 3.7.
    np.testing.assert_allclose(after_walk(frames=900, noise=2).noise_scale, 3.7, atol=0.6)


def test_one_wrong_match_hardly_moves_the_scale() -> None:
    bank = after_walk(frames=300)
    before = bank.noise_scale.copy()
    seen = places(1)
    learn(bank, bank.predict(bank.initiate(seen), 1.0), seen + np.array([9e5, 9e5, 90, 9e5]))
    assert (bank.noise_scale - before <= 9 / 200).all()
    assert np.isfinite(bank.weights).all()


def test_only_steady_tracks_say_something_about_noise() -> None:
    seen, own, other = places(3), bank_of(), bank_of()
    state = own.predict(own.initiate(seen), 1.0)
    far = seen + DEVIATION * [[0.5, -2, 0.1, 1], [9, 9, 9, 9], [0, 3, -0.4, 0.2]]
    own.learn(found_in(own, state, far), np.array([0, 2]), 1.0)
    learn(other, state[..., ::2], far[::2])
    np.testing.assert_array_equal(own.weights, other.weights)
    np.testing.assert_array_equal(own.noise_scale, other.noise_scale)


def test_no_tracks_change_nothing() -> None:
    bank = after_walk(frames=20)
    weights, scale = bank.weights, bank.noise_scale.copy()
    state = bank.predict(bank.initiate(np.zeros((0, 4))), 1.0)
    learn(bank, state, np.zeros((0, 4)))
    state = bank.update(state, found_in(bank, state, np.zeros((0, 4)), np.zeros(0)))
    together = bank.combine(state)
    assert together.shape == (0, 8)
    assert bank.innovation_variance(state, together).shape == (0, 4)
    np.testing.assert_array_equal(bank.weights, weights)
    np.testing.assert_array_equal(bank.noise_scale, scale)


def test_weights_that_are_handed_out_are_a_copy() -> None:
    bank = bank_of()
    bank.weights[:] = 0
    np.testing.assert_allclose(bank.weights.sum(axis=1), 1)
