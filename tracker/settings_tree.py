"""Trees of frozen settings from YAML files and `key=value` words, with errors that name the key.

Comes in: a dataclass with its type adapter, nested mappings, words. Goes out: a checked instance.
An unknown key, a wrong type or a value out of range is a `ConfigError`.
"""

import dataclasses
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

from tracker.errors import ConfigError, nearest
from tracker.util.paths import unreadable_text

Settings = TypeVar("Settings")


def settings_from(
    adapter: TypeAdapter[Settings], kind: type[Settings], tree: Mapping[str, Any]
) -> Settings:
    """Returns the settings that a nested mapping describes; what it lacks has its default.

    Args:
        adapter: Of the dataclass.
        kind: The dataclass, whose fields may be dataclasses in turn.
        tree: Keys and values.

    Raises:
        ConfigError: A key is unknown, or a value has the wrong type or range.
    """
    _check_keys(tree, kind, "")
    try:
        return adapter.validate_python(dict(tree))
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(str(part) for part in problem["loc"]) or "config"
        cause = problem.get("ctx", {}).get("error")
        if isinstance(cause, ConfigError):
            names_key = not problem["loc"] or str(cause).startswith(f"{key}.")
            raise ConfigError(str(cause) if names_key else f"{key}: {cause}") from None
        text = problem["msg"].removeprefix("Input should be ")
        raise ConfigError(f"{key}: expected {text}, got {problem['input']!r}") from None


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Returns the mapping that a YAML file holds.

    Raises:
        ConfigError: It cannot be read, is not YAML, or does not hold a mapping.
    """
    try:
        tree = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {unreadable_text(path, error)}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = getattr(error, "problem_mark", None)
        line = f", line {where.line + 1}" if where is not None else ""
        raise ConfigError(f"{path}{line}: not YAML; see configs/ for examples") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: expected keys and values, got a {type(tree).__name__}")
    return tree


def layered(
    path: str | Path | None,
    words: Sequence[str],
    options: Mapping[str, Any] | None = None,
    *,
    example: str,
    base: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Returns a tree of a YAML file, then single keys, then options laid over each other.

    Args:
        path: A YAML file, or `None`.
        words: Of the option `--set`.
        options: Values by dotted key; those of `None` change nothing.
        example: What a message about a word shows.
        base: What lies below all of them.

    Raises:
        ConfigError: The file cannot be read, or a word is no such pair.
    """
    tree = _joined(base or {}, read_yaml(path) if path is not None else {})
    lay_words(tree, words, example=example)
    for key, value in (options or {}).items():
        if value is not None:
            lay(tree, key.split("."), value)
    return tree


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
    """Lays words such as `tracking.min_iou=0.4` over a tree; the value is read as YAML.

    Args:
        tree: Is changed.
        words: Of the option `--set`.
        example: What a message shows.

    Raises:
        ConfigError: A word is no such pair.
    """
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or not key:
            raise ConfigError(f"--set {word}: expected KEY=VALUE, such as {example}")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            raise ConfigError(f"--set {word}: the value is not readable as YAML") from None
        lay(tree, key.split("."), value)


def lay(tree: dict[str, Any], keys: Sequence[str], value: Any) -> None:
    """Sets one value of a tree.

    Args:
        tree: Is changed.
        keys: The way to the value.
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
            raise ConfigError(f"unknown key {prefix}{key}{hint}")
        if dataclasses.is_dataclass(types[key]):
            if not isinstance(value, Mapping):
                raise ConfigError(f"{prefix}{key}: expected keys below it, got {value!r}")
            _check_keys(value, typing.cast(type, types[key]), f"{prefix}{key}.")
