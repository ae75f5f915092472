"""Rows as CSV text."""

import csv
import io
from collections.abc import Iterable


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    r"""Returns rows as lines of CSV, each ended by one newline.

    Example:
        >>> csv_text([("id", "class"), (1, "car, red")])
        'id,class\n1,"car, red"\n'
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
