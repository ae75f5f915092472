"""Trees of frozen settings from YAML files and `key=value` arguments; errors name the key.

An unknown key, a wrong type or a value out of range is a `ConfigError`.
"""

import dataclasses
import datetime
import json
import math
import typing
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path, PurePath
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from tracker.errors import ConfigError, nearest
from tracker.util.short_repr import short_repr

Settings = TypeVar("Settings")

LARGEST_WHOLE = 2**53
"""Largest whole number in settings: JSON, which records them, keeps it exactly."""


def settings_from(
    adapter: TypeAdapter[Settings], kind: type[Settings], tree: Mapping[str, Any]
) -> Settings:
    """Returns the settings of a nested mapping; missing keys have their defaults.

    Args:
        adapter: Type adapter of the dataclass.
        kind: The dataclass, whose fields may be dataclasses in turn.
        tree: Keys and values.

    Raises:
        ConfigError: A key is unknown, or a value has the wrong type or range.
    """
    _check_keys(tree, kind, "")
    _check_values(tree, "")
    found: Settings = _validated(adapter, tree, "")
    return found


def changed(settings: Settings, values: Mapping[str, Any]) -> Settings:
    """Returns settings with other values, each checked as `settings_from` checks it.

    Args:
        settings: A dataclass, whose fields may be dataclasses in turn.
        values: Values by dotted key; each replaces all that was below its key.

    Raises:
        ConfigError: A key is unknown, or a value has the wrong type or range.
    """
    tree: dict[str, Any] = {}
    for key, value in values.items():
        lay(tree, key.split("."), value)
    _check_keys(tree, type(settings), "")
    _check_values(tree, "")
    by_keys = {tuple(key.split(".")): value for key, value in values.items()}
    found: Settings = _changed(settings, by_keys, "")
    return found


def _changed(settings: Any, values: Mapping[tuple[str, ...], Any], prefix: str) -> Any:
    """Returns settings with values by their keys in turn; those of one dataclass change together.

    A type adapter of a single value is a hundredth of the work of one for the whole tree.
    """
    below: dict[str, dict[tuple[str, ...], Any]] = {}
    for (name, *rest), value in values.items():
        below.setdefault(name, {})[tuple(rest)] = value
    hints = typing.get_type_hints(type(settings), include_extras=True)
    fields = {
        name: _validated(TypeAdapter(hints[name]), inner[()], f"{prefix}{name}")
        if () in inner
        else _changed(getattr(settings, name), inner, f"{prefix}{name}.")
        for name, inner in below.items()
    }
    try:
        return dataclasses.replace(settings, **fields)
    except ConfigError as error:
        raise ConfigError(_with_key(error, prefix.removesuffix("."))) from None


def _validated(adapter: TypeAdapter[Any], value: object, key: str) -> Any:
    """Returns the value of plain JSON types as its type has it.

    Raises:
        ConfigError: It has the wrong type or range; the message names the key.
    """
    try:
        # Strict in JSON mode: true is not 1 and "3" not 3, but lists become tuples and strings
        # enums.
        return adapter.validate_json(json.dumps(value, default=_plain), strict=True)
    except ValidationError as error:
        problem = error.errors()[0]
        inner = ".".join([*([key] if key else []), *map(str, problem["loc"])])
        cause = problem.get("ctx", {}).get("error")
        if isinstance(cause, ConfigError):
            raise ConfigError(_with_key(cause, inner)) from None
        key = inner or "config"
        if problem["type"] == "missing":
            raise ConfigError(f"{key}: expected a value, got none") from None
        text = problem["msg"].removeprefix("Input should be ")
        got = problem["input"]
        raise ConfigError(
            f"{key}: expected {text}, got {short_repr(got)}{_hint(text, got)}"
        ) from None


def _with_key(error: ConfigError, key: str) -> str:
    """Returns the message of a dataclass, with the key of that unless it names one itself."""
    text = str(error)
    return text if not key or text.startswith(f"{key}.") else f"{key}: {text}"


def _hint(expected: str, got: object) -> str:
    if isinstance(got, bool) and "string" in expected:
        return "; YAML reads no, off, on and yes as false and true: put a word in quotes"
    if isinstance(got, str) and ("number" in expected or "integer" in expected):
        return "; a number stands without quotes"
    return ""


def _plain(value: object) -> object:
    """Returns the JSON form of a value of another type."""
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    raise ConfigError(f"expected plain values, got {short_repr(value)}")


