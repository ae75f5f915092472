"""The track table: the state of all tracks, as arrays with one row per track.

Rows are in order of birth and move up when a track is deleted. Data that must not move (a gallery
of embeddings is large) is addressed by `slots`, which a track holds for life.
"""

from typing import NamedTuple

import numpy as np

from tracker.detections import Detections
from tracker.tracking.kalman import means
from tracker.tracking.score_scale import log_odds
from tracker.util.arrays import BoolArray, Float64Array, IndexArray, Int32Array, Int64Array

_SCORE_MEMORY = 0.2
"""Weight of the newest score in a track's mean: it averages about five detections."""

_LEAST_VOTE = 1e-9
"""Added to each vote, so that a detection of score 0 still counts as one."""

# Columns of the two blocks. A step costs one NumPy call for each array that it touches, and with
# few objects these calls are most of its time: hence two blocks and not ten arrays.
_ID, _SLOT, _CONFIRMED, _HITS, _AGE, _MISSES, _DETECTION = range(7)
_UNSEEN, _LOST_INTERVALS, _SCORE, _MEAN_SCORE, _MEAN_ODDS = range(5)


class Counts(NamedTuple):
    """Whole numbers of some tracks, `(n,)` each; see the properties of `TrackTable`."""

    ids: Int64Array
    ages: Int32Array
    misses: Int32Array
    detection_index: Int32Array


