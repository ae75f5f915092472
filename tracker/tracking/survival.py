"""How likely a lost track is still where it is predicted, learnt from those that came back.

When a lost track is matched again, its prediction was right (or not) for every frame of the gap;
when one is deleted, it counts as wrong for all of them. From that follows, for each number of
missed detections, the share of predictions that were right: predictions are reported as long as it
is high enough. A detector that misses people now and then raises it; people who leave lower it.
"""

import numpy as np

from tracker.util.arrays import BoolArray, Float64Array, IndexArray, Int64Array

_MEMORY = 200.0
"""Lost tracks after which an old one counts 1 / e."""

_PRIOR_COUNT, _PRIOR_SHARE = 10.0, 0.3
"""Before anything is learnt: as if three of ten lost tracks had come back; nothing is reported."""

LEAST_HITS = 5
"""Detections of a track before its predictions are reported, or count."""


class Survival:
    """Shares of right predictions by the number of missed detections, for groups of tracks.

    Args:
        longest: Missed detections up to which predictions may be reported.
        groups: Number of groups that are learnt apart.
    """

    def __init__(self, longest: int, groups: int = 1) -> None:
        # right ones, and all
        self._counts: Float64Array = np.zeros((2, groups, longest + 1))
        self._lasting: Float64Array | None = None  # shares of at least such a gap

    @property
    def shares(self) -> Float64Array:
        """`(groups, longest + 1)` share of right predictions after so many missed detections."""
        right, seen = self._counts
        shares = (right + _PRIOR_COUNT * _PRIOR_SHARE) / (seen + _PRIOR_COUNT)
        shares[:, 0] = 1.0
        return np.asarray(shares)

    def learn(self, misses: Int64Array, right: BoolArray, groups: IndexArray) -> None:
        """Takes in the end of some gaps.

        Args:
            misses: `(n,)` missed detections in each gap.
            right: `(n,)` whether the prediction at its end was right; false for deleted tracks.
            groups: `(n,)` the group of each track, from 0.
        """
        fading = 1 - 1 / _MEMORY
        ends = zip(misses.tolist(), right.tolist(), groups.tolist(), strict=True)
        for count, was_right, group in ends:
            gap = self._counts[:, group, 1 : count + 1]
            gap *= fading
            part = gap if was_right else gap[1]
            part += 1
        self._lasting = None

    def share(self, misses: Int64Array, groups: IndexArray) -> Float64Array:
        """Returns `(n,)` how likely predictions of lost tracks are right.

        A longer gap is never likelier than a shorter one. It is 0 beyond the longest gap.

        Args:
            misses: `(n,)` missed detections.
            groups: `(n,)` the group of each track, from 0.
        """
        if self._lasting is None:
            self._lasting = np.minimum.accumulate(self.shares, axis=1)
        longest = self._lasting.shape[1] - 1
        share = self._lasting[groups, np.minimum(misses, longest)]
        return np.where(misses > longest, 0.0, share)
