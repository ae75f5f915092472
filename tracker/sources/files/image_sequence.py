"""Shared by sequences of still images: `seqinfo.ini`, and times at a constant rate."""

import configparser
import math
from fractions import Fraction
from pathlib import Path

from tracker.errors import SourceError

SEQUENCE_FILE = "seqinfo.ini"
"""Name of the file that makes a folder a MOT sequence."""


def sequence_settings(path: Path) -> configparser.SectionProxy | None:
    """Returns the `[Sequence]` section, or `None` where there is no such file.

    Raises:
        SourceError: It is not an ini file with that section.
    """
    if not path.is_file():
        return None
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(path, encoding="utf-8-sig")
        return parser["Sequence"]
    except (configparser.Error, KeyError, UnicodeDecodeError) as error:
        raise SourceError(
            f"{path}: expected a [Sequence] section with imDir and frameRate; correct or remove it"
        ) from error


def sequence_rate(source: str, text: str | None) -> Fraction | None:
    """Returns frames a second, or `None` where the file has none.

    Raises:
        SourceError: It is not a number above 0.
    """
    if text is None:
        return None
    try:
        rate = Fraction(text.strip())
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if rate <= 0:
        raise SourceError(f"{source}: seqinfo.ini: frameRate: expected a number > 0, got {text!r}")
    return rate


def first_index(start_s: float, rate: Fraction) -> int:
    """Returns the first frame whose time is not before `start_s`, compared as float64."""
    index = math.floor(Fraction(start_s) * rate)
    return index if frame_seconds(index, rate) >= start_s else index + 1


def frame_seconds(index: int, rate: Fraction) -> float:
    """Returns when a frame is shown, in seconds after frame 0: the float64 nearest to it."""
    return index * rate.denominator / rate.numerator
