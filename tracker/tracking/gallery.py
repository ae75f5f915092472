"""What each track has looked like lately: a bounded gallery of unit vectors per track.

Comes in: embeddings of matched detections. Goes out: the smallest cosine distance between a track's
gallery and a detection (DeepSORT, eq. 3), for the pairs that motion admits.
"""

import numpy as np

from tracker.arrays import BoolArray, Float32Array, Float64Array, IndexArray
from tracker.tracking.association import without_rivals

_NEWEST = 4
"""Embeddings that stand for a gallery where there is no rival: those of the last few frames are
almost always near, and reading a whole gallery of 100 costs 51 kB of memory traffic a track."""


class AppearanceGallery:
    """Ring buffers of the last `size` embeddings, one for each slot of the track table.

    Memory is `slots x size x D` floats, and grows only with the number of slots in use at once.

    Args:
        size: Embeddings kept for each track (`L_k` = 100 in the paper).
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._vectors: Float32Array = np.zeros((0, size, 0), np.float32)
        self._count: IndexArray = np.zeros(0, np.intp)

    def add(self, slots: IndexArray, embeddings: Float32Array) -> None:
        """Stores one embedding `(n, D)` for each slot `(n,)`, over the oldest when full."""
        if not embeddings.shape[1] or not len(slots):
            return
        self._reserve(int(slots.max()) + 1, embeddings.shape[1])
        self._vectors[slots, self._count[slots] % self._size] = embeddings
        self._count[slots] += 1

    def clear(self, slots: IndexArray) -> None:
        """Forgets what the slots looked like."""
        self._count[slots[slots < len(self._count)]] = 0

    def distances(
        self,
        slots: IndexArray,
        embeddings: Float32Array,
        admissible: BoolArray,
        *,
        enough: float = -np.inf,
    ) -> Float64Array:
        """Returns `(T, N)` smallest cosine distances, infinite where a pair is not admissible.

        A slot without embeddings is infinitely far from everything.

        Args:
            slots: `(T,)` slots of the tracks.
            embeddings: `(N, D)` unit vectors of the detections.
            admissible: `(T, N)` pairs worth a comparison; the others cost nothing.
            enough: A pair without rivals (the only admissible one of its row and its column) gets
                the distance to the newest embeddings alone where that is at most this: with nobody
                to compare with, an assignment needs no more than "near enough".
        """
        result = np.full(admissible.shape, np.inf)
        rows, columns = np.nonzero(admissible)
        if not len(rows):
            return result
        if np.isfinite(enough):
            alone = without_rivals(admissible, rows, columns)
            pairs = np.flatnonzero(alone)
            distance = self._to_newest(slots[rows[pairs]], embeddings[columns[pairs]])
            done = distance <= enough
            result[rows[pairs[done]], columns[pairs[done]]] = distance[done]
            alone[pairs[~done]] = False
            rows, columns = rows[~alone], columns[~alone]
        result[rows, columns] = self._to_all(slots[rows], embeddings[columns])
        return result

    def _to_newest(self, slots: IndexArray, wanted: Float32Array) -> Float64Array:
        """Returns `(P,)` distances of vectors `(P, D)` to the newest few of each slot."""
        distance = np.full(len(slots), np.inf)
        known = np.flatnonzero(slots < len(self._count))
        known = known[self._count[slots[known]] >= _NEWEST]
        if len(known):
            count = self._count[slots[known]]
            place = (count[:, None] - 1 - np.arange(_NEWEST)) % self._size
            newest = self._vectors[slots[known][:, None], place]
            alike = np.matmul(newest, wanted[known][:, :, None])[:, :, 0]
            distance[known] = 1.0 - alike.max(axis=1).astype(np.float64)
        return distance

    def _to_all(self, pair_slots: IndexArray, wanted: Float32Array) -> Float64Array:
        """Returns `(P,)` distances of vectors `(P, D)` to whole galleries; equal slots adjoin."""
        nearest = np.full(len(pair_slots), -np.inf, np.float32)
        # A track's few admissible detections against its own gallery: one small product each. A
        # product of all galleries with all detections costs ten times as much at 100 tracks.
        ends = np.flatnonzero(np.diff(pair_slots, append=-1)) + 1
        group_slots = pair_slots[ends - 1]
        known = group_slots < len(self._count)
        filled = np.zeros(len(ends), np.intp)
        filled[known] = np.minimum(self._count[group_slots[known]], self._size)
        start = 0
        for slot, count, end in zip(
            group_slots.tolist(), filled.tolist(), ends.tolist(), strict=True
        ):
            if count:
                alike = np.dot(wanted[start:end], self._vectors[slot, :count].T)
                np.maximum.reduce(alike, axis=1, out=nearest[start:end])
            start = end
        return np.asarray(1.0 - nearest.astype(np.float64))

    def _reserve(self, slots: int, width: int) -> None:
        have, _, old_width = self._vectors.shape
        if old_width == width and slots <= have:
            return
        capacity = max(slots, 2 * have if old_width == width else have, 16)
        vectors = np.zeros((capacity, self._size, width), np.float32)
        count = np.zeros(capacity, np.intp)
        if old_width == width:
            vectors[:have] = self._vectors
            count[:have] = self._count
        self._vectors, self._count = vectors, count
