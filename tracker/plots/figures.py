"""All plots by name."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from tracker.errors import ConfigError, nearest
from tracker.plots.charts import counts, speeds, time_line
from tracker.plots.data import PlotData
from tracker.plots.maps import heat_map, trajectories
from tracker.plots.style import Theme, figure_bytes
from tracker.util.arrays import UInt8Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PLOTS: Mapping[str, Callable[[PlotData, UInt8Array | None, Theme], "Figure"]] = {
    "trajectories": trajectories,
    "heat-map": heat_map,
    "time-line": time_line,
    "counts": counts,
    "speeds": speeds,
}
"""The plots, in the order of the report."""


def check_names(names: Iterable[str]) -> None:
    """Checks names of plots.

    Raises:
        ConfigError: There is no plot of a name.
    """
    for name in names:
        if name not in PLOTS:
            raise ConfigError(
                f"--only {name}: expected a plot, one of {', '.join(PLOTS)}{nearest(name, PLOTS)}"
            )


def drawn(
    data: PlotData,
    names: Iterable[str],
    image: UInt8Array | None,
    theme: Theme,
    *,
    file_format: str = "png",
) -> dict[str, bytes]:
    """Returns the content of a file for each plot, by its name.

    Args:
        data: The recording.
        names: Names of plots.
        image: `(H, W, 3)` uint8 RGB frame under trajectories and heat map, or `None`.
        theme: The colours.
        file_format: `png` or `svg`.

    Raises:
        DependencyError: Matplotlib is not installed.
    """
    return {name: figure_bytes(PLOTS[name](data, image, theme), file_format) for name in names}
