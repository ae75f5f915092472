"""Settings of analytics: what is refused, and how the message reads."""

import pytest

from tracker.analytics.settings import AnalyticsSettings, Calibration, KnownLength, Line, Zone
from tracker.errors import ConfigError

TRIANGLE = ((0.0, 0.0), (50.0, 0.0), (0.0, 50.0))
PAIR = ((0.0, 0.0), (50.0, 0.0))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Zone("a", TRIANGLE[:2]), "zone 'a': polygon: expected 3 or more points, got 2"),
        (lambda: Zone("a", (*PAIR, (99.0, 0.0))), "expected corners around an area"),
        (lambda: Zone("", TRIANGLE), "zone: name: expected printable text, got ''"),
        (lambda: Zone("a", TRIANGLE, dwell_s=0), "dwell_s: expected a number > 0, got 0"),
        (lambda: Zone("a", TRIANGLE, inside_share=1.5), r"inside_share: expected a number in"),
        (lambda: Zone("a", TRIANGLE, anchor="top", inside_share=0.5), "got both; leave one out"),
        (lambda: Zone("a", TRIANGLE, direction=(PAIR[0],) * 2), "two different points"),
        (lambda: Line("a", PAIR[:1]), "expected 2 or more points, got 1"),
        (lambda: Line("a", (PAIR[0],) * 2), "expected each to differ from the one before"),
        (Calibration, "got neither"),
        (lambda: Calibration(image=TRIANGLE, ground=TRIANGLE), "expected 4 or more points"),
        (lambda: Calibration(image=(*PAIR, *PAIR), ground=TRIANGLE * 2), "of 4 points"),
        (lambda: Calibration(length=KnownLength(PAIR, 3.0)), "got no 'tilt_deg'"),
        (lambda: Calibration(length=KnownLength(PAIR, 3.0), tilt_deg=95.0), r"expected \(0, 90\]"),
        (lambda: KnownLength(PAIR, 0.0), "metres: expected > 0"),
        (lambda: AnalyticsSettings(lines=(Line("a", PAIR),) * 2), "line 'a': expected different"),
        (lambda: AnalyticsSettings(hysteresis=-1.0), "hysteresis: expected >= 0, got -1"),
        (
            lambda: AnalyticsSettings(units="metres"),
            "units: expected pixels or share, got",
        ),
        (lambda: Line("a", PAIR, anchor="feet"), "anchor: expected bottom, center or top, got"),
        (lambda: AnalyticsSettings(size=(0, 5)), "size: expected a width and height"),
        (lambda: AnalyticsSettings(units="share", lines=(Line("a", PAIR),)), "units: pixels"),
        (
            lambda: AnalyticsSettings(lines=(Line("a", ((0.0, 0.0), (1.0, 1.0))),)),
            "set units: share",
        ),
        (
            lambda: AnalyticsSettings(zones=(Zone("a", TRIANGLE, max_speed_kmh=30.0),)),
            "max_speed_kmh needs a calibration",
        ),
    ],
)
def test_wrong_settings_are_refused(make, message) -> None:
    with pytest.raises(ConfigError, match=message):
        make()


def test_nothing_to_measure() -> None:
    assert AnalyticsSettings().is_empty
    assert not AnalyticsSettings(lines=(Line("a", PAIR),)).is_empty


def test_halves_of_opposite_orientation_are_an_area() -> None:
    crossing = ((0.0, 0.0), (50.0, 50.0), (50.0, 0.0), (0.0, 50.0))
    assert Zone("a", crossing).polygon == crossing
