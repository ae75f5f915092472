"""The colours of classes, and the legends that name them."""

from tracker.plots.data import PlotData
from tracker.plots.style import COLOURS, Theme
from tracker.util.figures import figure_text

MOST_COLOURED = len(COLOURS) - 1
"""Classes with a colour of their own where there are more than colours: the most frequent ones."""


def class_colour(data: PlotData, index: int, theme: Theme) -> str:
    """Returns the colour of a class; rare ones share a muted one where there are too many."""
    rank = data.class_ranks[index]
    return theme.muted if rank >= _coloured(data) else COLOURS[rank]


def class_labels(data: PlotData) -> dict[int, str]:
    """Returns the texts of a legend by class, the most frequent first; rare ones have one text."""
    used = sorted(
        (index for index, name in enumerate(data.class_names) if name),
        key=lambda index: data.class_ranks[index],
    )
    coloured, rare = used[: _coloured(data)], used[_coloured(data) :]
    labels = {index: figure_text(data.class_names[index]) for index in coloured}
    if rare:
        labels[rare[0]] = f"{len(rare)} other classes"
    return labels


def _coloured(data: PlotData) -> int:
    count = sum(map(bool, data.class_names))
    return count if count <= len(COLOURS) else MOST_COLOURED
