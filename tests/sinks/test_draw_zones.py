"""Zones and lines drawn over an image: places, counts, and what is far outside."""

import numpy as np
import pytest

from tests.analytics.clips import boxed, tracks_at
from tests.sinks.results import make_result, make_run
from tracker.analytics.analyser import Analyser
from tracker.analytics.settings import AnalyticsSettings, Line, Zone
from tracker.sinks.annotated import annotated_image
from tracker.sinks.draw_style import DrawStyle
from tracker.sinks.draw_trails import Trails
from tracker.sinks.draw_zones import draw_outlines, draw_zones, line_texts, zone_texts
from tracker.sinks.run_analysis import RunAnalysis

SHARE = AnalyticsSettings(
    units="share",
    zones=(
        Zone("yard", ((0.1, 0.3), (0.45, 0.3), (0.45, 0.9), (0.1, 0.9))),
        Zone("gate", ((0.12, 0.3), (0.5, 0.3), (0.3, 0.8)), stop_s=1.0),
    ),
    lines=(Line("door", ((0.7, 0.9), (0.7, 0.3))),),
)


def drawn(size: tuple[int, int], settings: AnalyticsSettings = SHARE) -> tuple[np.ndarray, ...]:
    """The places that changed, and the image."""
    analyser = Analyser(settings, size, ["person"])
    canvas = np.full((size[1], size[0], 3), 128, np.uint8)
    draw_zones(canvas, analyser, size, DrawStyle())
    return (canvas != 128).any(axis=2), canvas


@pytest.mark.parametrize("size", [(320, 240), (3840, 2160)])
def test_outlines_arrow_and_plates_are_where_they_belong(size: tuple[int, int]) -> None:
    changed, canvas = drawn(size)
    width, height = size
    for x, y in ((0.1, 0.6), (0.3, 0.9), (0.7, 0.5)):
        assert changed[round(y * height) - 1, round(x * width)]
    # The arrow points to the right of the line, which runs up, at its middle.
    middle = round(0.6 * height)
    reach = max(3, round(0.004 * np.hypot(*size)))
    beside = changed[middle - 1 : middle + 2].any(axis=0)
    assert beside[round(0.7 * width) + reach]
    assert not beside[round(0.7 * width) - 4 * reach]
    # Plates are dark; each has letters in the colour of its border.
    dark = (canvas == 24).all(axis=2)
    assert dark.any()
    assert not dark[:, : round(0.05 * width)].any()


def test_plates_do_not_cover_each_other() -> None:
    # The plates of both zones begin at nearly the same place: one is moved.
    _, canvas = drawn((320, 240))
    dark_rows = np.flatnonzero((canvas[:, :200] == 24).all(axis=2).sum(axis=1) > 20)
    assert len(dark_rows) > 25


def test_texts_have_the_counts() -> None:
    analyser = Analyser(SHARE, (100, 100), ["person"])
    for time_s, x in enumerate((60, 80, 80)):
        analyser.update(tracks_at((1, x, 50), (2, 30, 50)), float(time_s))
    assert line_texts(analyser) == ["door: in 1  out 0"]
    assert zone_texts(analyser) == ["yard: 1  (total 1)", "gate: 1  (total 1, queue 1)"]


def test_shapes_far_outside_and_tiny_images_are_drawn() -> None:
    far = AnalyticsSettings(
        zones=(Zone("far", ((-1e6, -1e6), (1e6, -1e6), (1e6, 1e6), (-1e6, 1e6))),),
        lines=(Line("away", ((-500.0, -500.0), (-400.0, -1e7))),),
    )
    analyser = Analyser(far, (64, 48), ["person"])
    for shape in ((48, 64, 3), (1, 1, 3)):
        canvas = np.zeros(shape, np.uint8)
        draw_zones(canvas, analyser, (1.0, 1.0), DrawStyle())


def test_no_outline_crosses_a_label_of_a_track() -> None:
    line = AnalyticsSettings(lines=(Line("a", ((60.0, 0.0), (60.0, 239.0))),))
    analysis = RunAnalysis(line)
    image = np.zeros((240, 320, 3), np.uint8)
    run = make_run(width=320, height=240)
    tracks = boxed([1], [[40.0, 60.0, 100.0, 200.0]])
    result = make_result(tracks=tracks, run=run, image=image)
    analysis.update(result)
    plain = annotated_image(result, Trails(1.0), DrawStyle(), None)
    drawn = annotated_image(result, Trails(1.0), DrawStyle(), analysis)
    label = plain.any(axis=2)
    label[58:] = False
    label[:, :50] = False  # the name of the line may lie there
    assert label[:, 60].any()
    assert (drawn[label] == plain[label]).all()
    assert (drawn[210:, 60] != plain[210:, 60]).any()


def test_zones_fit_images_of_another_size_than_the_source() -> None:
    square = AnalyticsSettings(zones=(Zone("a", ((0.0, 0.0), (200.0, 0.0), (200.0, 160.0))),))
    analysis = RunAnalysis(square)
    run = make_run(width=320, height=240)
    analysis.update(make_result(run=run))
    small, own = np.zeros((120, 160, 3), np.uint8), np.zeros((120, 160, 3), np.uint8)
    analysis.draw_outlines(small, DrawStyle())
    half = AnalyticsSettings(zones=(Zone("a", ((0.0, 0.0), (100.0, 0.0), (100.0, 80.0))),))
    draw_outlines(own, half, (1.0, 1.0), DrawStyle())
    np.testing.assert_array_equal(small, own)
    assert small.any()