class TrackTable:
    """The current tracks, `T` rows.

    Attributes:
        mean: `(T, 8)` Kalman means, those of the motion models together.
        state: `(5, 4, G, T)` Kalman states of each motion model (`kalman.py`, `motion_bank.py`).
        voted_classes: `(T, K)` int32 different classes of each track's detections, the one with
            most votes first (between equals the lower one), -1 = none; `K` is the largest number
            that a track has, whatever the ids.
        votes: `(T, K)` summed scores of the detections of these classes.
    """

    def __init__(self, model_count: int = 1) -> None:
        self.mean: Float64Array = np.zeros((0, 8))
        self.state: Float64Array = np.zeros((5, 4, model_count, 0))
        self.voted_classes: Int32Array = np.zeros((0, 1), np.int32)
        self.votes: Float64Array = np.zeros((0, 1))
        self._counts: Int64Array = np.zeros((0, 7), np.int64)
        self._reals: Float64Array = np.zeros((0, 5))
        self._free_slots: list[int] = []
        self._next_id = 1
        self._next_provisional_id = -1

    def __len__(self) -> int:
        return len(self.mean)

    @property
    def classes(self) -> Int32Array:
        """`(T,)` classes by vote; between equals the lower one."""
        return self.voted_classes[:, 0]

    @property
    def ids(self) -> Int64Array:
        """`(T,)` ids; negative while tentative."""
        return self._counts[:, _ID]

    @property
    def slots(self) -> Int64Array:
        """`(T,)` numbers from 0, unique among the current tracks, reused after deletion."""
        return self._counts[:, _SLOT]

    @property
    def confirmed(self) -> BoolArray:
        """`(T,)` whether each track is confirmed."""
        return self._counts[:, _CONFIRMED].astype(np.bool_)

    @property
    def hits(self) -> Int64Array:
        """`(T,)` detections so far."""
        return self._counts[:, _HITS]

    @property
    def ages(self) -> Int64Array:
        """`(T,)` frames since birth, from 1."""
        return self._counts[:, _AGE]

    @property
    def misses(self) -> Int64Array:
        """`(T,)` missed detections since the last match: frames on which the detector ran."""
        return self._counts[:, _MISSES]

    @property
    def detection_index(self) -> Int64Array:
        """`(T,)` row of this frame's detections, -1 = unmatched."""
        return self._counts[:, _DETECTION]

    @property
    def unseen(self) -> Float64Array:
        """`(T,)` nominal frame intervals since the last match."""
        return self._reals[:, _UNSEEN]

    @property
    def lost_intervals(self) -> Float64Array:
        """`(T,)` the same, as far as they count towards a lost track's maximum age."""
        return self._reals[:, _LOST_INTERVALS]

    @property
    def scores(self) -> Float64Array:
        """`(T,)` score of the last detection."""
        return self._reals[:, _SCORE]

    @property
    def mean_scores(self) -> Float64Array:
        """`(T,)` moving average of the detections' scores."""
        return self._reals[:, _MEAN_SCORE]

    @property
    def mean_odds(self) -> Float64Array:
        """`(T,)` moving average of the log odds of the detections' scores."""
        return self._reals[:, _MEAN_ODDS]

    def advance(self, dt: float, counted: float) -> None:
        """Makes tracks older by one frame and `dt` frame intervals, and counts a missed detection.

        Args:
            dt: Nominal frame intervals.
            counted: How many of them count towards the maximum age of a lost track.
        """
        ages, unseen = self._counts[:, _AGE : _MISSES + 1], self._reals[:, : _LOST_INTERVALS + 1]
        ages += 1  # `a[i] += b` would write the sum a second time
        unseen += dt, counted
        self._counts[:, _DETECTION] = -1

    def coast(self, dt: float, counted: float) -> None:
        """As `advance`, for a frame on which the detector did not run: no miss is counted."""
        self._counts[:, _AGE] += 1
        self._counts[:, _DETECTION] = -1
        self._reals[:, : _LOST_INTERVALS + 1] += dt, counted

    def record_matches(self, rows: IndexArray, detections: Detections, columns: IndexArray) -> None:
        """Records the match of each row `(n,)` with the detection at its place in `columns`."""
        counts, reals = self._counts[rows], self._reals[rows]
        scores = detections.scores[columns].astype(np.float64)
        hits, mean_scores = counts[:, _HITS], reals[:, _MEAN_SCORE]
        hits += 1
        counts[:, _MISSES] = 0
        counts[:, _DETECTION] = columns
        self._counts[rows] = counts
        reals[:, : _LOST_INTERVALS + 1] = 0
        reals[:, _SCORE] = scores
        mean_scores += _SCORE_MEMORY * (scores - mean_scores)
        mean_odds = reals[:, _MEAN_ODDS]
        mean_odds += _SCORE_MEMORY * (log_odds(scores) - mean_odds)
        self._reals[rows] = reals
        self._vote(rows, detections.classes[columns], scores + _LEAST_VOTE)

    def give_birth(
        self, state: Float64Array, detections: Detections, columns: IndexArray
    ) -> Int64Array:
        """Returns the slots `(n,)` of new tentative tracks of the detections in `columns`.

        Args:
            state: `(5, 4, G, n)` of each motion model.
            detections: Those of the frame.
            columns: `(n,)` of the detections.
        """
        old, count = len(self), len(columns)
        while len(self._free_slots) < count:
            self._free_slots.append(old + len(self._free_slots))
        order = np.arange(count)
        counts, reals = np.zeros((count, 7), np.int64), np.zeros((count, 5))
        counts[:, _ID] = self._next_provisional_id - order
        counts[:, _SLOT] = [self._free_slots.pop() for _ in range(count)]
        counts[:, (_HITS, _AGE)] = 1
        counts[:, _DETECTION] = columns
        scores = detections.scores[columns].astype(np.float64)
        reals[:, _SCORE] = reals[:, _MEAN_SCORE] = scores
        reals[:, _MEAN_ODDS] = log_odds(scores)
        self._next_provisional_id -= count
        # The models agree on where a track is that was seen once.
        self.mean = np.concatenate([self.mean, means(state[:, :, 0])])
        self.state = np.concatenate([self.state, state], axis=-1)
        votes = np.zeros((count, self.votes.shape[1]))
        votes[:, 0] = scores + _LEAST_VOTE
        voted = np.full(votes.shape, -1, np.int32)
        voted[:, 0] = detections.classes[columns]
        self.votes = np.concatenate([self.votes, votes])
        self.voted_classes = np.concatenate([self.voted_classes, voted])
        self._counts = np.concatenate([self._counts, counts])
        self._reals = np.concatenate([self._reals, reals])
        return counts[:, _SLOT]

    def counts(self, rows: IndexArray) -> "Counts":
        """Returns the whole-number fields of the rows `(n,)` for a report, read-only."""
        wide = self._counts[rows].T
        ids, narrow = wide[_ID].copy(), wide.astype(np.int32, order="C")
        ids.setflags(write=False)
        narrow.setflags(write=False)
        return Counts(ids, narrow[_AGE], narrow[_MISSES], narrow[_DETECTION])

    def confirm(self, rows: IndexArray) -> None:
        """Confirms the tracks and assigns the next ids, in the order of the given rows."""
        self._counts[rows, _CONFIRMED] = 1
        self._counts[rows, _ID] = self._next_id + np.arange(len(rows))
        self._next_id += len(rows)

    def delete(self, deleted: BoolArray) -> Int64Array:
        """Deletes the tracks of a mask `(T,)` and returns their freed slots."""
        slots = self.slots[deleted]
        kept = (~deleted).nonzero()[0]
        self.mean = self.mean[kept]
        self.state = self.state.take(kept, axis=-1)
        self.votes, self.voted_classes = self.votes[kept], self.voted_classes[kept]
        self._counts, self._reals = self._counts[kept], self._reals[kept]
        self._free_slots.extend(slots[::-1].tolist())
        return slots

    def resume(self, lost: int, found: int) -> None:
        """Continues the track in row `lost` with the state of row `found`, which is to be deleted.

        It keeps its id, slot, hits and votes, and takes over the motion and the last match of
        `found`.
        """
        self.mean[lost] = self.mean[found]
        self.state[..., lost] = self.state[..., found]
        for place, voted in enumerate(self.voted_classes[found].tolist()):
            if voted >= 0:
                self._vote(
                    np.array([lost]), np.array([voted], np.int32), self.votes[found, [place]]
                )
        self._counts[lost, _HITS] += self._counts[found, _HITS]
        self._counts[lost, _MISSES:] = self._counts[found, _MISSES:]
        self._reals[lost] = self._reals[found]

    def winners(self, rows: IndexArray) -> tuple[Int32Array, Float64Array]:
        """Returns the class `(n,)` that each row has by vote, and its share of the vote `(n,)`."""
        if self.votes.shape[1] == 1:
            return self.classes[rows], np.ones(len(rows))
        votes = self.votes[rows]
        return self.classes[rows], votes[:, 0] / np.add.reduce(votes, axis=1)

    def _vote(self, rows: IndexArray, classes: Int32Array, amounts: Float64Array) -> None:
        """Adds votes for one class to each row `(n,)`; rows differ."""
        first, votes = self.classes[rows] == classes, self.votes[:, 0]
        if np.count_nonzero(first) == len(rows):  # the usual case: classes do not flicker
            votes[rows] += amounts
            return
        votes[rows[first]] += amounts[first]
        self._vote_against_first(rows[~first], classes[~first], amounts[~first])

    def _vote_against_first(
        self, rows: IndexArray, classes: Int32Array, amounts: Float64Array
    ) -> None:
        """Adds votes for classes that are not the first ones of their rows `(n,)`."""
        voted = self.voted_classes[rows]
        place = ((voted == classes[:, None]) | (voted < 0)).argmax(axis=1)
        if np.count_nonzero(place) < len(place):
            place[place == 0] = self.votes.shape[1]
            self.votes = np.pad(self.votes, [(0, 0), (0, 1)])
            self.voted_classes = np.pad(self.voted_classes, [(0, 0), (0, 1)], constant_values=-1)
        self.voted_classes[rows, place] = classes
        votes = self.votes[rows, place] + amounts
        self.votes[rows, place] = votes
        close = (votes >= self.votes[rows, 0]).nonzero()[0]
        if len(close):
            self._lead(rows[close], place[close])

    def _lead(self, rows: IndexArray, place: IndexArray) -> None:
        """Puts classes first that have more votes, or as many and are lower."""
        votes, most = self.votes[rows, place], self.votes[rows, 0]
        classes, first = self.voted_classes[rows, place], self.voted_classes[rows, 0]
        wins = (votes > most) | (classes < first)
        rows, place = rows[wins], place[wins]
        self.votes[rows, 0], self.votes[rows, place] = votes[wins], most[wins]
        self.voted_classes[rows, 0], self.voted_classes[rows, place] = classes[wins], first[wins]
