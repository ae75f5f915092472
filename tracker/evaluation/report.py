"""An evaluation as a table for the terminal, as JSON and as CSV."""

import csv
import io
import json

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from tracker.evaluation.metrics import COUNT_NAMES, RATIO_NAMES, Evaluation
from tracker.util import terminal
from tracker.util.text import printable

COMBINED = "combined"

_COLUMNS = (
    *("HOTA", "DetA", "AssA", "LocA"),
    *("MOTA", "MOTP", "FP", "FN", "IDSW", "Frag", "MT", "ML"),
    *("IDF1", "IDP", "IDR"),
)


def table(evaluation: Evaluation) -> Table:
    """Returns one row per sequence and one for all combined; ratios in per cent."""
    result = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    result.add_column("%", no_wrap=True)
    for name in _COLUMNS:
        result.add_column(name, justify="right", no_wrap=True)
    for name, scores in evaluation.sequences.items():
        cells = [_cell(column, scores.values[column]) for column in _COLUMNS]
        # Text: square brackets in a name are not markup.
        result.add_row(Text(printable(name)), *cells)
    result.add_section()
    values = evaluation.combined.values
    result.add_row(COMBINED, *(_cell(column, values[column]) for column in _COLUMNS))
    return result


def _cell(name: str, value: float | int) -> str:
    return f"{100 * value:.1f}" if name in RATIO_NAMES else str(value)


def print_table(evaluation: Evaluation, *, stderr: bool) -> None:
    """Prints the table at its full width: narrow terminals wrap lines, nothing is truncated.

    Args:
        evaluation: The scores.
        stderr: Whether to print to standard error instead of standard output.

    Raises:
        OutputError: Standard output cannot be written.
    """
    content = table(evaluation)
    # Without a terminal rich assumes 80 columns and would truncate numbers.
    console = Console(width=10_000)
    width = max(Measurement.get(console, console.options, content).maximum, 1)
    terminal.print_table(content, stderr=stderr, width=width)


def json_text(evaluation: Evaluation) -> str:
    """Returns `{"sequences": {NAME: {...}}, "combined": {...}}` with ratios as fractions."""
    record = {
        "sequences": {name: dict(s.values) for name, s in evaluation.sequences.items()},
        COMBINED: dict(evaluation.combined.values),
    }
    return json.dumps(record, ensure_ascii=False, allow_nan=False, indent=2) + "\n"


def csv_text(evaluation: Evaluation) -> str:
    """Returns a header and one row per sequence, the last for all combined; ratios as fractions."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    names = (*RATIO_NAMES, *COUNT_NAMES)
    writer.writerow(["sequence", *names])
    for sequence, scores in (*evaluation.sequences.items(), (COMBINED, evaluation.combined)):
        writer.writerow([sequence, *(scores.values[name] for name in names)])
    return stream.getvalue()
