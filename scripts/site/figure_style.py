"""Colours and small drawing functions that the figures of the documentation share."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse, Rectangle

BLUE, ORANGE, GREEN, RED, PURPLE, GREY = (
    *("#0072b2", "#e08a00", "#009e73", "#c8372d", "#8e5fa8", "#8a8f98"),
)
"""Colours that people with colour blindness can tell apart too (after Okabe and Ito)."""

INK = "#24292f"


def use_style() -> None:
    """Sets fonts and colours; a light card is readable on a dark page too."""
    mpl.use("Agg")
    mpl.rcParams.update(
        {
            "figure.facecolor": "#ffffff",
            "savefig.facecolor": "#ffffff",
            "font.family": "DejaVu Sans",
            "font.size": 10,
            "axes.titlesize": 10.5,
            "axes.edgecolor": GREY,
            "axes.labelcolor": INK,
            "axes.titlecolor": INK,
            "text.color": INK,
            "xtick.color": INK,
            "ytick.color": INK,
            "legend.frameon": False,
            "svg.hashsalt": "tracker",
        }
    )


def save(figure: Figure, path: Path) -> None:
    """Writes a figure; two runs with the same libraries write the same bytes."""
    dates = {"Date": None} if path.suffix == ".svg" else {"Software": None}
    figure.savefig(path, dpi=110, metadata=dates)


def draw_boxes(
    axes: Axes,
    boxes: Sequence[Any],
    colours: Sequence[str],
    labels: Sequence[str] = (),
    **style: Any,
) -> None:
    """Draws boxes `(N, 4)` xyxy, each with a colour and perhaps a label above."""
    for row, (x1, y1, x2, y2) in enumerate(np.asarray(boxes).tolist()):
        frame = Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, ec=colours[row], **style)
        axes.add_patch(frame)
        if len(labels):
            axes.annotate(
                *(labels[row], (x1, y1)),
                xytext=(0, 2),
                textcoords="offset points",
                color=colours[row],
                fontsize=9,
                weight="bold",
            )


def draw_ellipse(axes: Axes, centre: Any, deviations: Any, sigmas: float, **style: Any) -> None:
    """Draws the points at a distance of some standard deviations from a centre."""
    width, height = (2 * sigmas * float(deviation) for deviation in deviations)
    axes.add_patch(Ellipse(tuple(centre), width, height, **style))


def draw_cells(
    axes: Axes, values: Any, *, form: str = "{:.0f}", dark_from: float = 0.55, **style: Any
) -> None:
    """Draws a matrix as coloured cells, each with its number: white from a share of the colours."""
    axes.imshow(values, **style)
    low, high = style.get("vmin", np.nanmin(values)), style.get("vmax", np.nanmax(values))
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            is_dark = (value - low) / max(high - low, 1e-9) > dark_from
            colour = "white" if is_dark else INK
            text = form.format(value)
            axes.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)
    rows, columns = np.shape(values)
    axes.set_xticks(np.arange(columns + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(rows + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", lw=1)
    axes.tick_params(which="both", length=0)


def without_ticks(*many: Axes) -> None:
    """Removes the ticks of axes."""
    for axes in many:
        axes.set(xticks=[], yticks=[])