def _check_values(value: object, key: str) -> None:
    """Refuses values that no setting can have: infinite numbers, keys that are not strings."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if not isinstance(name, str):
                raise ConfigError(
                    f"{key or 'config'}: expected words as keys, got {short_repr(name)}; put it in "
                    "quotes"
                )
            _check_values(inner, f"{key}.{name}" if key else name)
    elif isinstance(value, list | tuple):
        for n, inner in enumerate(value):
            _check_values(inner, f"{key}.{n}")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{key}: expected a finite number, got {value}")
    elif isinstance(value, int) and abs(value) > LARGEST_WHOLE:
        raise ConfigError(f"{key}: expected at most {LARGEST_WHOLE}, got {short_repr(value)}")
    elif isinstance(value, str) and "\0" in value:
        raise ConfigError(f"{key}: expected text without NUL characters, got {short_repr(value)}")
    elif isinstance(value, bytes | set | datetime.date):
        raise ConfigError(
            f"{key}: expected a plain value, got {short_repr(value)}; put text in quotes"
        )


def layered(
    path: str | Path | None,
    words: Sequence[str],
    options: Mapping[str, Any] | None = None,
    *,
    example: str,
    base: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Returns a tree of a YAML file, overridden by single keys, then by options.

    Args:
        path: A YAML file, or `None`.
        words: Arguments of the option `--set`.
        options: Values by dotted key; those of `None` change nothing.
        example: Example in the message about a wrong one.
        base: The tree that all of them override.

    Raises:
        ConfigError: The file cannot be read, or one of `words` is not KEY=VALUE.
    """
    tree = _joined(base or {}, tree_of_file(path))
    lay_words(tree, words, example=example)
    for key, value in (options or {}).items():
        if value is not None:
            lay(tree, key.split("."), value)
    return tree


def tree_of_file(path: str | Path | None) -> dict[str, Any]:
    """Returns the tree of a YAML file; an empty one for `None`.

    Raises:
        ConfigError: The file cannot be read.
    """
    if path is None:
        return {}
    from tracker.util.yaml_text import read_yaml

    return read_yaml(path)


def _joined(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a new tree; where both have a value, the upper one's."""
    tree: dict[str, Any] = {}
    for key in (*lower, *(key for key in upper if key not in lower)):
        value = upper.get(key, lower.get(key))
        if isinstance(value, Mapping):
            below = lower.get(key)
            tree[key] = _joined(below if isinstance(below, Mapping) else {}, value)
        else:
            tree[key] = value
    return tree


def lay_words(tree: dict[str, Any], words: Sequence[str], *, example: str) -> None:
    """Applies arguments such as `tracking.max_age_s=4` to a tree; the value is read as YAML.

    Args:
        tree: Changed in place.
        words: Arguments of the option `--set`.
        example: Example in the message.

    Raises:
        ConfigError: One is not KEY=VALUE.
    """
    if not words:
        return
    from tracker.util.yaml_text import parse_yaml_value

    for word in words:
        key, equals, text = word.partition("=")
        if not equals or not key:
            raise ConfigError(f"--set {word}: expected KEY=VALUE, such as {example}")
        try:
            value = parse_yaml_value(text)
        except ConfigError as error:
            shown = word if len(word) <= 80 else f"{word[:80]}..."
            raise ConfigError(
                f"--set {shown}: the value is not readable as YAML: {error}"
            ) from None
        lay(tree, key.split("."), value)


def lay(tree: dict[str, Any], keys: Sequence[str], value: Any) -> None:
    """Sets one value of a tree.

    Args:
        tree: Changed in place.
        keys: The path of keys to the value.
        value: The value.

    Raises:
        ConfigError: There is a value where keys are expected.
    """
    for depth, key in enumerate(keys[:-1]):
        below = tree.setdefault(key, {})
        if not isinstance(below, dict):
            raise ConfigError(f"{'.'.join(keys[: depth + 1])}: has no keys below it")
        tree = below
    tree[keys[-1]] = value


def _check_keys(tree: Mapping[str, Any], node: type, prefix: str) -> None:
    types = typing.get_type_hints(node)
    known = [field.name for field in dataclasses.fields(node)]
    for key, value in tree.items():
        if key not in known:
            hint = nearest(str(key), known) or f"; known: {', '.join(known)}"
            shown = key if isinstance(key, str) else short_repr(key)
            raise ConfigError(f"unknown key {prefix}{shown}{hint}")
        if (below := dataclass_of(types[key])) is not None:
            if value is not None or types[key] is below:
                _check_below(value, below, f"{prefix}{key}")
        elif isinstance(value, list | tuple) and (inner := _entry_type(types[key])) is not None:
            for number, entry in enumerate(value):
                if not isinstance(entry, inner):
                    _check_below(entry, inner, f"{prefix}{key}.{number}")


def _check_below(value: object, node: type, key: str) -> None:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{key}: expected keys below it, got {short_repr(value)}")
    _check_keys(value, node, f"{key}.")


def dataclass_of(hint: Any) -> type | None:
    """Returns the dataclass `X` of the types `X` and `X | None`; `None` for other types."""
    for one in (hint, *typing.get_args(hint)):
        if isinstance(one, type) and dataclasses.is_dataclass(one):
            return None if typing.get_origin(hint) is tuple else one
    return None


def _entry_type(hint: Any) -> type | None:
    """Returns the dataclass `X` of a type `tuple[X, ...]`; `None` for other types."""
    parts = typing.get_args(hint)
    if typing.get_origin(hint) is not tuple or not parts or not dataclasses.is_dataclass(parts[0]):
        return None
    return typing.cast(type, parts[0])
