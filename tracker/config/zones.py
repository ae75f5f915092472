"""`zones.yaml`: reading it, writing it, and its JSON Schema for editors."""

import dataclasses
import re
import typing
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter

from tracker.analytics.settings import AnalyticsSettings
from tracker.errors import ConfigError
from tracker.util.settings_tree import dataclass_of, settings_from
from tracker.util.yaml_text import read_yaml

_ADAPTER = TypeAdapter(AnalyticsSettings)


def load_zones(path: str | Path) -> AnalyticsSettings:
    """Returns the settings of a file such as `zones.yaml`.

    Raises:
        ConfigError: It cannot be read, has an unknown key or a wrong value, or neither zones nor
            lines nor a calibration.
    """
    tree = read_yaml(path)
    try:
        settings = zones_from(tree)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    if settings.is_empty:
        raise ConfigError(f"{path}: expected zones, lines or a calibration, got none of them")
    return settings


def zones_from(tree: Mapping[str, Any]) -> AnalyticsSettings:
    """Returns the settings of a nested mapping.

    Raises:
        ConfigError: A key is unknown, or a value has the wrong type or range.
    """
    return settings_from(_ADAPTER, AnalyticsSettings, tree)


def zones_tree(settings: AnalyticsSettings) -> dict[str, Any]:
    """Returns the settings as plain JSON types, without what has its default."""
    tree: dict[str, Any] = _ADAPTER.dump_python(settings, mode="json", exclude_defaults=True)
    return tree


def zones_text(settings: AnalyticsSettings, *, comment: str = "") -> str:
    """Returns the settings as YAML, points in one line each.

    Args:
        settings: The settings.
        comment: Text of the first line.
    """
    body = yaml.dump(zones_tree(settings), Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    return f"# {comment}\n{body}" if comment else body


class _Dumper(yaml.SafeDumper):
    """Block style, but lists of numbers, and lists of such, in one line."""

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> Any:
        flat = all(
            isinstance(one, int | float) or (isinstance(one, list) and len(one) == 2)
            for one in sequence
        )
        return super().represent_sequence(tag, sequence, flow_style=flat or None)


def zones_schema() -> dict[str, Any]:
    """Returns the JSON Schema 2020-12 of `zones.yaml`, with the descriptions of the settings."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "zones.yaml of tracker",
        **_object_schema(AnalyticsSettings),
    }


def _object_schema(kind: type) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    described = _descriptions(kind)
    properties, required = {}, []
    for field in dataclasses.fields(kind):
        schema = _schema_of(hints[field.name])
        properties[field.name] = {"description": described[field.name], **schema}
        default = field.default
        if default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            required.append(field.name)
        elif isinstance(default, Enum):
            properties[field.name]["default"] = default.value
        elif isinstance(default, str | int | float):
            properties[field.name]["default"] = default
    found: dict[str, Any] = {"type": "object", "additionalProperties": False}
    if required:
        found["required"] = required
    return found | {"properties": properties}


def _schema_of(hint: Any) -> dict[str, Any]:
    below = dataclass_of(hint)
    if below is not None:
        return _object_schema(below)
    inner = [one for one in typing.get_args(hint) if one is not type(None)]
    if typing.get_origin(hint) is tuple:
        several = {"type": "array", "items": _schema_of(inner[0])}
        size = len(inner)
        return several if ... in inner else several | {"minItems": size, "maxItems": size}
    if typing.get_origin(hint) is dict:
        return {"type": "object", "additionalProperties": _schema_of(inner[1])}
    if inner:
        return _schema_of(inner[0])
    if issubclass(hint, Enum):
        return {"enum": [word.value for word in hint]}
    return {"type": {str: "string", int: "integer", float: "number"}[hint]}


def _descriptions(kind: type) -> dict[str, str]:
    """Returns the text of each attribute in the docstring of a class."""
    text = (kind.__doc__ or "").partition("Attributes:\n")[2].partition("\n\n")[0]
    found: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        match = re.match(r" {8}(\w+): (.*)", line)
        if match:
            name = match[1]
            found[name] = match[2]
        elif name:
            found[name] += f" {line.strip()}"
    return found
