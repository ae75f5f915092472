"""The limits of scores: by hand at first, and what detectors of several kinds make of them."""

import numpy as np
import pytest
from scipy.special import expit, logit

from tracker.tracking.score_scale import ScoreScale, log_odds

ONE = np.zeros(1, np.int32)


def classes_of(count: int, number: int = 0) -> np.ndarray:
    return np.full(count, number, np.int32)


def limits(scale: ScoreScale, number: int = 0) -> tuple[float, float]:
    """Returns the scores of the limits of a birth and of a track's mean."""
    classes = classes_of(1, number)
    birth, mean = scale.birth_limits(classes), scale.mean_limits(classes)
    return float(expit(birth[0])), float(expit(mean[0]))


def learn(
    scale: ScoreScale, matched: list[float], others: list[float] | None = None, number: int = 0
) -> None:
    """Learns one frame whose detections `matched` continue tracks and `others` do not."""
    odds, weak = log_odds(np.array(matched)), log_odds(np.array(others or []))
    scale.learn(
        classes_of(len(odds), number),
        odds,
        classes_of(len(odds) + len(weak), number),
        np.concatenate([odds, weak]),
    )


def test_log_odds_are_those_of_scipy_and_finite_at_the_ends() -> None:
    scores = np.array([0.02, 0.1, 0.5, 0.9, 0.999])
    np.testing.assert_allclose(log_odds(scores), logit(scores))
    np.testing.assert_allclose(log_odds(np.array([0.0, 1.0])), logit([0.02, 0.9995]))
    assert log_odds(np.zeros(0)).shape == (0,)


def test_limits_at_first() -> None:
    scale = ScoreScale()
    for number in (0, 7):
        assert limits(scale, number) == pytest.approx((0.6, 0.4), abs=2e-3)
    # A score of 0.6 as the tracker gets it, in single precision, is enough.
    assert log_odds(np.array([np.float32(0.6)], np.float64)) >= scale.birth_limits(ONE)


def test_no_detections_have_no_limits() -> None:
    scale = ScoreScale()
    learn(scale, [])
    assert scale.birth_limits(classes_of(0)).shape == (0,)
    assert limits(scale) == pytest.approx((0.6, 0.4), abs=2e-3)


def test_a_sure_detector_has_the_highest_limits() -> None:
    scale = ScoreScale()
    for _ in range(200):
        learn(scale, [0.97] * 3)
    # Log odds of 0.97 are 3.48; less 2 or 1.5, they would be scores of 0.81 and 0.88.
    assert limits(scale) == pytest.approx((0.8, 0.86), abs=3e-3)


def test_limits_lie_below_the_median_of_matched_detections() -> None:
    scale = ScoreScale()
    random = np.random.default_rng(0)
    for _ in range(600):
        learn(scale, np.clip(random.normal(0.93, 0.02, 5), 0, 1).tolist())
    # A seventh and a quarter of the odds of 0.93, which are 13.3: scores of 0.64 and 0.75.
    assert limits(scale) == pytest.approx((0.64, 0.75), abs=0.02)


def test_an_unsure_detector_starts_tracks_of_its_best_detections() -> None:
    scale, best = ScoreScale(), 0.4
    assert limits(scale)[0] > best
    for _ in range(10):  # no track is confirmed, so that no detection is matched with one
        learn(scale, [], [best, 0.1, 0.05])
    assert limits(scale)[0] < best
    for _ in range(300):
        learn(scale, [], [best, 0.1, 0.05])
    # At most 0.6 below the median of the best, or 2 below where a track's median is taken to be.
    assert limits(scale)[0] == pytest.approx(float(expit(1.1 - 2)), abs=0.01)


def test_a_weak_detection_beside_a_good_one_is_not_the_best_of_its_frame() -> None:
    scale = ScoreScale()
    for _ in range(300):
        learn(scale, [0.85], [0.1] * 20)
    assert limits(scale)[0] == pytest.approx(0.6, abs=1e-3)


def test_each_class_has_limits_of_its_own() -> None:
    scale, alone = ScoreScale(), ScoreScale()
    for _ in range(100):
        learn(alone, [0.97, 0.97], number=3)
        scale.learn(
            np.array([3, 3, 1], np.int32),
            log_odds(np.array([0.97, 0.97, 0.4])),
            np.array([3, 1, 3], np.int32),
            log_odds(np.array([0.97, 0.4, 0.97])),
        )
    assert limits(scale, 3) == limits(alone, 3)
    assert limits(scale, 1)[0] < limits(scale, 3)[0]
    assert limits(scale, 2) == pytest.approx((0.6, 0.4), abs=2e-3)
    mixed = np.array([3, 1, 2, 1, 3], np.int32)
    for of in (scale.birth_limits, scale.mean_limits):
        expected = [float(of(classes_of(1, number))[0]) for number in mixed]
        assert of(mixed).tolist() == expected


def test_a_class_that_never_scores_high_where_another_does_starts_no_track() -> None:
    scale = ScoreScale()
    classes = np.array([0, 1], np.int32)
    for _ in range(400):
        odds = log_odds(np.array([0.85, 0.4]))
        scale.learn(classes[:1], odds[:1], classes, odds)
    # Two below the log odds of 0.85, 1.73, are a score of 0.43; alone it would be 0.29.
    assert limits(scale, 1)[0] == pytest.approx(0.434, abs=0.02)


@pytest.mark.parametrize("count", [1, 20, 200, 2000])
def test_a_frame_of_many_detections_does_not_overshoot(count: int) -> None:
    scale = ScoreScale()
    for frame in range(300):
        learn(scale, [0.93] * count)
        if frame > 200:  # 0.93 less 2 log odds is 0.64
            assert limits(scale)[0] == pytest.approx(0.64, abs=0.07)


def test_a_change_of_the_scores_is_followed() -> None:
    scale = ScoreScale()
    for score in (0.97, 0.85):
        for _ in range(1500):
            learn(scale, [score] * 2)
        expected = {0.97: 0.8, 0.85: 0.6}[score]
        assert limits(scale)[0] == pytest.approx(expected, abs=0.01)


def test_limits_are_bounded_whatever_the_scores() -> None:
    random = np.random.default_rng(1)
    scale = ScoreScale()
    for _ in range(500):
        learn(scale, random.choice([0.0, 1.0, 0.5], 4).tolist(), random.uniform(0, 1, 3).tolist())
        birth, mean = limits(scale)
        assert 0.0 < birth <= 0.803
        assert 0.0 < mean <= 0.859
