"""Plots over time: what is drawn where."""

import numpy as np
import pytest

from tests.plots.test_data import data_of, track
from tracker.plots.charts import counts, time_line
from tracker.plots.style import LIGHT


@pytest.mark.parametrize("names", [("person",), ("person", "car")])
def test_the_legend_hides_no_curve(names: tuple[str, ...]) -> None:
    tracks = [track(n, 5.0 + n, name) for n, name in enumerate(names * 3, start=1)]
    figure = counts(data_of((0.0, tracks), (0.1, tracks[:2])), None, LIGHT)
    figure.draw_without_rendering()
    axes = figure.axes[0]
    legend = axes.get_legend()
    assert legend is not None
    lowest = axes.transData.inverted().transform(legend.get_window_extent())[0, 1]
    assert lowest > 3 * len(names)  # the most tracks at a time


def test_more_classes_than_colours_share_one_legend_entry() -> None:
    names = [f"class {n}" for n in range(10)]
    tracks = [track(n, 5.0 + n, name) for n, name in enumerate(names, start=1)]
    data = data_of((0.0, tracks), (0.1, tracks[:7]))
    figure = counts(data, None, LIGHT)
    legend = figure.axes[0].get_legend()
    assert legend is not None
    texts = [text.get_text() for text in legend.get_texts()]
    assert texts == ["all", *names[:7], "3 other classes"]
    colours = {line.get_color() for line in figure.axes[0].lines}
    assert len(colours) == 1 + 7 + 1


def test_gaps_and_predictions_are_drawn_for_each_track() -> None:
    tracks = [track(1, 5), track(2, 9, misses=1)]
    data = data_of((0.0, tracks), (0.1, []), (0.2, tracks), (0.3, []))
    figure = time_line(data, None, LIGHT)
    bars, predicted, gaps = figure.axes[0].collections
    assert [len(one.get_paths()) for one in (bars, predicted, gaps)] == [4, 2, 2]
    lines = [path.vertices.tolist() for path in gaps.get_paths()]
    np.testing.assert_allclose(lines, [[[0, 0], [0.3, 0]], [[0, 1], [0.3, 1]]])
