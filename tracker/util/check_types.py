"""Type checks of settings that are made in Python and not read from a file."""

import dataclasses
import math
import numbers
import types
import typing
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from tracker.errors import ConfigError
from tracker.util.short_repr import short_repr

# NumPy's scalars are included.
_NUMBERS: dict[type, type] = {float: numbers.Real, int: numbers.Integral}
_NAMES = {float: "a number", int: "a whole number", bool: "true or false", str: "text"}


def check_types(settings: Any) -> None:
    """Refuses a field whose type differs from its annotation.

    True and "3" are not numbers; an int is accepted for a float. Only numbers, text and booleans
    are checked, also within tuples; other types are left to the class itself.

    Args:
        settings: An instance of a dataclass.

    Raises:
        ConfigError: A field has another type.
    """
    kind: Any = type(settings)
    for name, hint in _hints(kind).items():
        value = getattr(settings, name)
        if not _fits(value, hint):
            raise ConfigError(f"{name}: expected {_named(hint)}, got {short_repr(value)}")


def check_finite(settings: Any) -> None:
    """Refuses numbers that are infinite or NaN, for what ranges leave open.

    Args:
        settings: An instance of a dataclass.

    Raises:
        ConfigError: A field, or a value of a tuple, is not finite.
    """
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        for one in value if isinstance(value, tuple | list) else (value,):
            if isinstance(one, float) and not math.isfinite(one):
                raise ConfigError(
                    f"{field.name}: expected a finite number, got {short_repr(value)}"
                )


def check_shares(settings: Any, *names: str) -> None:
    """Checks that fields of a dataclass are numbers from 0 to 1.

    Args:
        settings: The dataclass.
        names: Names of the fields.

    Raises:
        ConfigError: One is not.
    """
    for name in names:
        value = getattr(settings, name)
        if not 0 <= value <= 1:
            raise ConfigError(f"{name}: expected [0, 1], got {value}")


@cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def _fits(value: object, hint: Any) -> bool:
    if hint in _NUMBERS:
        return isinstance(value, _NUMBERS[hint]) and not isinstance(value, bool)
    if hint in (bool, str, type(None)):
        return isinstance(value, hint)
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, one) for one in inner)
    if origin is tuple:
        if isinstance(value, str) or not isinstance(value, Iterable):
            return False
        ones = list(value)
        each = inner[:1] * len(ones) if inner[1:] == (...,) else inner
        return all(_fits(one, wanted) for one, wanted in zip(ones, each, strict=False))
    return isinstance(value, Mapping) if origin is dict else True


def _named(hint: Any) -> str:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return " or ".join(_named(one) for one in typing.get_args(hint))
    if hint is type(None):
        return "None"
    if typing.get_origin(hint) is tuple:
        return f"a list of {_named(typing.get_args(hint)[0])} values"
    return _NAMES.get(hint) or "keys and values"
