"""The track table: all state of all tracks, as arrays over slots.

Comes in: births, matches and misses. Goes out: the arrays that association and reporting read.
A slot is reused after its track has died; `order` lists the slots in use, oldest track first.
"""

import numpy as np

from tracker.arrays import (
    BoolArray,
    Float32Array,
    Float64Array,
    IndexArray,
    Int32Array,
    Int64Array,
)
from tracker.detections import Detections
from tracker.tracks import TrackState

_FIRST_CAPACITY = 16
_SCORE_MEMORY = 0.2
"""Weight of the newest score in a track's mean: it looks back over about five detections."""


class TrackTable:
    """Arrays with one row for each slot.

    Attributes:
        order: `(T,)` slots in use, by rising time of birth.
        mean: `(S, 8)` Kalman means.
        covariance: `(S, 3, 4)` Kalman covariances.
        ids: `(S,)` ids; negative while tentative.
        confirmed: `(S,)` whether the track is believed.
        hits: `(S,)` detections so far.
        ages: `(S,)` frames since birth, from 1.
        misses: `(S,)` frames since the last detection.
        unseen: `(S,)` nominal frame intervals since the last detection.
        scores: `(S,)` score of the last detection.
        mean_scores: `(S,)` moving average of the detections' scores.
        votes: `(S, C)` summed scores of the detections by class.
    """

    def __init__(self) -> None:
        self.order: IndexArray = np.zeros(0, np.intp)
        self.mean: Float64Array = np.zeros((0, 8))
        self.covariance: Float64Array = np.zeros((0, 3, 4))
        self.ids: Int64Array = np.zeros(0, np.int64)
        self.confirmed: BoolArray = np.zeros(0, np.bool_)
        self.hits: Int32Array = np.zeros(0, np.int32)
        self.ages: Int32Array = np.zeros(0, np.int32)
        self.misses: Int32Array = np.zeros(0, np.int32)
        self.unseen: Float64Array = np.zeros(0)
        self.scores: Float32Array = np.zeros(0, np.float32)
        self.mean_scores: Float32Array = np.zeros(0, np.float32)
        self.votes: Float64Array = np.zeros((0, 1))
        self._free: list[int] = []
        self._next_id = 1
        self._next_provisional_id = -1

    def __len__(self) -> int:
        return len(self.order)

    def age(self, dt: float) -> None:
        """Makes every track one frame, and `dt` frame intervals, older and unseen."""
        self.ages[self.order] += 1
        self.misses[self.order] += 1
        self.unseen[self.order] += dt

    def see(self, slots: IndexArray, detections: Detections, columns: IndexArray) -> None:
        """Notes that each slot `(n,)` was seen as the detection of the same row of `columns`."""
        self.hits[slots] += 1
        self.misses[slots] = 0
        self.unseen[slots] = 0
        self.scores[slots] = detections.scores[columns]
        surprise = detections.scores[columns] - self.mean_scores[slots]
        self.mean_scores[slots] += np.float32(_SCORE_MEMORY) * surprise
        self._vote(slots, detections.classes[columns], detections.scores[columns])

    def born(
        self,
        mean: Float64Array,
        covariance: Float64Array,
        detections: Detections,
        columns: IndexArray,
    ) -> IndexArray:
        """Returns the slots `(n,)` of new tentative tracks of the detections in `columns`."""
        count = len(columns)
        while len(self._free) < count:
            self._grow()
        slots = np.array([self._free.pop() for _ in range(count)], np.intp)
        self.mean[slots] = mean
        self.covariance[slots] = covariance
        self.ids[slots] = self._next_provisional_id - np.arange(count)
        self._next_provisional_id -= count
        self.confirmed[slots] = False
        self.hits[slots] = 0
        self.ages[slots] = 1
        self.votes[slots] = 0
        self.mean_scores[slots] = detections.scores[columns]
        self.order = np.concatenate([self.order, slots])
        self.see(slots, detections, columns)
        return slots

    def confirm(self, slots: IndexArray) -> None:
        """Believes the tracks and gives them the next ids, in the order of the slots given."""
        self.confirmed[slots] = True
        self.ids[slots] = self._next_id + np.arange(len(slots))
        self._next_id += len(slots)

    def kill(self, dead: BoolArray) -> IndexArray:
        """Returns the freed slots of the tracks picked by a mask `(T,)` over `order`."""
        slots = self.order[dead]
        self.order = self.order[~dead]
        self._free.extend(int(slot) for slot in reversed(slots))
        return slots

    def states(self) -> Int32Array:
        """Returns `(T,)` `TrackState` values in the order of `order`."""
        believed = self.confirmed[self.order]
        seen = self.misses[self.order] == 0
        return np.where(
            believed,
            np.where(seen, np.int32(TrackState.CONFIRMED), np.int32(TrackState.LOST)),
            np.int32(TrackState.TENTATIVE),
        ).astype(np.int32)

    def _vote(self, slots: IndexArray, classes: Int32Array, scores: Float32Array) -> None:
        if not len(slots):
            return
        missing = int(classes.max()) + 1 - self.votes.shape[1]
        if missing > 0:
            self.votes = np.pad(self.votes, [(0, 0), (0, missing)])
        # A score of 0 still is a vote: without the small constant a track could have none.
        self.votes[slots, classes] += scores + 1e-9

    def _grow(self) -> None:
        old = len(self.ids)
        new = max(2 * old, _FIRST_CAPACITY)
        for name in ("mean", "covariance", "ids", "confirmed", "hits", "ages", "misses",
                     "unseen", "scores", "mean_scores", "votes"):  # fmt: skip
            array = getattr(self, name)
            setattr(self, name, np.concatenate([array, np.zeros((new - old, *array.shape[1:]),
                                                                array.dtype)]))  # fmt: skip
        self._free = list(range(new - 1, old - 1, -1)) + self._free
