"""Speed on the ground: synthetic cameras whose homography is known."""

import math

import numpy as np
import pytest

from tests.analytics.clips import boxed
from tracker.analytics.analyser import Analyser
from tracker.analytics.events import EventKind
from tracker.analytics.ground import homography_of, to_ground
from tracker.analytics.settings import AnalyticsSettings, Calibration, KnownLength, Zone
from tracker.errors import ConfigError

SIZE = (1280, 720)
HEIGHT_M, TILT_DEG, VIEW_DEG = 6.0, 25.0, 70.0


def seen_at(ground: np.ndarray) -> np.ndarray:
    """Image points `(n, 2)` of points `(n, 2)` on the ground: x right, y ahead, in metres.

    A pinhole 6 m above the ground that looks 25 degrees down: written from the geometry, not as
    the inverse of what is tested.
    """
    focal = SIZE[0] / 2 / math.tan(math.radians(VIEW_DEG) / 2)
    tilt = math.radians(TILT_DEG)
    x, y = ground.T
    depth = y * math.cos(tilt) + HEIGHT_M * math.sin(tilt)
    down = HEIGHT_M * math.cos(tilt) - y * math.sin(tilt)
    return np.stack([SIZE[0] / 2 + focal * x / depth, SIZE[1] / 2 + focal * down / depth], axis=1)


MARKS = np.array([[-4.0, 8.0], [4.0, 8.0], [5.0, 25.0], [-5.0, 25.0]])
BY_POINTS = Calibration(
    image=tuple(map(tuple, seen_at(MARKS).tolist())), ground=tuple(map(tuple, MARKS.tolist()))
)
BY_TILT = Calibration(
    length=KnownLength(tuple(map(tuple, seen_at(MARKS[:2]).tolist())), 8.0),
    tilt_deg=TILT_DEG,
    view_deg=VIEW_DEG,
)


def drive(
    calibration: Calibration,
    velocity: tuple[float, float],
    *,
    noise_px: float = 0.0,
    rng: np.random.Generator | None = None,
    frames: int = 40,
    zones: tuple[Zone, ...] = (),
) -> tuple[Analyser, list]:
    """A car that starts at (-3, 10) m, 25 frames a second."""
    analyser = Analyser(AnalyticsSettings(calibration=calibration, zones=zones), SIZE, ["car"])
    events = []
    for index in range(frames):
        foot = seen_at(np.array([[-3.0, 10.0]]) + np.array([velocity]) * index / 25)[0]
        if rng is not None:
            foot = foot + rng.normal(0, noise_px, 2)
        box = [foot[0] - 30, foot[1] - 50, foot[0] + 30, foot[1]]
        events += analyser.update(boxed([1], np.array([box])), index / 25)
    return analyser, events


@pytest.mark.parametrize("calibration", [BY_POINTS, BY_TILT], ids=["points", "tilt"])
@pytest.mark.parametrize("velocity", [(2.0, 6.0), (-0.5, 1.2), (3.0, 0.0)])
def test_speed_direction_and_distance_are_exact(calibration, velocity) -> None:
    analyser, _ = drive(calibration, velocity)
    motion = analyser.motions()[1]
    true = math.hypot(*velocity)
    assert motion.speed_m_s == pytest.approx(true, rel=0.02)
    assert motion.heading_deg == pytest.approx(math.degrees(math.atan2(*velocity[::-1])), abs=1.0)
    # The speed is known from the fourth place on.
    assert motion.distance_m == pytest.approx(true * 36 / 25, rel=0.04)


@pytest.mark.slow
def test_the_interval_covers_the_truth_in_95_percent_of_runs() -> None:
    rng = np.random.default_rng(4)
    true, covered, errors = math.hypot(2.0, 5.0), [], []
    for _ in range(300):
        analyser, _ = drive(BY_POINTS, (2.0, 5.0), noise_px=1.5, rng=rng, frames=30)
        motion = analyser.motions()[1]
        covered.append(abs(motion.speed_m_s - true) <= motion.error_m_s)
        errors.append(motion.error_m_s / true)
    # 95 % of 300 with three standard deviations (0.0126) of the count below.
    assert 0.95 - 3 * 0.0126 <= np.mean(covered) < 1
    assert np.median(errors) < 0.25


def test_speeding_is_reported_once_when_it_is_certain() -> None:
    everywhere = ((0.0, 0.0), (1280.0, 0.0), (1280.0, 720.0), (0.0, 720.0))
    speed_kmh = math.hypot(2.0, 6.0) * 3.6
    for limit, expected in ((speed_kmh * 0.9, 1), (speed_kmh * 1.1, 0)):
        zones = (Zone("road", everywhere, max_speed_kmh=limit),)
        _, events = drive(BY_POINTS, (2.0, 6.0), zones=zones)
        fast = [e for e in events if e.kind is EventKind.SPEED_EXCEEDED]
        assert len(fast) == expected
        for event in fast:
            assert event.speed_kmh - event.error_kmh > limit


def test_points_above_the_horizon_are_not_on_the_ground() -> None:
    homography = homography_of(BY_TILT, (1.0, 1.0), SIZE)
    places = to_ground(np.array([[640.0, -100.0], [640.0, 700.0]]), homography)
    assert np.isnan(places[0]).all()
    assert np.isfinite(places[1]).all()


def test_both_calibrations_give_the_same_map() -> None:
    points = seen_at(np.array([[0.0, 9.0], [2.0, 30.0], [-3.0, 12.0]]))
    maps = [homography_of(c, (1.0, 1.0), SIZE) for c in (BY_POINTS, BY_TILT)]
    assert to_ground(points, maps[0]) == pytest.approx(to_ground(points, maps[1]), abs=1e-3)


def test_points_that_span_no_area_or_are_out_of_order_are_refused() -> None:
    flat = ((0.0, 0.0), (1.0, 1.0), (2.0, 2.0), (3.0, 3.0))
    square = ((0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (0.0, 10.0))
    with pytest.raises(ConfigError, match=r"calibration.image: expected points that span an area"):
        homography_of(Calibration(image=flat, ground=square), (1.0, 1.0), SIZE)
    twisted = (square[0], square[2], square[1], square[3])
    with pytest.raises(ConfigError, match="same order"):
        homography_of(Calibration(image=square, ground=twisted), (1.0, 1.0), SIZE)
    high = KnownLength(((100.0, 1.0), (200.0, 1.0)), 3.0)
    with pytest.raises(ConfigError, match="above the horizon"):
        homography_of(Calibration(length=high, tilt_deg=5.0), (1.0, 1.0), SIZE)
