"""MOTChallenge text as numbers.

Comes in: the bytes of a file. Goes out: its rows, checked, `(R, 6..10)` float64.
"""

import math
from pathlib import Path

import numpy as np

from tracker.arrays import Float64Array
from tracker.errors import DataError

LARGEST_FRAME = int(np.iinfo(np.int32).max)
"""The largest frame number, from 1 in MOT text and from 0 in JSON."""

# Above this a float64, which is how the rows are kept, cannot tell two ids apart.
_LARGEST_ID = 2**53


def parse_mot_rows(content: bytes, *, path: str | Path) -> Float64Array:
    """Returns `(R, 6..10)` float64 numbers of a MOTChallenge text, in its order.

    An empty text has no rows and 10 columns. For what is refused see `read.read_mot_rows`.

    Args:
        content: The text in UTF-8.
        path: What messages call it.

    Raises:
        DataError: The content is malformed; the message names the line.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: expected MOT text or JSON of ours, got bytes that are not text; "
            "give a file that tracker run wrote with --mot or --json"
        ) from error
    rows: list[list[float]] = []
    seen: dict[tuple[float, float], int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        row = _mot_row(line, f"{path}, line {number}")
        if rows and len(row) != len(rows[0]):
            raise DataError(
                f"{path}, line {number}: expected {len(rows[0])} columns as in the rows before, "
                f"got {len(row)}"
            )
        frame, track = row[:2]
        first = seen.setdefault((frame, track), number)
        if first != number and track != -1:
            raise DataError(
                f"{path}, line {number}: id {track:.0f} occurs twice in frame {frame:.0f}, "
                f"first in line {first}"
            )
        rows.append(row)
    return np.array(rows) if rows else np.zeros((0, 10))


def _mot_row(line: str, place: str) -> list[float]:
    words = line.split(",") if "," in line else line.split()
    try:
        row = [float(word) for word in words]
    except ValueError as error:
        raise DataError(f"{place}: expected numbers, got {line.strip()[:60]!r}") from error
    if not 6 <= len(row) <= 10:
        raise DataError(f"{place}: expected 6 to 10 columns (frame,id,x,y,w,h,...), got {len(row)}")
    if not all(map(math.isfinite, row)):
        raise DataError(f"{place}: expected finite numbers, got {line.strip()[:60]!r}")
    frame, track, _, _, width, height = row[:6]
    if not frame.is_integer() or not 1 <= frame <= LARGEST_FRAME:
        raise DataError(f"{place}: expected a whole frame number from 1, got {frame:g}")
    if not track.is_integer() or abs(track) > _LARGEST_ID:
        raise DataError(f"{place}: expected a whole number as id, got {track:g}")
    if width < 0 or height < 0:
        raise DataError(
            f"{place}: expected a width and height of 0 or more, got {width:g}x{height:g}"
        )
    return row
