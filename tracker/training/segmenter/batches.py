"""Batches of pictures with masks, made ahead of time.

Comes in: a data set. Goes out: `SegmentBatch`es, epoch by epoch. Threads prepare the next batches
while the network learns from this one.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tracker.errors import ConfigError
from tracker.training.prefetch import prefetched, shuffled_order
from tracker.training.segmenter.augment import SegmentAugmentSettings, augment_segment, fit_segment
from tracker.training.segmenter.data import SegmentDataset, SegmentSample
from tracker.util.arrays import UInt8Array


@dataclass(frozen=True, slots=True, eq=False)
class SegmentBatch:
    """`B` pictures of one size with their masks.

    Attributes:
        images: `(B, S, S, 3)` uint8 RGB.
        masks: `(B, S, S)` uint8 class index, or `IGNORE`.
    """

    images: UInt8Array
    masks: UInt8Array


class SegmentBatches:
    """Batches of a data set, epoch after epoch.

    The order and the changes of an epoch depend on the seed and the epoch's number alone, however
    many threads there are. With augmentation the samples are shuffled and the last, incomplete
    batch of an epoch is filled up with samples drawn anew; without, all samples come once, in
    order, and the last batch may be smaller.

    Args:
        dataset: The data set, at least one sample.
        size: Side of the pictures in pixels.
        batch: Pictures in a batch.
        augment: How pictures are changed; `None` only letterboxes them.
        seed: Of all randomness.
        workers: Threads that prepare batches.

    Raises:
        ConfigError: A number is too small.
    """

    def __init__(
        self,
        dataset: SegmentDataset,
        *,
        size: int,
        batch: int,
        augment: SegmentAugmentSettings | None = None,
        seed: int = 0,
        workers: int = 1,
    ) -> None:
        for name, value in {"size": size, "batch": batch, "workers": workers}.items():
            if value < 1:
                raise ConfigError(f"{name}: expected at least 1, got {value}")
        self._dataset, self._augment = dataset, augment
        self._size, self._batch = size, batch
        self._seed, self._workers = seed, workers

    def __len__(self) -> int:
        """Returns the number of batches in an epoch."""
        return math.ceil(len(self._dataset) / self._batch)

    def __iter__(self) -> Iterator[SegmentBatch]:
        """Returns the batches of the first epoch."""
        return self.epoch(0)

    def epoch(self, number: int, *, start: int = 0) -> Iterator[SegmentBatch]:
        """Returns the batches of one epoch.

        Args:
            number: Of the epoch, from 0.
            start: Batches at its beginning to leave out, where a training goes on in the middle.
        """
        order = self._order(number)
        parts = [order[n : n + self._batch] for n in range(0, len(order), self._batch)]
        return prefetched(
            lambda task: self._make(number, *task),
            list(enumerate(parts))[start:],
            workers=self._workers,
            ahead=self._workers + 1,
        )

    def _order(self, number: int) -> list[int]:
        if self._augment is None:
            return list(range(len(self._dataset)))
        return shuffled_order(len(self._dataset), self._batch, seed=self._seed, epoch=number)

    def _make(self, epoch: int, number: int, indices: list[int]) -> SegmentBatch:
        rng = np.random.default_rng([self._seed, epoch, number])
        samples = [self._one(index, rng) for index in indices]
        return SegmentBatch(
            np.stack([sample.image for sample in samples]),
            np.stack([sample.mask for sample in samples]),
        )

    def _one(self, index: int, rng: np.random.Generator) -> SegmentSample:
        sample = self._dataset[index]
        if self._augment is None:
            return fit_segment(sample, self._size)
        return augment_segment(sample, size=self._size, settings=self._augment, rng=rng)
