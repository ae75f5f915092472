"""Batches of images with masks; order, threads and restarts are those of `epoch_batches`."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tracker.errors import ConfigError
from tracker.training.epoch_batches import EpochBatches, EpochOrder
from tracker.training.segmenter.augment import SegmentAugmentSettings, augment_segment, fit_segment
from tracker.training.segmenter.data import SegmentDataset, SegmentSample
from tracker.util.arrays import UInt8Array


@dataclass(frozen=True, slots=True, eq=False)
class SegmentBatch:
    """`B` images of one size with their masks.

    Attributes:
        images: `(B, S, S, 3)` uint8 RGB.
        masks: `(B, S, S)` uint8 class index, or `IGNORE`.
    """

    images: UInt8Array
    masks: UInt8Array


class SegmentBatches(EpochBatches[SegmentBatch]):
    """Batches of a dataset, epoch after epoch.

    The order and the changes of an epoch depend on the seed and the epoch's number alone, however
    many threads there are. With augmentation the samples are shuffled and the last, incomplete
    batch of an epoch is filled up with samples drawn again; without, all samples come once, in
    order, and the last batch may be smaller.

    Args:
        dataset: The dataset, at least one sample.
        size: Side of the images in pixels.
        batch: Images in a batch.
        augment: How images are changed; `None` only letterboxes them.
        seed: Seed of all random draws.
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
        if size < 1:
            raise ConfigError(f"size: expected at least 1, got {size}")
        self._dataset, self._augment, self._size = dataset, augment, size
        order = EpochOrder.AS_STORED if augment is None else EpochOrder.SHUFFLED
        super().__init__(len(dataset), batch=batch, order=order, seed=seed, workers=workers)

    def _make(self, indices: Sequence[int], rng: np.random.Generator) -> SegmentBatch:
        samples = [self._sample(index, rng) for index in indices]
        return SegmentBatch(
            np.stack([sample.image for sample in samples]),
            np.stack([sample.mask for sample in samples]),
        )

    def _sample(self, index: int, rng: np.random.Generator) -> SegmentSample:
        sample = self._dataset[index]
        if self._augment is None:
            return fit_segment(sample, self._size)
        return augment_segment(sample, size=self._size, settings=self._augment, rng=rng)
