"""The error tree: every failure that a user can cause or meet.

Each class derives from `TrackerError` and from the built-in that fits, so both `except` styles
work. A message says what failed, what was expected, what was got, and what to try; it is one line.
"""

import difflib
from collections.abc import Iterable
from typing import ClassVar


class TrackerError(Exception):
    """Base of all errors that this package raises on purpose.

    Attributes:
        exit_code: What the command exits with: 2 for wrong use, 1 for what failed while running.
    """

    exit_code: ClassVar[int] = 2


class DataError(TrackerError, ValueError):
    """An array or a value has the wrong shape, dtype or range."""


class ConfigError(TrackerError, ValueError):
    """A configuration key or a command-line value is wrong."""


class SourceError(TrackerError, OSError):
    """A source cannot be opened, or broke while it was read."""


class ModelError(TrackerError, ValueError):
    """A model file is missing, malformed, or does not fit its weights."""


class OutputError(TrackerError, OSError):
    """An output cannot be opened, written or finished."""


class OutputTakenError(OutputError):
    """Another process writes the output, or it exists and shall be kept; nothing was changed."""


class OutputClosed(OutputError):  # noqa: N818 - an ordinary end, as `head` causes it, not a fault
    """The reader of stdout has gone away: stop, quietly."""


class DependencyError(TrackerError, ImportError):
    """A library that the chosen feature needs cannot be loaded."""


class DeviceError(TrackerError, RuntimeError):
    """The device that was asked for is not there."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Returns a hint that names the closest known word, or the empty string.

    Args:
        name: The word that was not found.
        known: The words that would have been accepted.

    Example:
        >>> nearest("persn", ["person", "car"])
        "; did you mean 'person'?"
    """
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
