"""Zones and lines of sources, kept in YAML files."""

import dataclasses
import os
import stat
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tracker.analytics.analyser import Analyser
from tracker.analytics.settings import (
    AnalyticsSettings,
    Calibration,
    Point,
    Units,
    pixel_scale,
)
from tracker.config.zones import zones_from, zones_text, zones_tree
from tracker.errors import ConfigError, OutputError
from tracker.frames import VideoInfo
from tracker.serve.commented_yaml import with_values
from tracker.tracks import RunInfo
from tracker.util.atomic_file import make_parent, replace_text
from tracker.util.yaml_text import read_yaml

_COMMENT = "Written by tracker serve"
_WRITABLE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
_MARK = "\ufeff"
"""The byte order mark, with which some editors begin a file."""


class ZoneFile:
    """A file such as `zones.yaml`, which need not exist yet.

    Args:
        path: The file; `None` for zones that are kept in memory only.
        otherwise: The zones where there is no file.
    """

    def __init__(self, path: Path | None, otherwise: AnalyticsSettings) -> None:
        self.path = path
        self._otherwise = otherwise
        self._lock = threading.Lock()

    def load(self) -> AnalyticsSettings:
        """Returns the zones; a file without any is allowed.

        Raises:
            ConfigError: The file cannot be read, or has an unknown key or a wrong value.
        """
        if self.path is None or not self.path.exists():
            return self._otherwise
        tree = read_yaml(self.path)
        try:
            return zones_from(tree)
        except ConfigError as error:
            raise ConfigError(f"{self.path}: {error}") from None

    def save(self, zones: AnalyticsSettings) -> None:
        """Replaces the file at once; comments of the old one stay.

        A file whose text cannot be changed in place, because of anchors for example, is kept beside
        the new one as `.bak`. Of a symbolic link, the file behind it is replaced.

        Raises:
            OutputError: It cannot be written, or is read-only.
        """
        if self.path is None:
            return
        with self._lock:
            _check_not_read_only(self.path)
            make_parent(self.path)
            old = _old_text(self.path)
            text = None if old is None else _changed(self.path, old, zones)
            if old is not None and text is None:
                replace_text(self.path.with_name(f"{self.path.name}.bak"), old)
            replace_text(self.path, text or zones_text(zones, comment=_COMMENT))


def _check_not_read_only(path: Path) -> None:
    """Raises `OutputError` for a file that nobody may write, though its folder could be.

    The mode, not the right: root may write any file.
    """
    try:
        is_read_only = path.exists() and not path.stat().st_mode & _WRITABLE
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error
    if is_read_only or (path.exists() and not os.access(path, os.W_OK)):
        raise OutputError(
            f"{path}: cannot be written: it is read-only; allow it with chmod u+w, or name another "
            "file with --zones"
        )


def _old_text(path: Path) -> str | None:
    """Returns the text of a file with its line ends; `None` where there is none to keep."""
    if not path.exists():
        return None
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, ValueError) as error:
        raise OutputError(f"{path}: cannot be read before it is replaced: {error}") from None


def _changed(path: Path, old: str, zones: AnalyticsSettings) -> str | None:
    """Returns the old text with other zones; `None` if it cannot be changed in place.

    Byte order mark and line ends stay.
    """
    try:
        values = read_yaml(path)
    except ConfigError:  # A program or a person has damaged it since, or it is too deep.
        return None
    mark = _MARK if old.startswith(_MARK) else ""
    ends = "\r\n" if "\r\n" in old else "\n"
    plain = old.removeprefix(_MARK).replace("\r\n", "\n").replace("\r", "\n")
    text = with_values(plain, _values(values, zones))
    return None if text is None else mark + text.replace("\n", ends)


def _values(old: Mapping[str, Any], zones: AnalyticsSettings) -> Mapping[str, Any]:
    """Returns the values of the new file: default values that the old one has stay in it."""
    tree = zones_tree(zones)
    try:
        whole = _with_defaults(tree, old, zones_tree(zones_from(old)))
        return whole if zones_from(whole) == zones else tree
    except ConfigError:  # Old values that are wrong.
        return tree


def _with_defaults(
    tree: Mapping[str, Any], old: Mapping[str, Any], changes: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns values together with those of an old tree that are no changes of a default.

    Args:
        tree: The values, without those that are the defaults.
        old: The values of the old file.
        changes: The same without those that are the defaults.
    """
    whole = {**tree}
    for key, value in old.items():
        if key not in changes:
            whole.setdefault(key, value)
        elif key in tree and isinstance(value, list):
            known = {one["name"]: one for one in value if isinstance(one, dict) and "name" in one}
            changed = {one["name"]: one for one in changes[key] if isinstance(one, dict)}
            whole[key] = [
                _with_defaults(one, known[one["name"]], changed[one["name"]])
                if isinstance(one, dict) and one["name"] in known
                else one
                for one in tree[key]
            ]
    return whole


def document(zones: AnalyticsSettings, info: VideoInfo | None) -> dict[str, Any]:
    """Returns zones and lines in the form of `zones.yaml`, in pixels of the source's frames.

    Args:
        zones: The zones.
        info: The source; `None` if it was not opened yet, for coordinates as they are.
    """
    tree = zones_tree(zones if info is None else _in_frame_pixels(zones, info))
    size = {} if info is None else {"size": [info.width, info.height]}
    return {"units": "pixels", "zones": [], "lines": [], **tree, **size}


def zones_of_document(
    tree: Mapping[str, Any], info: VideoInfo | None, run: RunInfo | None
) -> AnalyticsSettings:
    """Returns the zones of a document, checked against the source.

    Args:
        tree: The document; pixels without a size are those of the source's frames.
        info: The source, if it was opened.
        run: Its run, for the names of classes, if there is one.

    Raises:
        ConfigError: A key is unknown, or a value is wrong.
    """
    zones = zones_from(tree)
    if info is None:
        return zones
    if zones.units is Units.PIXELS and zones.size is None:
        zones = dataclasses.replace(zones, size=(info.width, info.height))
    if run is not None:
        size = info.stored_size or (info.width, info.height)
        Analyser(zones, size, run.class_names)
    return zones


def _in_frame_pixels(zones: AnalyticsSettings, info: VideoInfo) -> AnalyticsSettings:
    x, y = pixel_scale(zones, info.stored_size or (info.width, info.height))
    stored_x, stored_y = info.stored_scale
    scale = x / stored_x, y / stored_y

    def scaled(points: tuple[Point, ...]) -> tuple[Point, ...]:
        return tuple((round(a * scale[0], 2), round(b * scale[1], 2)) for a, b in points)

    def pair(points: tuple[Point, Point]) -> tuple[Point, Point]:
        first, second = scaled(points)
        return first, second

    def ground(calibration: Calibration) -> Calibration:
        length = calibration.length
        if length is not None:
            length = dataclasses.replace(length, image=pair(length.image))
        return dataclasses.replace(calibration, image=scaled(calibration.image), length=length)

    return dataclasses.replace(
        zones,
        units=Units.PIXELS,
        size=(info.width, info.height),
        zones=tuple(
            dataclasses.replace(
                zone,
                polygon=scaled(zone.polygon),
                direction=None if zone.direction is None else pair(zone.direction),
            )
            for zone in zones.zones
        ),
        lines=tuple(dataclasses.replace(line, points=scaled(line.points)) for line in zones.lines),
        calibration=None if zones.calibration is None else ground(zones.calibration),
    )
