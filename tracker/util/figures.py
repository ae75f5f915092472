"""Figures of Matplotlib that are drawn in memory.

Matplotlib is imported when the first figure is made, and used without pyplot, so that no window is
opened and no global setting changed.
"""

from typing import TYPE_CHECKING

from tracker.errors import DependencyError
from tracker.util.text import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def new_figure(width: float, height: float) -> "Figure":
    """Returns an empty figure of a size in inches.

    Raises:
        DependencyError: Matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise DependencyError(
            f"plots need the package matplotlib: {error}; pip install matplotlib"
        ) from error
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def figure_text(text: str) -> str:
    r"""Returns text of a file as Matplotlib shows it as it is: without formulas.

    Example:
        >>> figure_text("a$b\n")
        'a\\$b\\x0a'
    """
    return printable(text).replace("$", r"\$")
