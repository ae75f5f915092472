"""Fragments of tracks, described by what a join compares: motion at both ends, and appearance.

`F` = fragments, `P` = pairs of them. Pure functions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tracker.boxes import xyxy_to_cxcyah
from tracker.tracking.offline.track_rows import TrackRows
from tracker.util.arrays import Float64Array, IndexArray, Int32Array

_REST_PRIOR = 2.0
"""Weight of the prior of rest in the fit, in squared frames: the spread of three rows."""


@dataclass(frozen=True, slots=True, eq=False)
class Ends:
    """One end of each fragment; position and velocity are those of a straight line fitted to it.

    Attributes:
        frames: `(F,)`.
        positions: `(F, 2)` centre in pixels.
        velocities: `(F, 2)` pixels a frame.
        heights: `(F,)` median height in pixels.
    """

    frames: Int32Array
    positions: Float64Array
    velocities: Float64Array
    heights: Float64Array


@dataclass(frozen=True, slots=True, eq=False)
class Fragments:
    """`F` fragments.

    Attributes:
        first: Where each begins.
        last: Where each ends.
        appearances: `(F, D)` mean of its embeddings, of length 1; zero where it has none.
    """

    first: Ends
    last: Ends
    appearances: Float64Array

    @classmethod
    def of(cls, rows: TrackRows, spans: Sequence[slice], *, fit_frames: int) -> "Fragments":
        """Returns the fragments given by slices of the rows.

        Args:
            rows: All rows.
            spans: One slice for each fragment, of at least one row.
            fit_frames: Frames at each end over which its speed is measured.
        """
        measured = xyxy_to_cxcyah(rows.boxes)
        heads = [_head(rows.frames, span, fit_frames) for span in spans]
        tails = [_tail(rows.frames, span, fit_frames) for span in spans]
        return cls(
            first=_ends(rows.frames, measured, heads, anchor=0),
            last=_ends(rows.frames, measured, tails, anchor=-1),
            appearances=_mean_embeddings(rows, spans),
        )

    def gaps(self, before: IndexArray, after: IndexArray) -> Int32Array:
        """Returns `(P,)` frames from the end of one fragment to the start of the other."""
        return np.asarray(self.first.frames[after] - self.last.frames[before])

    def motion_misfit(
        self, before: IndexArray, after: IndexArray, *, size_weight: float
    ) -> Float64Array:
        """Returns `(P,)` how far apart two ends are when moved to one time, in mean heights.

        It is the mean of extrapolating forward and backward, and grows with the difference in size:
        heights are measured much more exactly than positions are predicted.

        Args:
            before: `(P,)` fragments that end.
            after: `(P,)` fragments that start later.
            size_weight: Mean heights added per unit of the logarithm of the ratio of heights.
        """
        last, first = self.last, self.first
        gap = self.gaps(before, after)[:, None]
        distance = first.positions[after] - last.positions[before]
        forward = np.linalg.norm(distance - gap * last.velocities[before], axis=1)
        backward = np.linalg.norm(distance - gap * first.velocities[after], axis=1)
        height = (last.heights[before] + first.heights[after]) / 2
        sizes = np.log(first.heights[after] / last.heights[before])
        return np.asarray(np.hypot((forward + backward) / 2 / height, size_weight * sizes))

    def distance(self, before: IndexArray, after: IndexArray) -> Float64Array:
        """Returns `(P,)` the distance between the two ends in mean heights."""
        way = self.first.positions[after] - self.last.positions[before]
        height = (self.last.heights[before] + self.first.heights[after]) / 2
        return np.asarray(np.linalg.norm(way, axis=1) / height)

    def appearance_distance(self, before: IndexArray, after: IndexArray) -> Float64Array:
        """Returns `(P,)` cosine distances of the mean embeddings; NaN where one has none."""
        alike = np.einsum("pd,pd->p", self.appearances[before], self.appearances[after])
        known = np.any(self.appearances, axis=1)
        return np.where(known[before] & known[after], 1.0 - alike, np.nan)


def _mean_embeddings(rows: TrackRows, spans: Sequence[slice]) -> Float64Array:
    # The mean tells objects apart as well as a mean without outliers and better than the nearest
    # or the median pair: AUC 0.988, 0.989, 0.980, 0.979 on PETS09-S2L1 and TUD with a network for
    # persons.
    means = np.zeros((len(spans), rows.embeddings.shape[1]))
    for row, span in enumerate(spans):
        total = rows.embeddings[span].sum(axis=0, dtype=np.float64)
        length = np.linalg.norm(total)
        if length > 0:
            means[row] = total / length
    return means


def _tail(frames: Int32Array, span: slice, count: int) -> slice:
    """Returns the rows of a fragment's last frames."""
    inside = frames[span]
    return slice(span.start + int(np.searchsorted(inside, int(inside[-1]) - count + 1)), span.stop)


def _head(frames: Int32Array, span: slice, count: int) -> slice:
    """Returns the rows of a fragment's first frames."""
    inside = frames[span]
    return slice(span.start, span.start + int(np.searchsorted(inside, int(inside[0]) + count)))


def _ends(frames: Int32Array, measured: Float64Array, windows: list[slice], *, anchor: int) -> Ends:
    """Returns the ends at row `anchor` of each window (0 = its first row, -1 = its last)."""
    positions, velocities = np.zeros((len(windows), 2)), np.zeros((len(windows), 2))
    for place, window in enumerate(windows):
        time = frames[window].astype(np.float64)
        values = measured[window, :2]
        middle, mean = time.mean(), values.mean(axis=0)
        # The prior of rest keeps two or three jittery boxes from yielding a large speed.
        spread = np.square(time - middle).sum() + _REST_PRIOR
        velocities[place] = (time - middle) @ (values - mean) / spread
        positions[place] = mean + (time[anchor] - middle) * velocities[place]
    return Ends(
        frames=np.array([frames[window][anchor] for window in windows], np.int32),
        positions=positions,
        velocities=velocities,
        heights=np.array([np.median(measured[window, 3]) for window in windows]),
    )
