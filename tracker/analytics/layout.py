"""From settings to the groups of shapes that are observed together."""

from collections.abc import Sequence

import numpy as np

from tracker.analytics.membership import Group
from tracker.analytics.settings import AnalyticsSettings, Anchor, Line, Point, Zone
from tracker.analytics.shapes import AreaShapes, PointShapes
from tracker.errors import ConfigError, nearest
from tracker.util.arrays import BoolArray, Float64Array


def allowed_classes(
    shapes: Sequence[Zone] | Sequence[Line], class_names: Sequence[str], kind: str
) -> BoolArray:
    """Returns `(classes, shapes)` whether a shape counts a class.

    Raises:
        ConfigError: A shape names a class that the detector does not have.
    """
    allowed = np.ones((len(class_names), len(shapes)), np.bool_)
    for column in range(len(shapes)):
        shape: Zone | Line = shapes[column]
        for name in shape.classes:
            _check_class(name, class_names, f"{kind} {shape.name!r}: classes")
        if shape.classes:
            allowed[:, column] = [name in shape.classes for name in class_names]
    return allowed


def groups_of(settings: AnalyticsSettings, scale: Point, class_names: Sequence[str]) -> list[Group]:
    """Returns the shapes of one frame size, those with the same anchor together.

    Args:
        settings: Zones and lines.
        scale: Factors for x and y from their coordinates to pixels.
        class_names: Names by class index.

    Raises:
        ConfigError: `anchors` names a class that the detector does not have.
    """
    for name in settings.anchors:
        _check_class(name, class_names, "anchors")
    by_class = {
        index: settings.anchors[name]
        for index, name in enumerate(class_names)
        if name in settings.anchors
    }
    groups = []
    for anchor in (None, *Anchor):
        group = _point_group(settings, scale, anchor, by_class if anchor is None else {})
        groups += [] if group is None else [group]
    areas = [n for n, zone in enumerate(settings.zones) if zone.inside_share is not None]
    if areas:
        groups.append(_area_group(settings, scale, areas))
    return groups


def pixel_points(points: Sequence[Point], scale: Point) -> Float64Array:
    """Returns `(n, 2)` float64 points in pixels."""
    result: Float64Array = np.array(points, np.float64) * scale
    return result


def _point_group(
    settings: AnalyticsSettings, scale: Point, anchor: Anchor | None, by_class: dict[int, Anchor]
) -> Group | None:
    zones = [
        n
        for n, zone in enumerate(settings.zones)
        if zone.anchor is anchor and zone.inside_share is None
    ]
    lines = [n for n, line in enumerate(settings.lines) if line.anchor is anchor]
    if not zones and not lines:
        return None
    shapes = PointShapes(
        [pixel_points(settings.zones[n].polygon, scale) for n in zones],
        [pixel_points(settings.lines[n].points, scale) for n in lines],
        anchor or Anchor.BOTTOM,
        by_class=by_class,
        hysteresis=settings.hysteresis,
    )
    return Group(shapes, np.array(zones, np.intp), np.array(lines, np.intp))


def _area_group(settings: AnalyticsSettings, scale: Point, zones: list[int]) -> Group:
    chosen = [settings.zones[n] for n in zones]
    shapes = AreaShapes(
        [pixel_points(zone.polygon, scale) for zone in chosen],
        np.array([zone.inside_share for zone in chosen], np.float64),
        settings.hysteresis,
    )
    return Group(shapes, np.array(zones, np.intp), np.zeros(0, np.intp))


def _check_class(name: str, class_names: Sequence[str], place: str) -> None:
    if name not in class_names:
        hint = nearest(name, class_names) or f"; known: {', '.join(class_names)}"
        raise ConfigError(f"{place}: {name!r} is no class of the detector{hint}")
