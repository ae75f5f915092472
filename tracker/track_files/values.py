"""Values of JSON objects, checked: each function returns a value of one type or raises.

Messages name the key and what was expected; the reader adds the file and the line.
"""

import math
from collections.abc import Mapping
from typing import Any

from tracker.errors import ConfigError, DataError
from tracker.util.short_repr import short_repr

LARGEST_VALUE = 1e9
"""Of coordinates in pixels and of scores: far more than any image or detector has, and far from
where float32 ends."""

_LARGEST_TIME = 1e12
_DEEPEST = 50


_LOWEST_FPS, _HIGHEST_FPS = 1e-6, 1e6
_FPS = "a number from 1e-06 to 1e+06"


def whole(value: object, key: str, *, most: int = 2**63 - 1) -> int:
    """Returns a whole number from 0.

    Raises:
        DataError: It is none, or is larger than `most`.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 0 or value >= 2**63:
        raise DataError(f"'{key}': expected a whole number from 0, got {short_repr(value)}")
    if value > most:
        raise DataError(f"'{key}': expected at most {most}, got {value}")
    return value


def number(value: object, key: str, *, most: float = LARGEST_VALUE) -> float:
    """Returns a number from `-most` to `most`, by default one that a coordinate or score can be.

    Raises:
        DataError: It is none.
    """
    # Compared before it is converted: an int may be larger than any float.
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DataError(f"'{key}': expected a finite number, got {short_repr(value)}")
    if not -most <= value <= most:  # NaN is neither
        raise DataError(
            f"'{key}': expected a finite number of at most {most:g}, got {short_repr(value)}"
        )
    return float(value)


def fps(value: object) -> float | None:
    """Returns frames a second; `None` where they are not known.

    Raises:
        DataError: It is no number above 0, or none that a frame rate can be.
    """
    if value is None:
        return None
    found = number(value, "fps")
    if found <= 0:
        raise DataError(f"'fps': expected a number above 0, got {short_repr(value)}")
    if not _LOWEST_FPS <= found <= _HIGHEST_FPS:
        raise DataError(f"'fps': expected {_FPS}, got {found:g}")
    return found


def check_fps(value: float) -> None:
    """Checks frames a second that a user gives.

    Raises:
        ConfigError: It is none that a frame rate can be.
    """
    if not _LOWEST_FPS <= value <= _HIGHEST_FPS:
        raise ConfigError(f"fps: expected {_FPS}, got {value:g}")


def moment(value: object, key: str) -> float | None:
    """Returns a time in seconds; `None` for null.

    Raises:
        DataError: It is none.
    """
    return None if value is None else number(value, key, most=_LARGEST_TIME)


def duration(value: object, key: str) -> float | None:
    """Returns a number of 0 or more, such as a time in seconds or a count; `None` for null.

    Raises:
        DataError: It is none.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise DataError(f"'{key}': expected a number of 0 or more, got {short_repr(value)}")
    if value > _LARGEST_TIME:
        raise DataError(f"'{key}': expected at most {_LARGEST_TIME:g}, got {short_repr(value)}")
    return value


def text(value: object, key: str) -> str:
    """Returns text.

    Raises:
        DataError: It is none.
    """
    if not isinstance(value, str):
        raise DataError(f"'{key}': expected text, got {short_repr(value)}")
    return value


def flag(value: object, key: str) -> bool:
    """Returns true or false.

    Raises:
        DataError: It is neither.
    """
    if not isinstance(value, bool):
        raise DataError(f"'{key}': expected true or false, got {short_repr(value)}")
    return value


def mapping(value: object, key: str) -> Mapping[str, Any]:
    """Returns an object that is not nested so deeply that it could not be written again.

    Raises:
        DataError: It is none.
    """
    if not isinstance(value, dict):
        raise DataError(f"'{key}': expected an object, got {short_repr(value)}")
    level: list[Any] = [value]
    for _ in range(_DEEPEST):
        inner = (v.values() if isinstance(v, dict) else v for v in level)
        level = [v for values in inner for v in values if isinstance(v, dict | list)]
        if not level:
            return value
    raise DataError(f"'{key}': expected at most {_DEEPEST} levels of nesting, got more")


def entries(value: object, key: str) -> list[Any]:
    """Returns a list.

    Raises:
        DataError: It is none.
    """
    if not isinstance(value, list):
        raise DataError(f"expected a list under '{key}', got {short_repr(value)}")
    return value
