"""The error tree: every failure that a user can cause or meet, all importable from `tracker`.

    TrackerError
    |-- DataError          ValueError     an array or a value has the wrong shape, dtype or range
    |-- ConfigError        ValueError     a setting or a command-line value is wrong
    |   `-- NotResumableError ValueError  an interrupted run cannot be continued
    |-- ModelError         ValueError     a model file is missing, malformed or does not fit
    |-- SourceError        OSError        a source cannot be opened, or failed while it was read
    |-- OutputError        OSError        an output cannot be opened, written or finished
    |   |-- OutputTakenError              another process writes it, or --no-clobber
    |   `-- OutputClosed                  the reader of standard output has ended
    |-- DownloadError      OSError        a file cannot be downloaded, or is not the published one
    |-- DependencyError    ImportError    a library that the chosen feature needs cannot be loaded
    `-- DeviceError        RuntimeError   the requested device does not exist

Each class derives from `TrackerError` and from the built-in in the second column, so both `except`
styles work. A message is one line: what failed, what was expected, what was found, what to try.
Where it quotes a damaged file, it can be neither long nor of several lines.
"""

import difflib
from collections.abc import Iterable
from typing import ClassVar

LONGEST_MESSAGE = 4000
"""Most characters of a message, enough for the paths of several outputs; a damaged file may have a
name or value of millions."""

_KEPT_AT_END = 1500
_CUT = " ... "


class TrackerError(Exception):
    """Base of all errors that this package raises.

    Attributes:
        exit_code: Exit code of the command: 2 for wrong use, 1 for a failure while running.
    """

    exit_code: ClassVar[int] = 2

    def __str__(self) -> str:
        return shortened(self.full_text)

    @property
    def full_text(self) -> str:
        """The message in its full length, in which whole addresses can be found and masked."""
        return super().__str__()


class DataError(TrackerError, ValueError):
    """An array or a value has the wrong shape, dtype or range."""


class ConfigError(TrackerError, ValueError):
    """A configuration key or a command-line value is wrong."""


class NotResumableError(ConfigError):
    """An interrupted run cannot be continued: something differs, or is missing or damaged."""


class SourceError(TrackerError, OSError):
    """A source cannot be opened, or failed while it was read."""


class ModelError(TrackerError, ValueError):
    """A model file is missing, malformed, or does not fit its weights."""


class OutputError(TrackerError, OSError):
    """An output cannot be opened, written or finished."""


class OutputTakenError(OutputError):
    """Another process writes the output, or it exists with `--no-clobber`; it is unchanged."""


class OutputClosed(OutputError):  # noqa: N818 - a normal end, for example by `head`
    """The reader of standard output has ended; the run ends without a message."""


class DownloadError(TrackerError, OSError):
    """A file cannot be downloaded, or differs from the published one."""

    exit_code = 1


class DependencyError(TrackerError, ImportError):
    """A library that the chosen feature needs cannot be loaded."""


class DeviceError(TrackerError, RuntimeError):
    """The requested device does not exist."""


def shortened(message: str) -> str:
    r"""Returns a message as one line of at most `LONGEST_MESSAGE` characters.

    Its middle is left out where it is longer: what failed is at its beginning, what to try at its
    end.

    Example:
        >>> shortened("broken:\n  'x'"), len(shortened("x" * 5000))
        ("broken: 'x'", 4000)
    """
    lines = [line.strip() for line in message.splitlines()]
    text = " ".join(line for line in lines if line) if len(lines) > 1 else message
    if len(text) <= LONGEST_MESSAGE:
        return text
    return text[: LONGEST_MESSAGE - _KEPT_AT_END - len(_CUT)] + _CUT + text[-_KEPT_AT_END:]


def nearest(name: str, known: Iterable[str]) -> str:
    """Returns a hint that names the closest known word, or the empty string.

    Args:
        name: The word that was not found.
        known: The accepted words.

    Example:
        >>> nearest("persn", ["person", "car"])
        "; did you mean 'person'?"
    """
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
