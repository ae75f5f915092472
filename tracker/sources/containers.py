"""Containers of FFmpeg, opened for reading with PyAV 17.1 to 19."""

from fractions import Fraction
from typing import Any, Protocol

import av
from av.container import InputContainer

_BEFORE_19 = int(av.__version__.split(".", 1)[0]) < 19
_ANY_TEXT: dict[str, Any] = {"metadata_errors": "replace"} if _BEFORE_19 else {}
"""Titles and comments may be in any encoding. PyAV before 19 raises for text that is not UTF-8
unless it may replace it; 19 always reads it, and has no such argument."""


class Rational(Protocol):
    """A ratio of integers: `Fraction`, `int`, or the rational number of PyAV 19."""

    @property
    def numerator(self) -> int:
        """The number above the line."""
        ...

    @property
    def denominator(self) -> int:
        """The number below the line."""
        ...


def as_fraction(value: Rational) -> Fraction:
    """Returns a time base, frame rate or aspect of PyAV as a fraction of Python.

    Example:
        >>> as_fraction(Fraction(1001, 30000)), as_fraction(2)
        (Fraction(1001, 30000), Fraction(2, 1))
    """
    return Fraction(value.numerator, value.denominator)


def open_container(
    file: Any,
    *,
    options: dict[str, str] | None = None,
    timeout: tuple[float, float] | None = None,
) -> InputContainer:
    """Returns an open container, whatever the encoding of its metadata.

    Args:
        file: A path, an address with the prefix of its protocol, or an object with `read`.
        options: Options of FFmpeg.
        timeout: Seconds for opening it, and for each read; `None` for no limit.

    Raises:
        av.FFmpegError: It cannot be opened.
    """
    container: InputContainer = av.open(file, "r", options=options, timeout=timeout, **_ANY_TEXT)
    return container
