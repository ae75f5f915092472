"""Batches of crop pairs; order, threads and restarts are those of `epoch_batches`."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tracker.errors import ConfigError
from tracker.models.reid_shape import CROP_HEIGHT, CROP_WIDTH
from tracker.training.epoch_batches import EpochBatches, EpochOrder
from tracker.training.reid.augment import ReidAugmentSettings, augment_crop
from tracker.training.reid.data import CropSet
from tracker.util.arrays import Float32Array, IndexArray, UInt8Array


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


class ReidBatches(EpochBatches[ReidBatch]):
    """Batches by epoch: every crop comes once, each time with another one of its group.

    A crop whose group has no other comes twice, changed differently.

    Args:
        data: Training crops.
        batch: Rows of a batch, even, at least 4.
        augment: How crops are changed.
        seed: Seed of all random draws.

    Raises:
        ConfigError: The batch is odd or too small.
    """

    def __init__(
        self, data: CropSet, *, batch: int, augment: ReidAugmentSettings, seed: int
    ) -> None:
        check_batch(batch)
        # A sample is a crop with its partner.
        repeated = EpochOrder.SHUFFLED_REPEATED
        super().__init__(len(data), batch=batch // 2, order=repeated, seed=seed)
        self._data, self._augment = data, augment
        order = np.argsort(data.groups, kind="stable")
        _, starts, counts = np.unique(data.groups[order], return_index=True, return_counts=True)
        self._by_group = order
        self._place = np.empty(len(data), np.int64)
        self._place[order] = np.arange(len(data))
        self._start = np.empty(len(data), np.int64)
        self._start[order] = np.repeat(starts, counts)
        self._count = np.empty(len(data), np.int64)
        self._count[order] = np.repeat(counts, counts)

    def _make(self, indices: Sequence[int], rng: np.random.Generator) -> ReidBatch:
        chosen = np.array(indices)
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
        return np.asarray(self._by_group[place])
