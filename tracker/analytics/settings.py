"""Settings of analytics: zones, lines and the calibration of the ground, as in `zones.yaml`.

All are frozen; `resolved_settings` gives them in pixels of one frame size.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from tracker.errors import ConfigError
from tracker.util.check_types import check_finite, check_types

Point = tuple[float, float]
Word = TypeVar("Word", bound=StrEnum)


class Units(StrEnum):
    """Unit of the coordinates of zones, lines and image points."""

    PIXELS = "pixels"
    """Pixels of the stored frame, or of a frame of `size`."""
    SHARE = "share"
    """Shares of the frame's width and height, from 0 to 1."""


class Anchor(StrEnum):
    """The point of a box that is inside a zone or crosses a line."""

    BOTTOM = "bottom"
    """Middle of the lower edge: where an object stands on the ground."""
    CENTER = "center"
    TOP = "top"
    """Middle of the upper edge."""


ANCHOR_SHARES = {Anchor.BOTTOM: (0.5, 1.0), Anchor.CENTER: (0.5, 0.5), Anchor.TOP: (0.5, 0.0)}
"""Place of an anchor in a box, as shares of its width and height."""


@dataclass(frozen=True, slots=True)
class Zone:
    """An area of the image.

    Attributes:
        name: Name, unique among zones.
        polygon: Three or more corners; the polygon is closed by itself.
        classes: Names of the classes that count; empty for all.
        anchor: Point of the box that must be inside; `None` for that of the class
            (`AnalyticsSettings.anchors`).
        inside_share: Share of the box's area that must be inside instead of the anchor, in (0, 1];
            `None` for the anchor.
        dwell_s: Seconds of one visit after which `dwell_exceeded` is reported, > 0.
        loiter_s: Seconds of all visits of one track together after which `loitering` is reported,
            > 0.
        stop_s: Seconds without motion after which `stopped` is reported, > 0. Such tracks are the
            queue of the zone.
        max_speed_kmh: Speed on the ground above which `speed_exceeded` is reported, > 0; needs a
            calibration.
        direction: Start and end of an arrow in the allowed direction; motion against it is
            reported as `wrong_way`.

    Raises:
        ConfigError: A value is out of range, or the polygon has no area.
    """

    name: str
    polygon: tuple[Point, ...]
    classes: tuple[str, ...] = ()
    anchor: Anchor | None = None
    inside_share: float | None = None
    dwell_s: float | None = None
    loiter_s: float | None = None
    stop_s: float | None = None
    max_speed_kmh: float | None = None
    direction: tuple[Point, Point] | None = None

    def __post_init__(self) -> None:
        _check_named(self, self.name, "zone")
        _check_points(self.polygon, f"zone {self.name!r}: polygon", least=3)
        if _is_flat(self.polygon):
            raise ConfigError(
                f"zone {self.name!r}: polygon: expected corners around an area, got all on one line"
            )
        for name in ("dwell_s", "loiter_s", "stop_s", "max_speed_kmh"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigError(f"zone {self.name!r}: {name}: expected a number > 0, got {value}")
        if self.inside_share is not None and not 0 < self.inside_share <= 1:
            raise ConfigError(
                f"zone {self.name!r}: inside_share: expected a number in (0, 1], got "
                f"{self.inside_share}"
            )
        if self.inside_share is not None and self.anchor is not None:
            raise ConfigError(
                f"zone {self.name!r}: expected anchor or inside_share, got both; leave one out"
            )
        if self.direction is not None:
            _check_points(self.direction, f"zone {self.name!r}: direction", least=2)
            if self.direction[0] == self.direction[1]:
                raise ConfigError(f"zone {self.name!r}: direction: expected two different points")


@dataclass(frozen=True, slots=True)
class Line:
    """A directed line of one or more straight pieces.

    An object that crosses it from the left to the right, as seen when looking from the first point
    to the last, crosses it "in"; the other way is "out".

    Attributes:
        name: Name, unique among lines.
        points: Two or more points.
        classes: Names of the classes that count; empty for all.
        anchor: Point of the box that crosses; `None` for that of the class.

    Raises:
        ConfigError: A value is out of range, or the line has no length.
    """

    name: str
    points: tuple[Point, ...]
    classes: tuple[str, ...] = ()
    anchor: Anchor | None = None

    def __post_init__(self) -> None:
        _check_named(self, self.name, "line")
        _check_points(self.points, f"line {self.name!r}: points", least=2)
        for start, end in zip(self.points, self.points[1:], strict=False):
            if start == end:
                raise ConfigError(
                    f"line {self.name!r}: points: expected each to differ from the one before, got "
                    f"{list(start)} twice"
                )


@dataclass(frozen=True, slots=True)
class KnownLength:
    """A length on the ground.

    Attributes:
        image: Its two ends in the image.
        metres: Its length, > 0.
    """

    image: tuple[Point, Point]
    metres: float

    def __post_init__(self) -> None:
        check_types(self)
        check_finite(self)
        _check_points(self.image, "calibration.length.image", least=2)
        if not self.metres > 0:
            raise ConfigError(f"calibration.length.metres: expected > 0, got {self.metres}")


@dataclass(frozen=True, slots=True)
class Calibration:
    """Where points of the image are on the ground, which is taken for a plane.

    Either `image` and `ground`, or `length` and `tilt_deg`.

    Attributes:
        image: Four or more points of the ground in the image, no three of four on one line.
        ground: The same points on the ground in metres, x and y, from any origin.
        length: A known length on the ground.
        tilt_deg: Angle of the optical axis below the horizon in degrees, in (0, 90]; the camera
            is not rolled.
        view_deg: Horizontal angle of view in degrees, in (0, 180); used with `tilt_deg`.

    Raises:
        ConfigError: Both or neither of the two ways are given, or a value is out of range.
    """

    image: tuple[Point, ...] = ()
    ground: tuple[Point, ...] = ()
    length: KnownLength | None = None
    tilt_deg: float | None = None
    view_deg: float = 60.0

    def __post_init__(self) -> None:
        check_types(self)
        check_finite(self)
        has_points = bool(self.image or self.ground)
        has_tilt = self.length is not None or self.tilt_deg is not None
        if has_points == has_tilt:
            raise ConfigError(
                "calibration: expected either 'image' and 'ground', or 'length' and 'tilt_deg', "
                f"got {'both' if has_points else 'neither'}"
            )
        if has_points:
            _check_points(self.image, "calibration.image", least=4)
            _check_points(self.ground, "calibration.ground", least=4)
            if len(self.image) != len(self.ground):
                raise ConfigError(
                    f"calibration: expected a point on the ground for each of {len(self.image)} "
                    f"points of the image, got {len(self.ground)}"
                )
            return
        if self.length is None or self.tilt_deg is None:
            missing = "length" if self.length is None else "tilt_deg"
            raise ConfigError(f"calibration: expected 'length' and 'tilt_deg', got no {missing!r}")
        if not 0 < self.tilt_deg <= 90:
            raise ConfigError(f"calibration.tilt_deg: expected (0, 90], got {self.tilt_deg}")
        if not 0 < self.view_deg < 180:
            raise ConfigError(f"calibration.view_deg: expected (0, 180), got {self.view_deg}")


@dataclass(frozen=True, slots=True)
class AnalyticsSettings:
    """What is counted and measured; the keys of `zones.yaml`.

    Attributes:
        units: Unit of all coordinates of the image.
        size: With pixels: width and height of the frame that they were drawn in, if it is not the
            size of the source; they are scaled.
        anchors: Anchor by class; `bottom` for others.
        hysteresis: How far an anchor has to be beyond the border of a zone, or a line, until the
            crossing counts, as a share of the height of the box, >= 0; with `inside_share`: the
            difference of the share.
        lost_after_s: Seconds without a detection after which a track has ended, > 0.
        speed_window_s: Seconds over which speed is measured, > 0.
        zones: The zones.
        lines: The lines.
        calibration: Where image points are on the ground; `None` for no speeds and distances.

    Raises:
        ConfigError: A value is out of range, two names are equal, or `max_speed_kmh` has no
            calibration.
    """

    units: Units = Units.PIXELS
    size: tuple[int, int] | None = None
    anchors: dict[str, Anchor] = field(default_factory=dict)
    hysteresis: float = 0.1
    lost_after_s: float = 3.0
    speed_window_s: float = 1.0
    zones: tuple[Zone, ...] = ()
    lines: tuple[Line, ...] = ()
    calibration: Calibration | None = None

    def __post_init__(self) -> None:
        check_types(self)
        object.__setattr__(self, "units", _member_of(Units, self.units, "units"))
        anchors = {
            name: _member_of(Anchor, anchor, f"anchors.{name}")
            for name, anchor in self.anchors.items()
        }
        object.__setattr__(self, "anchors", anchors)
        allowed = {
            "size": (self.size is None or min(self.size) >= 1, "a width and height >= 1"),
            "hysteresis": (self.hysteresis >= 0, ">= 0"),
            "lost_after_s": (self.lost_after_s > 0, "> 0"),
            "speed_window_s": (self.speed_window_s > 0, "> 0"),
        }
        for name, (is_allowed, expected) in allowed.items():
            if not is_allowed:
                raise ConfigError(f"{name}: expected {expected}, got {getattr(self, name)}")
        check_finite(self)
        for kind, shapes in (("zone", self.zones), ("line", self.lines)):
            _check_unique([shape.name for shape in shapes], kind)
        if self.units is Units.SHARE and self.size is not None:
            raise ConfigError("size: it belongs to units: pixels, got units: share; leave it out")
        self._check_range()
        for zone in self.zones:
            if zone.max_speed_kmh is not None and self.calibration is None:
                raise ConfigError(
                    f"zone {zone.name!r}: max_speed_kmh needs a calibration of the ground"
                )

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to measure."""
        return not (self.zones or self.lines or self.calibration)

    def _check_range(self) -> None:
        """Refuses coordinates that are of the other unit."""
        shapes = [(f"zone {zone.name!r}", zone.polygon) for zone in self.zones]
        shapes += [(f"line {line.name!r}", line.points) for line in self.lines]
        for name, points in shapes:
            largest = max(abs(value) for point in points for value in point)
            if self.units is Units.SHARE and largest > 10:
                raise ConfigError(
                    f"{name}: expected shares of the frame from 0 to 1, got {largest:g}; for "
                    "pixels set units: pixels"
                )
            if self.units is Units.PIXELS and largest <= 1:
                raise ConfigError(
                    f"{name}: expected pixels, got coordinates of at most {largest:g}; for shares "
                    "of the frame set units: share"
                )


def _check_named(shape: Zone | Line, name: str, kind: str) -> None:
    check_types(shape)
    check_finite(shape)
    if shape.anchor is not None:
        anchor = _member_of(Anchor, shape.anchor, f"{kind} {name!r}: anchor")
        object.__setattr__(shape, "anchor", anchor)
    if not name or not name.isprintable() or name != name.strip():
        raise ConfigError(f"{kind}: name: expected printable text, got {name!r}")


def _member_of(kind: type[Word], value: str, name: str) -> Word:
    """Returns a word of an enumeration, which in Python may also be given as text."""
    try:
        return kind(value)
    except ValueError:
        *words, last = (word.value for word in kind)
        expected = f"{', '.join(words)} or {last}"
        raise ConfigError(f"{name}: expected {expected}, got {value!r}") from None


def _check_points(points: Sequence[Point], name: str, *, least: int) -> None:
    if len(points) < least:
        raise ConfigError(f"{name}: expected {least} or more points, got {len(points)}")
    for point in points:
        if len(point) != 2 or not all(math.isfinite(value) for value in point):
            raise ConfigError(f"{name}: expected points [x, y] of finite numbers, got {point}")


def _check_unique(names: Sequence[str], kind: str) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise ConfigError(f"{kind} {name!r}: expected different names, got this one twice")


def _is_flat(points: Sequence[Point]) -> bool:
    """Returns whether all points are on one straight line.

    Not whether the area is 0: the two halves of a polygon that crosses itself have opposite signs.
    """
    x, y = points[0]
    steps = [(a - x, b - y) for a, b in points[1:]]
    dx, dy = max(steps, key=lambda step: math.hypot(*step))
    return all(dx * b - dy * a == 0 for a, b in steps)


def pixel_scale(settings: AnalyticsSettings, size: tuple[int, int]) -> Point:
    """Returns the factors for x and y from coordinates of the settings to pixels of a frame.

    Args:
        settings: The settings.
        size: Width and height of the stored frame.
    """
    if settings.units is Units.SHARE:
        return float(size[0]), float(size[1])
    if settings.size is None:
        return 1.0, 1.0
    return size[0] / settings.size[0], size[1] / settings.size[1]
