"""`zones.yaml`: reading it, writing it, and its JSON Schema for editors."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter

from tracker.analytics.settings import AnalyticsSettings
from tracker.errors import ConfigError
from tracker.util.settings_schema import DRAFT, object_schema
from tracker.util.settings_tree import settings_from
from tracker.util.yaml_text import read_yaml


@cache
def _adapter() -> TypeAdapter[AnalyticsSettings]:
    return TypeAdapter(AnalyticsSettings)


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
    return settings_from(_adapter(), AnalyticsSettings, tree)


def zones_tree(settings: AnalyticsSettings) -> dict[str, Any]:
    """Returns the settings as plain JSON types, without what has its default."""
    tree: dict[str, Any] = _adapter().dump_python(settings, mode="json", exclude_defaults=True)
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
        "$schema": DRAFT,
        "title": "zones.yaml of tracker",
        **object_schema(AnalyticsSettings),
    }
