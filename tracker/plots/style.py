"""Colours of plots: light and dark, legible for people who see colours differently."""

import io
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tracker.util.figures import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#3f90da", "#ffa90e", "#e0513f", "#44b98f", "#a06fd6", "#b08968", "#f2789f", "#92dadd")
"""A cycle for ids and classes; its first five differ for all common kinds of colour vision."""

DPI = 120

Corner = Literal["upper left", "upper right", "lower left"]


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours of one kind of plot.

    Attributes:
        ground: Of the figure.
        text: Of text and axes.
        grid: Of lines that help to read values.
        muted: Of what is predicted, and of other secondary marks.
        is_dark: Whether the ground is dark.
    """

    ground: str
    text: str
    grid: str
    muted: str
    is_dark: bool


LIGHT = Theme("#ffffff", "#1c2530", "#d9dee4", "#8a94a0", is_dark=False)
DARK = Theme("#161b22", "#e3e8ee", "#303841", "#7d8792", is_dark=True)


def colour(number: int) -> str:
    """Returns the colour of an id."""
    return COLOURS[number % len(COLOURS)]


def styled_axes(width: float, height: float, theme: Theme, *, rows: int = 1) -> "list[Axes]":
    """Returns the axes of a new figure, one below the other.

    Args:
        width: Of the figure in inches.
        height: Of the figure in inches.
        theme: Its colours.
        rows: Number of axes; they share the x axis.

    Raises:
        DependencyError: Matplotlib is not installed.
    """
    figure = new_figure(width, height)
    figure.set_facecolor(theme.ground)
    grid = figure.subplots(rows, 1, squeeze=False, sharex=True)
    axes = list(grid[:, 0])
    for one in axes:
        one.set_facecolor(theme.ground)
        one.tick_params(colors=theme.text, labelsize=9)
        one.grid(color=theme.grid, linewidth=0.7)
        one.set_axisbelow(True)
        for side, spine in one.spines.items():
            spine.set_color(theme.muted)
            spine.set_visible(side in {"left", "bottom"})
        for label in (one.xaxis.label, one.yaxis.label, one.title):
            label.set_color(theme.text)
        one.title.set_fontsize(11)
    return axes


def add_legend(
    axes: "Axes", theme: Theme, *, columns: int = 1, corner: Corner = "upper left"
) -> None:
    """Adds a legend in a corner, where there is anything to name."""
    if axes.get_legend_handles_labels()[0]:
        axes.legend(
            loc=corner,
            fontsize=8,
            ncols=columns,
            facecolor=theme.ground,
            edgecolor=theme.grid,
            labelcolor=theme.text,
            framealpha=0.85,
        )


def figure_bytes(figure: "Figure", file_format: str) -> bytes:
    """Returns a figure as `png` or `svg`; equal figures give equal bytes."""
    from matplotlib import rc_context

    target = io.BytesIO()
    # Names of classes may have characters that the font lacks; a box is shown in their place.
    with warnings.catch_warnings(), rc_context({"svg.hashsalt": "tracker"}):
        warnings.filterwarnings("ignore", message="Glyph")
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support")
        metadata = {"Date": None} if file_format == "svg" else None
        figure.savefig(target, format=file_format, dpi=DPI, metadata=metadata, bbox_inches="tight")
    return target.getvalue()


def figure_of(axes: "Axes") -> "Figure":
    """Returns the figure that axes are part of."""
    figure: Figure = axes.figure  # type: ignore[assignment]
    return figure
