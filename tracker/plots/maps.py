"""Plots on the frame: trajectories and the heat map."""

from typing import TYPE_CHECKING, Any

import numpy as np

from tracker.plots.data import PlotData, time_map
from tracker.plots.labels import Label, add_labels
from tracker.plots.style import Theme, colour, figure_of, styled_axes
from tracker.track_files.derived import rows_by_id
from tracker.util.arrays import Float64Array, IndexArray, UInt8Array
from tracker.util.figures import figure_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_LABELS = 30
"""Ids that are written beside their path: those of the longest ones."""

MOST_PATHS = 400
"""Paths that are drawn, the longest ones."""

_WIDTH = 9.0
_SMOOTHING_CELLS = 1.2


def trajectories(data: PlotData, image: UInt8Array | None, theme: Theme) -> "Figure":
    """Returns the paths of the foot points, from a dot to an arrow head, with ids at their ends.

    Args:
        data: The recording.
        image: `(H, W, 3)` uint8 RGB frame to draw on; `None` for a plain ground.
        theme: The colours.
    """
    axes = _frame_axes(data, image, theme)
    paths = _longest_paths(data)
    for rows in paths:
        _add_path(axes, data, rows, theme)
    count = len(np.unique(data.tracks.ids))
    shown = f"the {len(paths)} longest of {count}" if count > len(paths) else f"{count}"
    axes.set_title(f"{figure_text(data.title)}: paths of {shown} tracks")
    ends = [Label(str(int(data.tracks.ids[rows[0]])), data.feet[rows[-1]]) for rows in paths]
    left_out = count - len(ends[:MOST_LABELS]) + add_labels(axes, ends[:MOST_LABELS], theme)
    if left_out:
        axes.set_title(f"{axes.get_title()}, {left_out} without their id")
    return figure_of(axes)


def _longest_paths(data: PlotData) -> list[IndexArray]:
    """Returns the rows of the tracks with the longest paths, the longest first."""
    feet = data.feet
    paths = list(rows_by_id(data.tracks.ids))
    return sorted(paths, key=lambda rows: -_length(feet[rows]))[:MOST_PATHS]


def _add_path(axes: "Axes", data: PlotData, rows: IndexArray, theme: Theme) -> None:
    from matplotlib.patheffects import withStroke

    shade = colour(int(data.tracks.ids[rows[0]]))
    points = data.feet[rows]
    gaps = np.flatnonzero(np.diff(data.row_frames[rows]) > 1) + 1
    outline = [withStroke(linewidth=3, foreground=theme.ground, alpha=0.8)]
    # A line is interrupted where a point is NaN.
    parts = np.insert(points, gaps, np.nan, axis=0)
    axes.plot(*parts.T, color=shade, linewidth=1.6, path_effects=outline, zorder=3)
    if len(gaps):  # A thin dotted line over the whole path shows where it goes on.
        axes.plot(*points.T, color=shade, linewidth=0.9, linestyle=":", zorder=2)
    axes.plot(*points[0], "o", color=shade, markersize=4, zorder=4)
    _add_head(axes, points, shade)


def _length(points: Float64Array) -> float:
    return float(np.hypot(*np.diff(points, axis=0).T).sum())


def _add_head(axes: "Axes", points: Float64Array, shade: str) -> None:
    """Adds an arrow head in the direction of the last tenth of a path."""
    back = points[max(0, len(points) - 1 - max(3, len(points) // 10))]
    if not np.allclose(back, points[-1]):
        arrow: dict[str, Any] = {"arrowstyle": "-|>", "color": shade, "lw": 1.6}
        arrow |= {"shrinkA": 0, "shrinkB": 0, "mutation_scale": 10}
        step = (points[-1] - back) / max(np.hypot(*(points[-1] - back)), 1e-9)
        head = axes.annotate("", points[-1], xytext=points[-1] - step, arrowprops=arrow, zorder=4)
        if head.arrow_patch is not None:
            head.arrow_patch.set_clip_path(axes.patch)


def heat_map(data: PlotData, image: UInt8Array | None, theme: Theme) -> "Figure":
    """Returns the time that foot points spent in each place, in seconds for a cell.

    Args:
        data: The recording.
        image: `(H, W, 3)` uint8 RGB frame to draw on; `None` for a plain ground.
        theme: The colours.
    """
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap, PowerNorm
    from scipy.ndimage import gaussian_filter

    axes = _frame_axes(data, image, theme)
    cells, side = time_map(data)
    smooth = gaussian_filter(cells, _SMOOTHING_CELLS, mode="nearest")
    used = smooth[smooth > smooth.max(initial=0) / 1000]
    # One object that stands for minutes would leave all others in the dark.
    top = float(np.quantile(used, 0.99)) if used.size else 1.0
    # By the square root: places that are passed stay visible beside those where people stand.
    norm = PowerNorm(0.5, 0, top, clip=True)
    opacity = np.clip(norm(smooth) * 2.5, 0, 0.85)
    extent = (0.0, cells.shape[1] * side, cells.shape[0] * side, 0.0)
    # Without its blackest part, which would be a shadow on the frame.
    warm = colormaps["inferno"](np.linspace(0.3, 1, 256))
    is_plain = image is None and not theme.is_dark
    shades = colormaps["YlOrRd"] if is_plain else ListedColormap(warm)
    shown = axes.imshow(
        smooth, cmap=shades, norm=norm, alpha=opacity, extent=extent, interpolation="bilinear"
    )
    shown.set_zorder(2)
    _set_limits(axes, data, image)
    bar = figure_of(axes).colorbar(shown, ax=axes, shrink=0.8, pad=0.02, extend="max")
    if bar.solids is not None:
        bar.solids.set_alpha(1)
    bar.ax.tick_params(colors=theme.text, labelsize=8)
    bar.set_label(f"seconds in {side:.0f} x {side:.0f} px", color=theme.text, fontsize=9)
    total = float(cells.sum())
    axes.set_title(f"{figure_text(data.title)}: {total:.0f} s of tracks by place")
    return figure_of(axes)


def _frame_axes(data: PlotData, image: UInt8Array | None, theme: Theme) -> "Axes":
    width, height = data.size
    share = height / width if image is None else image.shape[0] / image.shape[1]
    axes = styled_axes(_WIDTH, min(max(_WIDTH * share + 0.4, 2.5), 12), theme)[0]
    axes.grid(visible=False)
    if image is not None:
        axes.imshow(_faded(image, theme), extent=(0, width, height, 0), zorder=0)
    _set_limits(axes, data, image)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(image is None)
    return axes


def _set_limits(axes: "Axes", data: PlotData, image: UInt8Array | None) -> None:
    """Shows the frame alone, with its shape also where its pixels are not square."""
    width, height = data.size
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_aspect(1 if image is None else image.shape[0] / image.shape[1] * width / height)


def _faded(image: UInt8Array, theme: Theme) -> UInt8Array:
    """Returns a grey image, mixed with the ground so that lines stand out."""
    grey = image @ np.array([0.299, 0.587, 0.114])
    ground = int(theme.ground[1:3], 16)
    mixed = 0.55 * grey + 0.45 * ground
    return np.repeat(mixed.astype(np.uint8)[..., None], 3, axis=2)
