"""Range checks of numbers in settings: finite, of the right type, within bounds.

Every settings class of this package calls `check_ranges` at construction, so that an unusable value
is refused where it is set, in YAML or in Python.
"""

import math
from collections.abc import Mapping
from numbers import Integral, Real
from types import NoneType
from typing import Any, get_args, get_type_hints

from tracker.errors import ConfigError
from tracker.util.short_repr import short_repr

ABOVE_0 = math.ulp(0.0)
"""The lowest number above 0, as a lower bound."""

Bounds = tuple[float, float]
"""Lowest and highest admissible value."""

LARGEST = 1e9
"""Upper bound of otherwise unbounded numbers: squares and products with pixels stay finite."""


def check_ranges(settings: Any, ranges: Mapping[str, Bounds], *, prefix: str) -> None:
    """Checks the numbers of a settings object.

    Annotations decide whether a number has to be whole and whether it may be `None`.

    Args:
        settings: The object.
        ranges: Bounds by attribute.
        prefix: Prefix of the name in messages.

    Raises:
        ConfigError: A value is no number (text, `True`), not finite, not whole where it has to be,
            or out of its range.
    """
    types = get_type_hints(type(settings))
    for name, (low, high) in ranges.items():
        value = getattr(settings, name)
        if value is None and NoneType in get_args(types[name]):
            continue
        is_whole = types[name] is int
        kind = Integral if is_whole else Real
        is_number = isinstance(value, kind) and not isinstance(value, bool)
        if not (is_number and low <= value <= high and math.isfinite(value)):
            expected = _expected(low, high, is_whole=is_whole)
            raise ConfigError(f"{prefix}{name}: expected {expected}, got {short_repr(value)}")


def _expected(low: float, high: float, *, is_whole: bool) -> str:
    if low == ABOVE_0:
        return f"a number above 0, at most {high:g}"
    return f"{low:g}..{high:g}" + (", a whole number" if is_whole else "")
