"""Polygons and lines of CVAT (XML) and LabelMe (JSON) as zones and lines."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

from tracker.analytics.settings import AnalyticsSettings, Line, Point, Zone
from tracker.errors import ConfigError, DataError, SourceError
from tracker.track_files.cvat import cvat_root
from tracker.util.json_text import parse_json
from tracker.util.paths import unreadable_text
from tracker.util.short_repr import short_repr


class Shape(NamedTuple):
    """A named polygon or line."""

    name: str
    points: tuple[Point, ...]
    is_closed: bool


def settings_from_annotations(path: str) -> AnalyticsSettings:
    """Returns the polygons of a file as zones, and its lines as lines, in pixels of its image.

    CVAT: `polygon`, `box` and `polyline`; of a track of a video, the first. LabelMe: `polygon`,
    `rectangle`, `line` and `linestrip`. Names that occur again get a number.

    Args:
        path: XML that CVAT wrote, for images or video, or JSON of LabelMe.

    Raises:
        SourceError: It cannot be read.
        DataError: It is malformed, or has no such shapes.
        ConfigError: A polygon has no area, or a line no length.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise SourceError(f"{path}: {unreadable_text(path, error)}") from error
    is_json = content.lstrip()[:1] == b"{"
    try:
        size, shapes = _labelme(content) if is_json else _cvat(content)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    if not shapes:
        raise DataError(f"{path}: expected polygons or lines, got none")
    try:
        return settings_of(shapes, size)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def settings_of(shapes: Sequence[Shape], size: tuple[int, int] | None) -> AnalyticsSettings:
    """Returns the settings of shapes, each under a name of its own.

    Args:
        shapes: The shapes.
        size: Width and height of their image.
    """
    zones: list[Zone] = []
    lines: list[Line] = []
    for shape in shapes:
        if shape.is_closed:
            zones.append(Zone(_new_name(shape.name, [z.name for z in zones]), shape.points))
        else:
            lines.append(Line(_new_name(shape.name, [line.name for line in lines]), shape.points))
    return AnalyticsSettings(size=size, zones=tuple(zones), lines=tuple(lines))


def _new_name(name: str, taken: Sequence[str]) -> str:
    number, new = 1, name
    while new in taken:
        number += 1
        new = f"{name}-{number}"
    return new


def _labelme(content: bytes) -> tuple[tuple[int, int] | None, list[Shape]]:
    document = parse_json(content)
    found = document.get("shapes") if isinstance(document, dict) else None
    if not isinstance(found, list):
        raise DataError("expected LabelMe's JSON with a list 'shapes'")
    shapes = []
    for number, shape in enumerate(found):
        if not isinstance(shape, dict):
            raise DataError(f"shapes[{number}]: expected an object, got {short_repr(shape)}")
        kind = shape.get("shape_type", "polygon")
        points = _labelme_points(shape.get("points"), number)
        name = str(shape.get("label", "")).strip() or "zone"
        if kind == "rectangle" and len(points) == 2:
            shapes.append(Shape(name, _corners(*points[0], *points[1]), True))
        elif kind in {"polygon", "line", "linestrip"}:
            shapes.append(Shape(name, points, kind == "polygon"))
    return _size(document.get("imageWidth"), document.get("imageHeight")), shapes


def _labelme_points(found: object, number: int) -> tuple[Point, ...]:
    try:
        return tuple((float(x), float(y)) for x, y in found)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        raise DataError(
            f"shapes[{number}].points: expected a list of [x, y], got {short_repr(found)}"
        ) from None


def _cvat(content: bytes) -> tuple[tuple[int, int] | None, list[Shape]]:
    root = cvat_root(content, expected="XML of CVAT or JSON of LabelMe")
    image = root.find("image")
    if image is not None:
        return _size(image.get("width"), image.get("height")), list(_cvat_shapes(image))
    shapes = []
    for track in root.iter("track"):
        shapes += list(_cvat_shapes(track, label=track.get("label")))[:1]
    meta = root.find(".//original_size")
    width, height = (
        (None, None) if meta is None else (meta.findtext("width"), meta.findtext("height"))
    )
    return _size(width, height), shapes


def _cvat_shapes(parent: ElementTree.Element, *, label: str | None = None) -> Iterator[Shape]:
    for element in parent:
        name = (label or element.get("label") or "").strip() or "zone"
        place = f"<{element.tag}> {name!r}"
        if element.tag in {"polygon", "polyline"}:
            pairs = [pair.split(",") for pair in element.get("points", "").split(";")]
            points = tuple(_numbers(pair, 2, place) for pair in pairs)
            yield Shape(name, tuple((x, y) for x, y in points), element.tag == "polygon")
        elif element.tag == "box":
            words = [element.get(key, "") for key in ("xtl", "ytl", "xbr", "ybr")]
            x1, y1, x2, y2 = _numbers(words, 4, place)
            yield Shape(name, _corners(x1, y1, x2, y2), True)


def _numbers(words: Sequence[str], count: int, place: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(word) for word in words)
    except ValueError:
        numbers = ()
    if len(numbers) != count:
        raise DataError(f"{place}: expected {count} numbers, got {short_repr(list(words))}")
    return numbers


def _corners(x1: float, y1: float, x2: float, y2: float) -> tuple[Point, ...]:
    return (x1, y1), (x2, y1), (x2, y2), (x1, y2)


def _size(width: Any, height: Any) -> tuple[int, int] | None:
    try:
        found = int(width), int(height)
    except (TypeError, ValueError):
        return None
    return found if min(found) >= 1 else None
