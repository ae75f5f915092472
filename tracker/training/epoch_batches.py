"""Batches of a training by epoch: their order, threads that prepare them, going on in the middle.

What a batch holds is decided by a subclass: images with boxes, images with masks, or pairs of
crops. Threads prepare the next batches while the network learns from this one: the pixel work
happens in OpenCV, which lets other threads run.
"""

import math
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from enum import Enum
from itertools import islice
from typing import Generic, TypeVar

import numpy as np

from tracker.errors import ConfigError

BatchT = TypeVar("BatchT")


class EpochOrder(Enum):
    """In which order the samples of an epoch come.

    Attributes:
        AS_STORED: As the dataset has them; the last batch may be smaller.
        SHUFFLED: In an order of the epoch's own; the last batch is filled up with samples that are
            drawn again.
        SHUFFLED_REPEATED: Likewise, but filled up with those that came first.
    """

    AS_STORED = "as stored"
    SHUFFLED = "shuffled"
    SHUFFLED_REPEATED = "shuffled, repeated"

    def indices(self, total: int, batch: int, rng: np.random.Generator) -> list[int]:
        """Returns the samples of an epoch in their order.

        Args:
            total: Number of samples.
            batch: Samples in a batch.
            rng: Of this epoch.
        """
        if self is EpochOrder.AS_STORED:
            return list(range(total))
        whole = math.ceil(total / batch) * batch
        if self is EpochOrder.SHUFFLED_REPEATED:
            return [int(index) for index in np.resize(rng.permutation(total), whole)]
        more = rng.integers(0, total, whole - total)
        return [*rng.permutation(total).tolist(), *more.tolist()]


class EpochBatches(ABC, Generic[BatchT]):
    """Batches of a dataset, epoch after epoch.

    The order and the random draws of a batch depend on the seed, the epoch and the number of the
    batch alone, however many threads there are and wherever an epoch goes on.

    Args:
        total: Number of samples, at least 1.
        batch: Samples in a batch.
        order: In which order they come.
        seed: Seed of all random draws.
        workers: Threads that prepare batches.

    Raises:
        ConfigError: A number is too small.
    """

    def __init__(
        self, total: int, *, batch: int, order: EpochOrder, seed: int, workers: int = 1
    ) -> None:
        for name, value in {"data set": total, "batch": batch, "workers": workers}.items():
            if value < 1:
                raise ConfigError(f"{name}: expected at least 1, got {value}")
        self._total, self._batch, self._order = total, batch, order
        self._seed, self._workers = seed, workers

    @abstractmethod
    def _make(self, indices: Sequence[int], rng: np.random.Generator) -> BatchT:
        """Returns one batch; runs in other threads.

        Args:
            indices: Its samples.
            rng: Of this batch.
        """

    def __len__(self) -> int:
        """Returns the number of batches in an epoch."""
        return math.ceil(self._total / self._batch)

    def __iter__(self) -> Iterator[BatchT]:
        """Returns the batches of the first epoch."""
        return self.epoch(0)

    def epoch(self, number: int, *, start: int = 0) -> Iterator[BatchT]:
        """Returns the batches of one epoch.

        Args:
            number: Of the epoch, from 0.
            start: Batches at its beginning to leave out, where a training goes on in the middle.
        """
        rng = np.random.default_rng([self._seed, number])
        indices = self._order.indices(self._total, self._batch, rng)

        def make(step: int) -> BatchT:
            chosen = indices[step * self._batch : (step + 1) * self._batch]
            return self._make(chosen, np.random.default_rng([self._seed, number, step]))

        return _prefetched(make, range(start, len(self)), self._workers)


def _prefetched(
    make: Callable[[int], BatchT], steps: Sequence[int], workers: int
) -> Iterator[BatchT]:
    """Yields what `make` gives for each step, in their order; threads are a batch ahead each."""
    rest = iter(steps)
    waiting: deque[Future[BatchT]] = deque()
    with ThreadPoolExecutor(workers, "batches") as pool:
        try:
            for step in islice(rest, workers + 1):
                waiting.append(pool.submit(make, step))
            while waiting:
                batch = waiting.popleft().result()
                for step in islice(rest, 1):
                    waiting.append(pool.submit(make, step))
                yield batch
        finally:
            for future in waiting:
                future.cancel()
