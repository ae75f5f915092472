"""Batches of crop pairs, drawn and changed while the network learns.

Comes in: a `CropSet`. Goes out: batches by epoch, the same ones for the same seed, from any step
on.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tracker.errors import ConfigError
from tracker.models.reid_shape import CROP_HEIGHT, CROP_WIDTH
from tracker.training.prefetch import prefetched
from tracker.training.reid.augment import ReidAugmentSettings, augment_crop
from tracker.training.reid.data import CropSet
from tracker.util.arrays import Float32Array, IndexArray, UInt8Array

_AHEAD = 3


@dataclass(frozen=True, slots=True, eq=False)
class ReidBatch:
    """What one step learns from; rows `2 n` and `2 n + 1` show the same object.

    Attributes:
        images: `(B, 128, 64, 3)` uint8 RGB.
        groups: `(B,)` int64.
        targets: `(B, D)` float32, or `(B, 0)` without a teacher.
    """

    images: UInt8Array
    groups: IndexArray
    targets: Float32Array


def check_batch(batch: int) -> None:
    """Checks the number of crops in a step.

    Raises:
        ConfigError: It is odd or below 4.
    """
    if batch < 4 or batch % 2:
        raise ConfigError(f"batch: expected an even number of at least 4, got {batch}")


class ReidBatches:
    """Batches by epoch: every crop comes once, each time with another one of its group.

    A crop whose group has no other comes twice, changed differently.

    Args:
        data: What to learn from.
        batch: Rows of a batch, even, at least 4.
        augment: How crops are changed.
        seed: Of all random draws.

    Raises:
        ConfigError: The batch is odd or too small.
    """

    def __init__(
        self, data: CropSet, *, batch: int, augment: ReidAugmentSettings, seed: int
    ) -> None:
        check_batch(batch)
        self._data, self._pairs = data, batch // 2
        self._augment, self._seed = augment, seed
        order = np.argsort(data.groups, kind="stable")
        _, starts, counts = np.unique(data.groups[order], return_index=True, return_counts=True)
        self._order = order
        self._place = np.empty(len(data), np.int64)
        self._place[order] = np.arange(len(data))
        self._start = np.empty(len(data), np.int64)
        self._start[order] = np.repeat(starts, counts)
        self._count = np.empty(len(data), np.int64)
        self._count[order] = np.repeat(counts, counts)

    def __len__(self) -> int:
        """Returns the number of batches in an epoch; the last one is filled up from its start."""
        return math.ceil(len(self._data) / self._pairs)

    def epoch(self, number: int, *, start: int = 0) -> Iterator[ReidBatch]:
        """Returns the batches of an epoch, without the first `start`; another thread makes them."""
        order = np.random.default_rng([self._seed, number]).permutation(len(self._data))
        order = np.resize(order, len(self) * self._pairs).reshape(len(self), self._pairs)
        return prefetched(
            lambda step: self._make(order[step], number, step),
            range(start, len(self)),
            workers=1,
            ahead=_AHEAD,
        )

    def _make(self, chosen: IndexArray, epoch: int, step: int) -> ReidBatch:
        rng = np.random.default_rng([self._seed, epoch, step])
        index = np.stack([chosen, self._partners(chosen, rng)], axis=1).ravel()
        others = rng.integers(0, len(self._data), len(index))
        images = np.empty((len(index), CROP_HEIGHT, CROP_WIDTH, 3), np.uint8)
        for row, (crop, other) in enumerate(zip(index, others, strict=True)):
            images[row] = augment_crop(
                self._data.crops[crop],
                self._data.crops[other],
                margin=self._data.margin,
                settings=self._augment,
                rng=rng,
            )
        return ReidBatch(images, self._data.groups[index], self._data.targets[index])

    def _partners(self, chosen: IndexArray, rng: np.random.Generator) -> IndexArray:
        """Returns another crop of each one's group, or the same where there is no other."""
        count, start = self._count[chosen], self._start[chosen]
        step = rng.integers(1, np.maximum(count, 2))
        place = start + (self._place[chosen] - start + step) % count
        return np.asarray(self._order[place])
