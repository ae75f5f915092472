"""The appearance gallery: the last embeddings of each track, bounded in number.

It gives the smallest cosine distance between a track's gallery and a detection (DeepSORT, eq. 3)
for the pairs that the motion gate admits.
"""

import numpy as np

from tracker.tracking.association import without_rivals
from tracker.util.arrays import BoolArray, Float32Array, Float64Array, IndexArray, Int64Array

_MEAN_OF = 50
"""Embeddings that a track's mean averages: the first ones evenly, later ones with fading memory."""

_NEWEST = 4
"""Newest embeddings that are compared instead of the whole gallery where a pair has no rival: they
are almost always near, and reading a gallery of 100 costs 51 kB of memory traffic a track."""


def is_known(embeddings: Float32Array) -> BoolArray:
    """Returns `(N,)`: whether each embedding of `(N, D)` is known; rows of zeros are not."""
    if not embeddings.shape[1]:
        return np.zeros(len(embeddings), np.bool_)
    # The first values almost always suffice, at a tenth of the time of reading all.
    if np.count_nonzero(embeddings[:, 0]) == len(embeddings):
        return np.ones(len(embeddings), np.bool_)
    return np.asarray(embeddings.any(axis=1))


class AppearanceGallery:
    """Ring buffers of the last `size` embeddings, one for each slot that a track holds.

    Memory is `slots x size x D` floats, and grows only with the number of tracks at a time.

    Args:
        size: Embeddings kept for each track (`L_k` = 100 in the paper).
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._vectors: Float32Array = np.zeros((0, size, 0), np.float32)
        self._mean: Float32Array = np.zeros((0, 0), np.float32)
        self._count: Int64Array = np.zeros(0, np.int64)

    @property
    def nbytes(self) -> int:
        """Bytes that the embeddings take."""
        return self._vectors.nbytes

    def add(self, slots: Int64Array, embeddings: Float32Array) -> None:
        """Stores one embedding `(n, D)` for each slot `(n,)`, over the oldest when full.

        Rows of zeros, whose appearance is unknown, are not stored.
        """
        if not embeddings.shape[1]:
            return
        if np.count_nonzero(embeddings[:, 0]) < len(slots):
            known = is_known(embeddings)
            slots, embeddings = slots[known], embeddings[known]
        if not len(slots):
            return
        # One slot more than is used, see `has_any`.
        self._reserve(int(np.maximum.reduce(slots)) + 2, embeddings.shape[1])
        count = self._count[slots]
        self._vectors[slots, count % self._size] = embeddings
        share = 1 / np.minimum(count + 1, _MEAN_OF).astype(np.float32)[:, None]
        before = self._mean[slots]
        self._mean[slots] = before + share * (embeddings - before)
        self._count[slots] = count + 1

    def has_any(self, slots: Int64Array) -> BoolArray:
        """Returns `(n,)`: whether each slot has at least one embedding."""
        if not len(self._count):
            return np.zeros(len(slots), np.bool_)
        # The last slot is kept empty: it is read for all slots beyond.
        counts: Int64Array = self._count.take(slots, mode="clip")
        return counts > 0

    def clear(self, slots: Int64Array) -> None:
        """Deletes the embeddings of the slots."""
        self._count[slots[slots < len(self._count)]] = 0

    def move(self, source: int, target: int) -> None:
        """Moves the embeddings of slot `source` to slot `target`."""
        if source < len(self._count):
            stored = self.stored(source)
            for row in stored.copy():
                self.add(np.array([target]), row[None])
            self._count[source] = 0

    def stored(self, slot: int) -> Float32Array:
        """Returns `(n, D)` the embeddings of a slot, oldest first."""
        if slot >= len(self._count):
            return np.zeros((0, self._vectors.shape[2]), np.float32)
        count = int(self._count[slot])
        if count <= self._size:
            return self._vectors[slot, :count]
        return np.roll(self._vectors[slot], -(count % self._size), axis=0)

    def distances(
        self,
        pair_slots: Int64Array,
        columns: IndexArray,
        embeddings: Float32Array,
        *,
        enough: float = -np.inf,
    ) -> Float64Array:
        """Returns `(P,)` smallest cosine distances; that to a slot without embeddings is infinite.

        Args:
            pair_slots: `(P,)` slot of each pair's track; pairs of one track adjoin.
            columns: `(P,)` row of `embeddings` of each pair.
            embeddings: `(N, D)` unit vectors of the detections.
            enough: A pair without rivals (the only one of its track and its detection) gets
                the distance to the newest embeddings alone where that is at most this: without a
                rival, the assignment only needs to know that it is admissible.
        """
        if not len(pair_slots):
            return np.zeros(0)
        if enough == -np.inf:
            return self._to_all(pair_slots, embeddings[columns])
        alone = without_rivals(pair_slots, columns).nonzero()[0]
        if len(alone) == len(pair_slots):
            result = self._to_newest(pair_slots, embeddings[columns])
        else:
            result = np.full(len(pair_slots), np.inf)
            result[alone] = self._to_newest(pair_slots[alone], embeddings[columns[alone]])
        todo = (result > enough).nonzero()[0]
        if len(todo):
            result[todo] = self._to_all(pair_slots[todo], embeddings[columns[todo]])
        return result

    def mean_distances(
        self, pair_slots: Int64Array, columns: IndexArray, embeddings: Float32Array
    ) -> Float64Array:
        """Returns `(P,)` cosine distances to the mean embedding; that to an empty slot is infinite.

        Args:
            pair_slots: `(P,)` slot of each pair's track.
            columns: `(P,)` row of `embeddings` of each pair.
            embeddings: `(N, D)` unit vectors of the detections.
        """
        distance = np.full(len(pair_slots), np.inf)
        stored = self.has_any(pair_slots).nonzero()[0]
        if len(stored):
            mean = self._mean[pair_slots[stored]]
            along = np.add.reduce(mean * embeddings[columns[stored]], axis=1)
            length = np.sqrt(np.add.reduce(np.square(mean), axis=1))
            distance[stored] = 1 - along / np.maximum(length, _SHORTEST)
        return distance

    def _to_newest(self, slots: Int64Array, wanted: Float32Array) -> Float64Array:
        """Returns `(P,)` distances of vectors `(P, D)` to the newest few of each slot."""
        distance = np.full(len(slots), np.inf)
        if not len(slots) or np.maximum.reduce(slots) >= len(self._count):
            return distance
        count = self._count[slots]
        known = (count >= _NEWEST).nonzero()[0]
        if 0 < len(known) < len(slots):
            slots, count, wanted = slots[known], count[known], wanted[known]
        if len(known):
            place = (count[:, None] - _PLACES) % self._size
            newest = self._vectors[slots[:, None], place]
            alike = np.matmul(newest, wanted[:, :, None])[:, :, 0]
            distance[known] = 1.0 - np.maximum.reduce(alike, axis=1)
        return distance

    def _to_all(self, pair_slots: Int64Array, wanted: Float32Array) -> Float64Array:
        """Returns `(P,)` distances of vectors `(P, D)` to whole galleries; equal slots adjoin."""
        nearest = np.full(len(pair_slots), -np.inf, np.float32)
        # A track's few admissible detections against its own gallery: one small product each. A
        # product of all galleries with all detections costs ten times as much at 100 tracks.
        ends = ((pair_slots[1:] != pair_slots[:-1]).nonzero()[0] + 1).tolist()
        ends.append(len(pair_slots))
        start = 0
        for end in ends:
            slot = pair_slots[start]
            count = self._count[slot] if slot < len(self._count) else 0
            if count:
                alike = wanted[start:end] @ self._vectors[slot, :count].T
                np.maximum.reduce(alike, axis=1, out=nearest[start:end])
            start = end
        return 1.0 - nearest.astype(np.float64)

    def _reserve(self, slots: int, width: int) -> None:
        have, _, old_width = self._vectors.shape
        if old_width == width and slots <= have:
            return
        capacity = max(slots, 2 * have if old_width == width else have, 16)
        vectors = np.zeros((capacity, self._size, width), np.float32)
        mean = np.zeros((capacity, width), np.float32)
        count = np.zeros(capacity, np.int64)
        if old_width == width:
            vectors[:have] = self._vectors
            mean[:have] = self._mean
            count[:have] = self._count
        self._vectors, self._mean, self._count = vectors, mean, count


_SHORTEST = 1e-9
_PLACES = np.arange(1, _NEWEST + 1)
