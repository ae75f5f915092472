"""MOTChallenge text as numbers."""

import math
from pathlib import Path

import numpy as np

from tracker.errors import DataError
from tracker.track_files.values import LARGEST_VALUE
from tracker.util.arrays import Float64Array
from tracker.util.short_repr import short_repr

LARGEST_FRAME = int(np.iinfo(np.int32).max)
"""The largest frame number in MOT text, which counts from 1; JSON counts from 0."""

LARGEST_ID = 2**53
"""Above this a float64, as MOT rows and many readers of JSON keep numbers, mixes up two ids."""

# Class, visibility, or a position in the world, in any unit.
_LARGEST_REST = 1e15
_COLUMNS = ("left", "top", "width", "height", "score")


def parse_mot_rows(content: bytes, *, path: str | Path) -> Float64Array:
    """Returns `(R, 6..10)` float64 numbers of a MOTChallenge text, in its order.

    Columns are separated by commas, with or without one at the end of the row, or by white space.
    An empty text has no rows and 10 columns.

    Args:
        content: The text in UTF-8, with or without a byte order mark.
        path: What messages call it.

    Raises:
        DataError: A value is not a finite number, a row has another number of columns than the
            first or not 6 to 10, a frame or an id is no whole number, a frame is below 1, a width
            or height is negative, a value is larger than any image or score, or an id occurs
            twice in a frame. The message names the line.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: expected MOT text or JSON of this package, got bytes that are not text; "
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
    words = _words(line)
    try:
        if "_" in line:  # Python would read 1_000 as a number
            raise ValueError
        row = [float(word) for word in words]
    except ValueError as error:
        raise DataError(
            f"{place}: expected numbers, got {short_repr(line.strip())}{_hint(line, place)}"
        ) from error
    if not 6 <= len(row) <= 10:
        raise DataError(f"{place}: expected 6 to 10 columns (frame,id,x,y,w,h,...), got {len(row)}")
    if not all(map(math.isfinite, row)):
        raise DataError(f"{place}: expected finite numbers, got {short_repr(line.strip())}")
    _check_row(row, place)
    return row


def _words(line: str) -> list[str]:
    if "," not in line:
        return line.split()
    words = line.split(",")
    # Some programs end each row with a comma.
    return words[:-1] if not words[-1].strip() else words


def _hint(line: str, place: str) -> str:
    if ";" in line:
        return "; expected commas or white space between them"
    if not place.endswith(", line 1"):
        return ""
    if line.lower().startswith("frame"):
        return "; leave out the line of headings"
    return "; a track file is MOT text, or JSON as --json writes it"


def _check_row(row: list[float], place: str) -> None:
    frame, track, _, _, width, height = row[:6]
    if not frame.is_integer() or not 1 <= frame <= LARGEST_FRAME:
        most = f" to {LARGEST_FRAME}" if frame > LARGEST_FRAME else ""
        raise DataError(f"{place}: expected a whole frame number from 1{most}, got {frame:g}")
    if not track.is_integer() or abs(track) > LARGEST_ID:
        raise DataError(f"{place}: expected a whole number as id, got {track:g}")
    if width < 0 or height < 0:
        raise DataError(
            f"{place}: expected a width and height of 0 or more, got {width:g}x{height:g}"
        )
    for name, value in zip(_COLUMNS, row[2:7], strict=False):
        if abs(value) > LARGEST_VALUE:
            raise DataError(f"{place}: {name}: expected at most {LARGEST_VALUE:g}, got {value:g}")
    if any(abs(value) > _LARGEST_REST for value in row[7:]):
        raise DataError(f"{place}: expected numbers of at most {_LARGEST_REST:g}, got {row[7:]}")
