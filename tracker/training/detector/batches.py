"""Batches for training: samples, augmented and padded to equal shapes, made ahead of time.

Order, threads and restarts are those of `epoch_batches`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tracker.boxes import area
from tracker.errors import ConfigError
from tracker.training.datasets import DetectionDataset
from tracker.training.detector.augment import AugmentSettings, augment, fit
from tracker.training.epoch_batches import EpochBatches, EpochOrder
from tracker.training.samples import Sample
from tracker.util.arrays import BoolArray, Float32Array, Int32Array, UInt8Array


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """`B` images of one size with up to `M` boxes each.

    Attributes:
        images: `(B, S, S, 3)` uint8 RGB.
        boxes: `(B, M, 4)` float32 xyxy in pixels; zeros where not valid.
        classes: `(B, M)` int32; 0 where not valid.
        ignore: `(B, M)` bool: a region that counts neither as object nor as background.
        valid: `(B, M)` bool: there is a box at all.
        scores: `(B, M)` float32 in `[0, 1]`: how sure the label is; 0 where not valid.
    """

    images: UInt8Array
    boxes: Float32Array
    classes: Int32Array
    ignore: BoolArray
    valid: BoolArray
    scores: Float32Array

    def __len__(self) -> int:
        return len(self.images)


class Batches(EpochBatches[Batch]):
    """Batches of a dataset, epoch after epoch.

    The order and the changes of an epoch depend on the seed and the epoch's number alone, however
    many threads there are. With augmentation the samples are shuffled and the last, incomplete
    batch of an epoch is filled up with samples drawn again; without, all samples come once, in
    order, and the last batch may be smaller.

    Args:
        dataset: The dataset; `Cached` where decoding each time would be slow.
        size: Side of the images in pixels, 32 or more.
        batch: Images in a batch.
        augment: How images are changed; `None` only letterboxes them.
        seed: Seed of all random draws.
        max_boxes: `M`; where an image has more, regions to ignore go first, then the smallest.
        workers: Threads that prepare batches.

    Raises:
        ConfigError: The dataset is empty, or a number is too small.
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
        for name, value, least in (("size", size, 32), ("max_boxes", max_boxes, 1)):
            if value < least:
                raise ConfigError(f"{name}: expected {least} or more, got {value}")
        self._dataset, self._augment = dataset, augment
        self._size, self._max_boxes = size, max_boxes
        order = EpochOrder.AS_STORED if augment is None else EpochOrder.SHUFFLED
        super().__init__(len(dataset), batch=batch, order=order, seed=seed, workers=workers)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, by class index."""
        return self._dataset.class_names

    def _make(self, indices: Sequence[int], rng: np.random.Generator) -> Batch:
        return collate([self._sample(index, rng) for index in indices], max_boxes=self._max_boxes)

    def _sample(self, index: int, rng: np.random.Generator) -> Sample:
        if self._augment is None:
            return fit(self._dataset[index], self._size)

        def draw() -> Sample:
            return self._dataset[int(rng.integers(len(self._dataset)))]

        return augment(self._dataset[index], draw, size=self._size, settings=self._augment, rng=rng)


def collate(samples: list[Sample], *, max_boxes: int) -> Batch:
    """Returns samples of equal size as one batch.

    Args:
        samples: One or more, with images of one size.
        max_boxes: `M`; where a sample has more, regions to ignore go first, then the smallest.
    """
    shape = (len(samples), max_boxes)
    boxes, classes = np.zeros((*shape, 4), np.float32), np.zeros(shape, np.int32)
    ignore, valid = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)
    scores = np.zeros(shape, np.float32)
    for row, sample in enumerate(samples):
        kept = np.lexsort((-area(sample.boxes), sample.ignore))[:max_boxes]
        boxes[row, : len(kept)] = sample.boxes[kept]
        classes[row, : len(kept)] = sample.classes[kept]
        ignore[row, : len(kept)] = sample.ignore[kept]
        valid[row, : len(kept)] = True
        scores[row, : len(kept)] = sample.scores[kept]
    images = np.stack([sample.image for sample in samples])
    return Batch(images, boxes, classes, ignore, valid, scores)
