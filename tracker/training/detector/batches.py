"""Batches for training: samples, augmented and padded to equal shapes, made ahead of time.

Comes in: a data set. Goes out: `Batch`es, epoch by epoch. Threads prepare the next batches while
the network learns from this one: the pixel work happens in OpenCV, which lets other threads run.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import numpy as np

from tracker.boxes import area
from tracker.errors import ConfigError
from tracker.training.datasets import DetectionDataset
from tracker.training.detector.augment import AugmentSettings, augment, fit
from tracker.training.prefetch import prefetched, shuffled_order
from tracker.training.samples import Sample
from tracker.util.arrays import BoolArray, Float32Array, Int32Array, UInt8Array


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """`B` pictures of one size with up to `M` boxes each.

    Attributes:
        images: `(B, S, S, 3)` uint8 RGB.
        boxes: `(B, M, 4)` float32 xyxy in pixels; zeros where not valid.
        classes: `(B, M)` int32; 0 where not valid.
        ignore: `(B, M)` bool: a region that counts neither as object nor as background.
        valid: `(B, M)` bool: there is a box at all.
    """

    images: UInt8Array
    boxes: Float32Array
    classes: Int32Array
    ignore: BoolArray
    valid: BoolArray

    def __len__(self) -> int:
        return len(self.images)


class Batches:
    """Batches of a data set, epoch after epoch.

    The order and the changes of an epoch depend on the seed and the epoch's number alone, however
    many threads there are. With augmentation the samples are shuffled and the last, incomplete
    batch of an epoch is filled up with samples drawn anew; without, all samples come once, in
    order, and the last batch may be smaller.

    Args:
        dataset: The data set; `Cached` where decoding each time would be slow.
        size: Side of the pictures in pixels, 32 or more.
        batch: Pictures in a batch.
        augment: How pictures are changed; `None` only letterboxes them.
        seed: Of all randomness.
        max_boxes: `M`; where a picture has more, regions to ignore go first, then the smallest.
        workers: Threads that prepare batches.

    Raises:
        ConfigError: The data set is empty, or a number is too small.
    """

    def __init__(
        self,
        dataset: DetectionDataset,
        *,
        size: int = 320,
        batch: int = 16,
        augment: AugmentSettings | None = None,
        seed: int = 0,
        max_boxes: int = 100,
        workers: int = 1,
    ) -> None:
        if not len(dataset):
            raise ConfigError("data set: expected at least one sample, got none")
        lowest = {"size": (size, 32), "batch": (batch, 1), "max_boxes": (max_boxes, 1)}
        for name, (value, least) in {**lowest, "workers": (workers, 1)}.items():
            if value < least:
                raise ConfigError(f"{name}: expected {least} or more, got {value}")
        self._dataset, self._augment = dataset, augment
        self._size, self._batch, self._max_boxes = size, batch, max_boxes
        self._seed, self._workers = seed, workers

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, by class index."""
        return self._dataset.class_names

    def __len__(self) -> int:
        """Returns the number of batches in an epoch."""
        return math.ceil(len(self._dataset) / self._batch)

    def __iter__(self) -> Iterator[Batch]:
        """Returns batches without end, from epoch 0 on; without augmentation one epoch."""
        if self._augment is None:
            yield from self.epoch(0)
            return
        for number in count():
            yield from self.epoch(number)

    def epoch(self, number: int, *, start: int = 0) -> Iterator[Batch]:
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

    def _make(self, epoch: int, number: int, indices: list[int]) -> Batch:
        rng = np.random.default_rng([self._seed, epoch, number])
        return collate(
            [self._one(index, rng) for index in indices],
            max_boxes=self._max_boxes,
        )

    def _one(self, index: int, rng: np.random.Generator) -> Sample:
        if self._augment is None:
            return fit(self._dataset[index], self._size)

        def draw() -> Sample:
            return self._dataset[int(rng.integers(len(self._dataset)))]

        return augment(self._dataset[index], draw, size=self._size, settings=self._augment, rng=rng)


def collate(samples: list[Sample], *, max_boxes: int) -> Batch:
    """Returns samples of equal size as one batch.

    Args:
        samples: One or more, with pictures of one size.
        max_boxes: `M`; where a sample has more, regions to ignore go first, then the smallest.
    """
    shape = (len(samples), max_boxes)
    boxes, classes = np.zeros((*shape, 4), np.float32), np.zeros(shape, np.int32)
    ignore, valid = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)
    for row, sample in enumerate(samples):
        kept = np.lexsort((-area(sample.boxes), sample.ignore))[:max_boxes]
        boxes[row, : len(kept)] = sample.boxes[kept]
        classes[row, : len(kept)] = sample.classes[kept]
        ignore[row, : len(kept)] = sample.ignore[kept]
        valid[row, : len(kept)] = True
    images = np.stack([sample.image for sample in samples])
    return Batch(images, boxes, classes, ignore, valid)
