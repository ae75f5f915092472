"""Plots over time: the time line of ids, counts and occupancy, and the speeds."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tracker.plots.class_colours import class_colour, class_labels
from tracker.plots.data import PlotData, event_steps, first_times, occupancy
from tracker.plots.style import Theme, add_legend, colour, figure_of, styled_axes
from tracker.plots.summaries import TrackSummary, summaries
from tracker.util.arrays import Float64Array, UInt8Array
from tracker.util.figures import figure_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH = 9.0
_MOST_POINTS = 1500
"""Points of a line: more are taken together, as no screen shows them."""

_MOST_PLACES = 8
"""Zones or lines in one plot."""

_LEGEND_COLUMNS = 4


def time_line(data: PlotData, image: UInt8Array | None, theme: Theme) -> "Figure":
    """Returns a bar for each track over the time in which it was there, with its gaps.

    Args:
        data: The recording.
        image: Not used.
        theme: The colours.
    """
    tracks = sorted(summaries(data), key=lambda one: (one.first_s, one.id))
    count = max(len(tracks), 1)
    axes = styled_axes(_WIDTH, min(1.3 + 0.16 * count, 12), theme)[0]
    shades = [class_colour(data, track.class_index, theme) for track in tracks]
    _add_bars(axes, [track.spans for track in tracks], shades)
    predicted = [track.predicted_spans for track in tracks]
    _add_bars(axes, predicted, [theme.ground] * len(tracks), alpha=0.6)
    _add_gaps(axes, tracks, shades)
    step = -(-count // 45)  # as many labels as are legible
    axes.set_yticks(
        range(0, len(tracks), step), [str(one.id) for one in tracks[::step]], fontsize=7
    )
    axes.set_ylim(count - 0.4, -0.6)
    axes.set_xlim(*_time_limits(data))
    axes.grid(axis="y", visible=False)
    axes.set(xlabel="time in s", ylabel="id")
    gaps = sum(len(one.spans) - 1 for one in tracks)
    axes.set_title(
        f"{figure_text(data.title)}: {len(tracks)} tracks, {gaps} gaps (faded: predicted)"
    )
    _name_classes(axes, data, theme)
    return figure_of(axes)


def _add_bars(
    axes: "Axes",
    spans: Sequence[Sequence[tuple[float, float]]],
    shades: Sequence[str],
    *,
    alpha: float = 1.0,
) -> None:
    """Adds the bars of all tracks as one artist: thousands of artists take minutes."""
    from matplotlib.collections import PolyCollection

    corners, fills = [], []
    for place, (mine, shade) in enumerate(zip(spans, shades, strict=True)):
        low, high = place - 0.38, place + 0.38
        for start, length in mine:
            end = start + length
            corners.append([(start, low), (end, low), (end, high), (start, high)])
            fills.append(shade)
    bars = PolyCollection(corners, facecolors=fills, linewidths=0, alpha=alpha)
    axes.add_collection(bars, autolim=False)


def _add_gaps(axes: "Axes", tracks: Sequence[TrackSummary], shades: Sequence[str]) -> None:
    from matplotlib.collections import LineCollection

    lines = [[(one.first_s, place), (one.last_s, place)] for place, one in enumerate(tracks)]
    gaps = LineCollection(lines, colors=shades, linewidths=0.6, linestyles=":", zorder=0.9)
    axes.add_collection(gaps, autolim=False)


def _name_classes(axes: "Axes", data: PlotData, theme: Theme) -> None:
    labels = class_labels(data)
    for index, label in labels.items():
        axes.barh(0, 0, color=class_colour(data, index, theme), label=label)
    if len(labels) > 1:
        add_legend(axes, theme, columns=3, corner="lower left")


def counts(data: PlotData, image: UInt8Array | None, theme: Theme) -> "Figure":
    """Returns occupancy over time and the number of tracks so far, by class.

    With events of lines and zones in the recording, two more panels show the crossings of each
    line and the occupancy of each zone.

    Args:
        data: The recording.
        image: Not used.
        theme: The colours.
    """
    from matplotlib.ticker import MaxNLocator

    crossings, zones = _crossings(data), _zone_occupancy(data)
    panels = 2 + bool(crossings) + bool(zones)
    axes = styled_axes(_WIDTH, 0.6 + 2.0 * panels, theme, rows=panels)
    axes[0].set_title(f"{figure_text(data.title)}: objects at a time, and in all")
    _add_occupancy(axes[0], data, theme)
    for index, times in enumerate(first_times(data)):
        if len(times):
            sums = np.arange(1.0, len(times) + 1)
            axes[1].plot(*_stairs(data, (times, sums)), color=class_colour(data, index, theme))
    axes[1].set_ylabel("tracks so far")
    for one, curves, what in ((2, crossings, "line crossings"), (-1, zones, "tracks in the zone")):
        for label, (steps, number, style) in curves.items():
            shade = colour(number)
            axes[one].plot(*_stairs(data, steps), color=shade, linestyle=style, label=label)
        if curves:
            axes[one].set_ylabel(what)
    for panel in axes:
        # The legend lies above the curves.
        rows = -(-len(panel.get_legend_handles_labels()[0]) // _LEGEND_COLUMNS)
        panel.set_ylim(0, panel.get_ylim()[1] * (1 + min(0.2 * rows, 1)))
        panel.yaxis.set_major_locator(MaxNLocator(integer=True))
        add_legend(panel, theme, columns=_LEGEND_COLUMNS)
    axes[-1].set_xlim(*_time_limits(data))
    axes[-1].set_xlabel("time in s")
    return figure_of(axes[0])


def _add_occupancy(axes: "Axes", data: PlotData, theme: Theme) -> None:
    """Adds the number of tracks in each frame, by class, and of all where there are several."""
    labels = class_labels(data)
    rows = occupancy(data).astype(np.float64)
    if len(labels) > 1:
        _draw_occupancy(axes, data, rows.sum(axis=0), shade=theme.text, label="all")
    for index, name in enumerate(data.class_names):
        if name:
            shade, label = class_colour(data, index, theme), labels.get(index, "_")
            _draw_occupancy(axes, data, rows[index], shade=shade, label=label)
    axes.set_ylabel("tracks in the frame")


_Steps = tuple[Float64Array, Float64Array]
_Curves = dict[str, tuple[_Steps, int, str]]
"""By label: times and sums, the number of its colour, the style of its line."""


def _crossings(data: PlotData) -> _Curves:
    """Returns the crossings so far, in and out, of each line."""
    directions = {
        way: event_steps(data, up=("direction", way), key="line") for way in ("in", "out")
    }
    names = sorted({*directions["in"], *directions["out"]})[:_MOST_PLACES]
    return {
        figure_text(f"{name}, {way}"): (steps[name], index, "-" if way == "in" else "--")
        for index, name in enumerate(names)
        for way, steps in directions.items()
        if name in steps
    }


def _zone_occupancy(data: PlotData) -> _Curves:
    """Returns the number of tracks in each zone."""
    steps = event_steps(data, up=("event", "zone_entered"), down=("event", "zone_left"), key="zone")
    zones = list(steps.items())[:_MOST_PLACES]
    return {figure_text(name): (found, n, "-") for n, (name, found) in enumerate(zones)}


def _draw_occupancy(
    axes: "Axes", data: PlotData, row: Float64Array, *, shade: str, label: str
) -> None:
    """Draws a mean line, and where frames are taken together a band from least to most."""
    edges = np.linspace(0, len(row), min(len(row), _MOST_POINTS) + 1).astype(np.intp)[:-1]
    times = data.times[edges]
    weights = np.maximum(data.durations, 1e-9)
    mean = np.add.reduceat(row * weights, edges) / np.add.reduceat(weights, edges)
    axes.step(times, mean, where="post", color=shade, linewidth=1.2, label=label)
    low, high = np.minimum.reduceat(row, edges), np.maximum.reduceat(row, edges)
    axes.fill_between(times, low, high, step="post", color=shade, alpha=0.25, linewidth=0)


def _stairs(data: PlotData, steps: _Steps) -> _Steps:
    """Returns the corners of a sum that is 0 at the begin and constant between its steps."""
    start, end = _time_limits(data)
    times = np.repeat(np.concatenate([[start], steps[0], [end]]), 2)[1:-1]
    return times, np.repeat(np.concatenate([[0], steps[1]]), 2)


def speeds(data: PlotData, image: UInt8Array | None, theme: Theme) -> "Figure":
    """Returns the time that was spent at each speed, by class.

    Args:
        data: The recording.
        image: Not used.
        theme: The colours.
    """
    axes = styled_axes(_WIDTH, 3.6, theme)[0]
    speed = np.hypot(*data.tracks.velocities.T.astype(np.float64))
    known = np.isfinite(speed)
    speed, seconds = speed[known], data.row_seconds[known]
    classes = data.tracks.classes[known]
    # The fastest few of a thousand are mostly boxes that jumped.
    top = float(np.quantile(speed, 0.995)) if len(speed) else 1.0
    edges = np.linspace(0, top or 1.0, 41)
    labels = class_labels(data)
    # The most frequent class is the lowest part of a bar.
    used = sorted(
        np.unique(data.tracks.classes).tolist(), key=lambda index: data.class_ranks[index]
    )
    axes.hist(
        [np.minimum(speed[classes == index], edges[-1]) for index in used] or [[]],
        bins=edges.tolist(),
        weights=[seconds[classes == index] for index in used] or [[]],
        stacked=True,
        color=[class_colour(data, index, theme) for index in used] or [theme.muted],
        label=[labels.get(index, "_") for index in used] or ["_"],
    )
    if len(speed):
        median = _weighted_median(speed, seconds)
        axes.axvline(median, color=theme.text, linewidth=1, linestyle="--")
        axes.annotate(
            f"median {median:.0f}",
            (median, 1),
            xycoords=("data", "axes fraction"),
            xytext=(4, -10),
            textcoords="offset points",
            color=theme.text,
            fontsize=8,
        )
    axes.set_xlim(0, edges[-1])
    axes.set(xlabel="speed of the centre in pixels a second (last bar: and faster)")
    axes.set_ylabel("time in s, all tracks")
    axes.set_title(f"{figure_text(data.title)}: speeds")
    if len(used) > 1:
        add_legend(axes, theme, corner="upper right")
    return figure_of(axes)


def _weighted_median(values: Float64Array, weights: Float64Array) -> float:
    order = np.argsort(values)
    sums = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(sums, sums[-1] / 2)])


def _time_limits(data: PlotData) -> tuple[float, float]:
    if not len(data.times):
        return 0.0, 1.0
    return float(data.times[0]), float(data.times[-1] + data.durations[-1])
