"""Plots over time: what is drawn where."""

import pytest

from tests.plots.test_data import data_of, track
from tracker.plots.charts import counts
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
    assert lowest > 3  # the most tracks of a class at a time
