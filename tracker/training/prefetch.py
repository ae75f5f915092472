"""What makes batches ahead of a training: the order of an epoch, and threads that stay in front.

Comes in: numbers, and a function that makes one batch. Goes out: indices, and batches in order.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

import numpy as np

TaskT = TypeVar("TaskT")
BatchT = TypeVar("BatchT")


def shuffled_order(total: int, batch: int, *, seed: int, epoch: int) -> list[int]:
    """Returns all indices in an order of the epoch's own, filled up to whole batches.

    Args:
        total: Number of samples.
        batch: Samples in a batch.
        seed: Of all random draws.
        epoch: Its number, from 0.
    """
    rng = np.random.default_rng([seed, epoch])
    more = rng.integers(0, total, math.ceil(total / batch) * batch - total)
    return [*rng.permutation(total).tolist(), *more.tolist()]


def prefetched(
    make: Callable[[TaskT], BatchT], tasks: Iterable[TaskT], *, workers: int, ahead: int
) -> Iterator[BatchT]:
    """Yields what `make` gives for each task, in their order; threads work ahead.

    Args:
        make: Makes one batch; runs in other threads.
        tasks: What to make.
        workers: Threads.
        ahead: Batches that are begun before they are asked for.
    """
    rest = iter(tasks)
    waiting: deque[Future[BatchT]] = deque()
    with ThreadPoolExecutor(workers, "batches") as pool:
        try:
            for task in islice(rest, ahead):
                waiting.append(pool.submit(make, task))
            while waiting:
                batch = waiting.popleft().result()
                for task in islice(rest, 1):
                    waiting.append(pool.submit(make, task))
                yield batch
        finally:
            for future in waiting:
                future.cancel()
