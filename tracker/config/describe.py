"""The configuration for people and editors: where values come from, what keys mean, a schema."""

import dataclasses
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

import yaml

from tracker.config.run import Config, load_config
from tracker.errors import ConfigError, nearest
from tracker.util.settings_schema import (
    DRAFT,
    descriptions,
    entry_of,
    enum_of,
    fields_of,
    object_schema,
    value_texts,
)
from tracker.util.settings_tree import lay_words
from tracker.util.yaml_text import read_yaml

_EXAMPLE = "tracking.max_age_s=4"
_WIDTH = 88


def config_schema() -> dict[str, Any]:
    """Returns the JSON Schema 2020-12 of the YAML files of `--config`."""
    return {"$schema": DRAFT, "title": "configuration of tracker", **object_schema(Config)}


def config_lines(
    path: str | Path | None, words: Sequence[str] = (), *, only_changed: bool = False
) -> list[str]:
    """Returns the effective configuration as YAML; comments name the origin of what is no default.

    Args:
        path: A YAML file, or `None`.
        words: Overrides, as arguments of `--set`.
        only_changed: Whether defaults are left out.

    Raises:
        ConfigError: The file cannot be read, or a key or value is wrong.
    """
    tree = load_config(path, words).to_json()
    from_words: dict[str, Any] = {}
    lay_words(from_words, words, example=_EXAMPLE)
    origins = dict.fromkeys(_leaves(read_yaml(path)), str(path)) if path is not None else {}
    origins |= dict.fromkeys(_leaves(from_words), "--set")
    return list(_yaml_lines(tree, origins, only_changed=only_changed))


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yields the dotted keys of all values that are no mappings."""
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def _yaml_lines(
    tree: Mapping[str, Any], origins: Mapping[str, str], *, only_changed: bool, prefix: str = ""
) -> Iterator[str]:
    indent = "  " * prefix.count(".")
    for key, value in tree.items():
        dotted = f"{prefix}{key}"
        if isinstance(value, Mapping) and value and dotted not in origins:
            below = _yaml_lines(value, origins, only_changed=only_changed, prefix=f"{dotted}.")
            lines = list(below)
            if lines:
                yield f"{indent}{key}:"
                yield from lines
        elif dotted in origins:
            yield f"{indent}{key}: {_flow(value)}  # {origins[dotted]}"
        elif not only_changed:
            yield f"{indent}{key}: {_flow(value)}"


def _flow(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10**6)
    return text.removesuffix("...\n").strip()


def setting_keys() -> list[str]:
    """Returns the dotted keys of all settings and sections, in the order of the configuration."""
    return list(_keys(Config, ""))


def _keys(kind: type, prefix: str) -> Iterator[str]:
    for name, hint in fields_of(kind).items():
        yield f"{prefix}{name}"
        below = entry_of(hint)
        if below is not None:
            yield from _keys(below, f"{prefix}{name}.")


def explained(key: str | None) -> list[str]:
    """Returns lines about a key: its meaning, type, default and values, or the keys below it.

    Args:
        key: A dotted key; `None` for the sections of the configuration.

    Raises:
        ConfigError: There is no such key.
    """
    kind: type = Config
    if key is None:
        return _section_lines(kind, "")
    *path, name = key.split(".")
    for depth, part in enumerate(path):
        below = entry_of(fields_of(kind).get(part))
        if below is None:
            raise _unknown(key, ".".join(path[: depth + 1]), kind)
        kind = below
    if name not in fields_of(kind):
        raise _unknown(key, key, kind)
    hint = fields_of(kind)[name]
    text = textwrap.wrap(descriptions(kind)[name], _WIDTH)
    below = entry_of(hint)
    if below is not None:
        return [f"{key}:", *(f"  {line}" for line in text), *_section_lines(below, f"{key}.")]
    return [f"{key}:", *(f"  {line}" for line in text), *_value_lines(kind, name, hint, key)]


def _unknown(key: str, part: str, kind: type) -> ConfigError:
    names = list(fields_of(kind))
    wrong = part.rpartition(".")[2]
    hint = nearest(wrong, names) or f"; known there: {', '.join(names)}"
    return ConfigError(f"unknown key {key}{hint}")


def _section_lines(kind: type, prefix: str) -> list[str]:
    texts = descriptions(kind)
    width = max(len(prefix + name) for name in texts)
    lines = []
    for name in fields_of(kind):
        first, *more = textwrap.wrap(texts[name], max(40, _WIDTH - width - 4))
        lines.append(f"  {prefix + name:<{width}}  {first}")
        lines += [" " * (width + 4) + line for line in more]
    return lines


def _value_lines(kind: type, name: str, hint: Any, key: str) -> list[str]:
    lines = []
    values = enum_of(hint)
    if values is not None:
        texts = value_texts(values)
        width = max(map(len, texts))
        lines = [f"  {value:<{width}}  {text}".rstrip() for value, text in texts.items()]
    field = next(field for field in dataclasses.fields(kind) if field.name == name)
    if field.default is dataclasses.MISSING:
        return [*lines, "  required"]
    default = field.default.value if isinstance(field.default, Enum) else field.default
    shown = _flow(list(default) if isinstance(default, tuple) else default)
    lines.append(f"  default: {shown}")
    # An entry of a list has no key of its own: `analytics.zones.dwell_s`.
    if not key.startswith(("analytics.zones.", "analytics.lines.")):
        lines.append(f"  on the command line: --set {key}=VALUE")
    return lines
