"""Points, segments and polygons as arrays: sides, insides, distances, crossings, shared areas.

`T` points or boxes, `E` segments, `Z` polygons. Pixels, y down.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tracker.util.arrays import BoolArray, Float64Array, IndexArray


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """`E` directed segments, those of one shape next to each other.

    Attributes:
        starts: `(E, 2)` float64.
        ends: `(E, 2)` float64.
        coefficients: `(3, E)` float64: `[x, y, 1] @ coefficients` is above 0 on the right of a
            segment, looking along it.
        first: `(S,)` index of the first segment of each shape.
    """

    starts: Float64Array
    ends: Float64Array
    coefficients: Float64Array
    first: IndexArray

    def __len__(self) -> int:
        return len(self.starts)


def segments_of(shapes: Sequence[Float64Array]) -> Segments:
    """Returns the pieces of open lines `(n, 2)`, each with two or more points."""
    starts = [shape[:-1] for shape in shapes]
    ends = [shape[1:] for shape in shapes]
    return _segments(starts, ends)


def unsure_sides(points: Float64Array, segments: Segments) -> BoolArray:
    """Returns `(T,)` whether rounding may decide on the side of a point.

    Such points are on the straight line through a segment, or hardly beside it.
    """
    homogeneous = np.empty((len(points), 3))
    homogeneous[:, :2] = points
    homogeneous[:, 2] = 1.0
    terms = np.abs(homogeneous) @ np.abs(segments.coefficients)
    is_near: BoolArray = np.abs(homogeneous @ segments.coefficients) <= 1e-12 * terms
    result: BoolArray = np.any(is_near, axis=1)
    return result


def edges_of(polygons: Sequence[Float64Array]) -> Segments:
    """Returns the edges of polygons `(n, 2)`, each turned so that y does not fall along it."""
    starts, ends = [], []
    for polygon in polygons:
        a, b = polygon, np.roll(polygon, -1, axis=0)
        turned = (b[:, 1] < a[:, 1])[:, None]
        starts.append(np.where(turned, b, a))
        ends.append(np.where(turned, a, b))
    return _segments(starts, ends)


def _segments(starts: list[Float64Array], ends: list[Float64Array]) -> Segments:
    counts = [len(part) for part in starts]
    a = np.concatenate(starts) if starts else np.zeros((0, 2))
    b = np.concatenate(ends) if ends else np.zeros((0, 2))
    dx, dy = (b - a).T
    coefficients = np.stack([-dy, dx, dy * a[:, 0] - dx * a[:, 1]])
    first = np.cumsum([0, *counts[:-1]]) if counts else np.zeros(0, np.intp)
    return Segments(a, b, coefficients, first.astype(np.intp))


def sides(points: Float64Array, segments: Segments) -> BoolArray:
    """Returns `(T, E)` whether points `(T, 2)` are on the right of segments.

    A point on the straight line through a segment is on its left: every point has one side.
    """
    homogeneous = np.empty((len(points), 3))
    homogeneous[:, :2] = points
    homogeneous[:, 2] = 1.0
    result: BoolArray = homogeneous @ segments.coefficients > 0
    return result


LARGEST_TABLE = 2**23
"""Entries of `Membership.spans`, one byte each: some 300 zones with six corners. Beyond, two
comparisons for each edge take its place."""


@dataclass(frozen=True, slots=True, eq=False)
class Membership:
    """Parity of ray crossings by polygon: what `insides` needs of the edges, prepared.

    Attributes:
        levels: `(L,)` the y of all corners, rising.
        spans: `(L + 1, E)` whether an edge extends from below to above a point that has so many
            levels at or below its y; without rows where that would be too large.
        low: `(E,)` the lower y of each edge.
        high: `(E,)` the higher y of each edge.
        first: `(Z,)` the first edge of each polygon.
    """

    levels: Float64Array
    spans: BoolArray
    low: Float64Array
    high: Float64Array
    first: IndexArray


def membership_of(edges: Segments, *, largest_table: int = LARGEST_TABLE) -> Membership:
    """Returns the prepared form of the edges of polygons."""
    low, high = edges.starts[:, 1], edges.ends[:, 1]
    levels = np.unique(np.concatenate([low, high]))
    if (len(levels) + 1) * len(low) > largest_table:
        return Membership(levels, np.zeros((0, len(low)), np.bool_), low, high, edges.first)
    # A point with `n` levels at or below its y is at the level `n - 1`, or between it and the next.
    at = np.concatenate([[-np.inf], levels])[:, None]
    return Membership(levels, (at >= low) & (at < high), low, high, edges.first)


def insides(points: Float64Array, right: BoolArray, prepared: Membership) -> BoolArray:
    """Returns `(T, Z)` whether points are inside polygons.

    A ray to the right crosses an odd number of edges. Polygons that share an edge share no point:
    one on the edge is in exactly one of them.

    Args:
        points: `(T, 2)`.
        right: `(T, E)` sides of the points.
        prepared: From `membership_of`.
    """
    if len(prepared.spans):
        hits = prepared.spans[prepared.levels.searchsorted(points[:, 1], side="right")]
    else:
        y = points[:, 1:]
        hits = (y >= prepared.low) & (y < prepared.high)
    hits &= right
    result: BoolArray = np.logical_xor.reduceat(hits, prepared.first, axis=1)
    return result


@dataclass(frozen=True, slots=True, eq=False)
class Outlines:
    """Shapes with equal numbers of segments, for distances of few points to few shapes.

    Attributes:
        starts: `(S, K, 2)` starts of segments; shapes with fewer repeat their last one.
        along: `(S, K, 2)` vectors from starts to ends.
        unit: `(S, K, 2)` the same by their squared lengths: a dot product gives the share.
    """

    starts: Float64Array
    along: Float64Array
    unit: Float64Array


def outlines_of(segments: Segments) -> Outlines:
    """Returns the shapes of segments."""
    stops = [*segments.first[1:].tolist(), len(segments)]
    spans = list(zip(segments.first.tolist(), stops, strict=True))
    most = max((stop - start for start, stop in spans), default=1)
    rows = [[min(start + k, stop - 1) for k in range(most)] for start, stop in spans]
    index = np.array(rows, np.intp).reshape(len(spans), most)
    along = segments.ends[index] - segments.starts[index]
    lengths = np.maximum((along * along).sum(axis=2), 1e-300)
    return Outlines(segments.starts[index], along, along / lengths[:, :, None])


def distances(points: Float64Array, outlines: Outlines, shapes: IndexArray) -> Float64Array:
    """Returns `(n,)` distances of points `(n, 2)` to shapes `(n,)`, to their nearest segments."""
    along = outlines.along[shapes]
    offset = points[:, None] - outlines.starts[shapes]
    share = np.einsum("nkd,nkd->nk", offset, outlines.unit[shapes])
    share = np.minimum(np.maximum(share, 0.0), 1.0)
    offset -= share[:, :, None] * along
    nearest: Float64Array = np.sqrt(np.einsum("nkd,nkd->nk", offset, offset).min(axis=1))
    return nearest


def true_places(mask: BoolArray) -> tuple[IndexArray, IndexArray]:
    """Returns rows and columns of the true values of a mask, row by row.

    A sixth of the time of `np.nonzero` where few are true.
    """
    if not mask.any():
        return _NOWHERE
    rows, columns = np.divmod(np.flatnonzero(mask), mask.shape[1])
    return rows, columns


_NOWHERE: tuple[IndexArray, IndexArray] = (np.zeros(0, np.intp), np.zeros(0, np.intp))


def crossings(
    before: Float64Array, after: Float64Array, segments: Segments, pairs: tuple[IndexArray, ...]
) -> tuple[BoolArray, Float64Array]:
    """Returns which paths cross which segments, and where on the path.

    Args:
        before: `(T, 2)` starts of the paths.
        after: `(T, 2)` ends of the paths.
        segments: The segments.
        pairs: Rows and segments, `(n,)` each, whose paths change sides of the segment.

    Returns:
        `(n,)` whether the path passes between the ends of the segment, and `(n,)` the share of
        the path at the crossing, in [0, 1]. The joint of two segments belongs to one of them.
    """
    rows, columns = pairs
    p, q = before[rows].T, after[rows].T
    a, b = segments.starts[columns].T, segments.ends[columns].T
    crossed = (_cross(p, q, a) > 0) != (_cross(p, q, b) > 0)
    slope_x, slope_y, offset = segments.coefficients[:, columns]
    at_p = slope_x * p[0] + slope_y * p[1] + offset
    at_q = slope_x * q[0] + slope_y * q[1] + offset
    span = at_p - at_q
    share = at_p / np.where(span == 0, 1.0, span)
    return crossed, np.minimum(np.maximum(share, 0.0), 1.0)


def crossing_share(
    path: tuple[Sequence[float], Sequence[float]],
    segment: tuple[Sequence[float], Sequence[float]],
    *,
    changes_side: bool = False,
) -> float | None:
    """Returns the share of a path at which it crosses a segment, or `None`; `crossings` for one.

    Args:
        path: Its start and end.
        segment: Its start and end.
        changes_side: Whether it is known that the path ends on another side than it starts.
    """
    (px, py), (qx, qy) = path
    (ax, ay), (bx, by) = segment
    dx, dy = bx - ax, by - ay
    offset = dy * ax - dx * ay
    at_p, at_q = -dy * px + dx * py + offset, -dy * qx + dx * qy + offset
    if not changes_side and (at_p > 0) == (at_q > 0):
        return None
    from_a = (qx - px) * (ay - py) - (qy - py) * (ax - px)
    from_b = (qx - px) * (by - py) - (qy - py) * (bx - px)
    if (from_a > 0) == (from_b > 0):
        return None
    span = at_p - at_q
    return min(max(at_p / span, 0.0), 1.0) if span else 1.0


def _cross(a: Float64Array, b: Float64Array, p: Float64Array) -> Float64Array:
    """Returns `(n,)` twice the signed areas of triangles of `(2, n)` points.

    Above 0: `p` is on the right of the way from `a` to `b`.
    """
    result: Float64Array = (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0])
    return result


def shares_inside(boxes: Float64Array, edges: Segments) -> Float64Array:
    """Returns `(T, Z)` the share of each box's area that is inside each polygon.

    By Green's theorem: the area between the left side of the box and an edge, clipped to the box,
    counts positive for edges at the right of the polygon and negative for those at its left.

    Args:
        boxes: `(T, 4)` xyxy.
        edges: Polygon edges in the order of their polygons, as `directed_edges_of` gives them.
    """
    x1, y1, x2, y2 = (column[:, None] for column in boxes.T)
    (ax, ay), (bx, by) = edges.starts.T, edges.ends.T
    low = np.clip(np.minimum(ay, by), y1, y2)
    high = np.clip(np.maximum(ay, by), y1, y2)
    dy = by - ay
    slope = np.divide(bx - ax, dy, out=np.zeros_like(dy), where=dy != 0)
    at_low, at_high = ax + (low - ay) * slope, ax + (high - ay) * slope
    # The mean of clip(x) over an interval of x that is run through evenly.
    span = at_high - at_low
    steep = np.abs(span) < 1e-9
    mean = np.where(
        steep,
        np.clip(at_low, x1, x2) - x1,
        (_clip_integral(at_high, x1, x2) - _clip_integral(at_low, x1, x2))
        / np.where(steep, 1.0, span),
    )
    parts = np.sign(dy) * mean * (high - low)
    areas = np.abs(np.add.reduceat(parts, edges.first, axis=1))
    whole = np.maximum((x2 - x1) * (y2 - y1), 1e-12)
    shares: Float64Array = np.minimum(areas / whole, 1.0)
    return shares


def _clip_integral(x: Float64Array, low: Float64Array, high: Float64Array) -> Float64Array:
    """Returns the integral of `clip(u, low, high) - low` over u from `low` to x."""
    within = np.clip(x, low, high) - low
    beyond = np.maximum(x - high, 0.0)
    result: Float64Array = within * within / 2 + beyond * (high - low)
    return result


def directed_edges_of(polygons: Sequence[Float64Array]) -> Segments:
    """Returns the edges of polygons `(n, 2)` in their own directions, for `shares_inside`."""
    return _segments(list(polygons), [np.roll(polygon, -1, axis=0) for polygon in polygons])


def inner_radii(polygons: Sequence[Float64Array], *, grid: int = 40) -> Float64Array:
    """Returns `(Z,)` radii of about the largest circle within each polygon, from a grid of points.

    Args:
        polygons: Corners `(n, 2)` of each.
        grid: Points of the grid along each axis.
    """
    radii = np.zeros(len(polygons))
    for number, polygon in enumerate(polygons):
        edges = edges_of([polygon])
        low, high = polygon.min(axis=0), polygon.max(axis=0)
        steps = (np.arange(grid) + 0.5) / grid
        points = np.stack(np.meshgrid(*(low + (high - low) * steps[:, None]).T), axis=-1)
        points = points.reshape(-1, 2)
        within = insides(points, sides(points, edges), membership_of(edges))[:, 0]
        if within.any():
            found = points[within]
            radii[number] = distances(
                found, outlines_of(edges), np.zeros(len(found), np.intp)
            ).max()
    return radii


def joined(first: Segments, second: Segments) -> Segments:
    """Returns the shapes of both, in this order."""
    return Segments(
        np.concatenate([first.starts, second.starts]),
        np.concatenate([first.ends, second.ends]),
        np.concatenate([first.coefficients, second.coefficients], axis=1),
        np.concatenate([first.first, second.first + len(first)]),
    )
