"""Average precision as a table for the terminal."""

from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from tracker.evaluation.average_precision import AveragePrecision
from tracker.util.text import printable


def precision_table(precision: AveragePrecision, names: Sequence[str], *, images: int) -> Table:
    """Returns one row per class and one for the means, in per cent.

    Args:
        precision: The evaluation.
        names: Names by class index.
        images: Number of evaluated images.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("%")
    for name in ("objects", "AP@0.5", "AP@[.5:.95]"):
        table.add_column(name, justify="right", no_wrap=True)
    for number, scores in precision.classes.items():
        cells = (str(scores.truth), f"{100 * scores.ap50:.1f}", f"{100 * scores.ap:.1f}")
        table.add_row(Text(printable(names[number])), *cells)
    table.add_section()
    total = str(sum(scores.truth for scores in precision.classes.values()))
    means = (f"{100 * precision.map50:.1f}", f"{100 * precision.map:.1f}")
    table.add_row(f"mean, {images} images", total, *means)
    return table
