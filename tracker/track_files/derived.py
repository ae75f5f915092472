"""Values of recorded tracks that follow from others: velocities, ages and misses."""

from collections.abc import Iterator

import numpy as np

from tracker.util.arrays import (
    BoolArray,
    Float32Array,
    Float64Array,
    IndexArray,
    Int32Array,
    Int64Array,
)


def centre_velocities(ids: Int64Array, times: Float64Array, boxes: Float64Array) -> Float32Array:
    """Returns `(R, 2)` velocities of the centres in pixels a second, by central differences.

    At the ends of a track it is the difference to the only neighbour; a track of one row stands
    still. NaN where the times of a track are unknown or do not rise.

    Args:
        ids: `(R,)` ids.
        times: `(R,)` in seconds, rising within each track; NaN where unknown.
        boxes: `(R, 4)` xyxy in pixels.

    Example:
        >>> boxes = np.array([[0, 0, 2, 2], [1, 0, 3, 2], [4, 0, 6, 2]], float)
        >>> centre_velocities(np.array([7, 7, 7]), np.array([0.0, 1.0, 2.0]), boxes)[:, 0].tolist()
        [1.0, 2.0, 3.0]
    """
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    velocities = np.zeros((len(ids), 2), np.float32)
    for rows in rows_by_id(ids):
        when = times[rows]
        if not np.all(np.diff(when) > 0) or np.isnan(when[0]):
            velocities[rows] = np.nan
        elif len(rows) > 1:
            velocities[rows] = np.gradient(centres[rows], when, axis=0)
    return velocities


def frame_counts(
    ids: Int64Array, frames: Int32Array, seen: BoolArray
) -> tuple[Int32Array, Int32Array]:
    """Returns ages and misses `(R,)` of rows that are sorted by frame, counted in frames.

    The age counts from 1 in the first row of a track; misses count since its last seen row, or
    its first row where none was seen before.

    Example:
        >>> frame_counts(np.array([1, 1, 1]), np.array([4, 5, 7]), np.array([True, True, False]))
        (array([1, 2, 4], dtype=int32), array([0, 0, 2], dtype=int32))
    """
    ages, misses = np.ones(len(ids), np.int32), np.zeros(len(ids), np.int32)
    for rows in rows_by_id(ids):
        mine = frames[rows]
        ages[rows] = mine - mine[0] + 1
        misses[rows] = mine - np.maximum.accumulate(np.where(seen[rows], mine, mine[0]))
    return ages, misses


def rows_by_id(ids: Int64Array) -> Iterator[IndexArray]:
    """Yields the rows of each id, by rising id; rows rise within an id."""
    if not len(ids):
        return
    order = np.argsort(ids, kind="stable")
    starts = np.flatnonzero(np.diff(ids[order])) + 1
    yield from np.split(order, starts)
