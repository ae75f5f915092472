"""Batches by epoch: order, threads, and going on in the middle, whatever a batch holds."""

import threading
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from tracker.errors import ConfigError
from tracker.training.epoch_batches import EpochBatches, EpochOrder


class Numbers(EpochBatches[tuple[tuple[int, ...], float]]):
    """Batches that hold the indices of their samples and one random draw."""

    def _make(
        self, indices: Sequence[int], rng: np.random.Generator
    ) -> tuple[tuple[int, ...], float]:
        return tuple(indices), float(rng.random())


def numbers(total: int, order: EpochOrder, *, seed: int = 0, workers: int = 1) -> Numbers:
    return Numbers(total, batch=3, order=order, seed=seed, workers=workers)


def test_as_stored_each_sample_comes_once_in_order() -> None:
    batches = numbers(7, EpochOrder.AS_STORED)
    assert len(batches) == 3
    assert [indices for indices, _ in batches] == [(0, 1, 2), (3, 4, 5), (6,)]


@pytest.mark.parametrize("order", [EpochOrder.SHUFFLED, EpochOrder.SHUFFLED_REPEATED])
def test_shuffled_each_sample_comes_and_all_batches_are_full(order: EpochOrder) -> None:
    batches = list(numbers(7, order).epoch(2))
    assert [len(indices) for indices, _ in batches] == [3, 3, 3]
    drawn = [index for indices, _ in batches for index in indices]
    assert sorted(drawn[:7]) == list(range(7))
    if order is EpochOrder.SHUFFLED_REPEATED:
        assert drawn[7:] == drawn[:2]
    assert (
        drawn[:7] != [index for indices, _ in numbers(7, order).epoch(3) for index in indices][:7]
    )


def test_fewer_samples_than_a_batch_has() -> None:
    (indices, _), *others = numbers(2, EpochOrder.SHUFFLED_REPEATED)
    assert not others
    assert sorted(Counter(indices).values()) == [1, 2]


@pytest.mark.parametrize("workers", [1, 4])
def test_an_epoch_depends_on_seed_and_number_alone(workers: int) -> None:
    reference = list(numbers(20, EpochOrder.SHUFFLED, seed=5).epoch(1))
    assert list(numbers(20, EpochOrder.SHUFFLED, seed=5, workers=workers).epoch(1)) == reference
    assert list(numbers(20, EpochOrder.SHUFFLED, seed=6, workers=workers).epoch(1)) != reference
    assert len({draw for _, draw in reference}) == len(reference)


@pytest.mark.parametrize("start", [0, 1, 6, 7, 9])
def test_an_epoch_goes_on_in_the_middle_as_it_would_have(start: int) -> None:
    batches = numbers(20, EpochOrder.SHUFFLED, workers=2)
    assert list(batches.epoch(4, start=start)) == list(batches.epoch(4))[start:]


def test_leaving_early_leaves_no_thread_and_makes_no_more_batches() -> None:
    made: list[int] = []

    class Counted(Numbers):
        def _make(
            self, indices: Sequence[int], rng: np.random.Generator
        ) -> tuple[tuple[int, ...], float]:
            made.append(indices[0])
            return super()._make(indices, rng)

    before = threading.active_count()
    for _ in Counted(300, batch=3, order=EpochOrder.AS_STORED, seed=0, workers=2):
        break
    assert threading.active_count() == before
    assert len(made) <= 4  # the first, and two threads with one more


@pytest.mark.parametrize("name", ["data set", "batch", "workers"])
def test_numbers_below_one_are_refused(name: str) -> None:
    values = {"data set": 1, "batch": 1, "workers": 1, name: 0}
    with pytest.raises(ConfigError, match=f"{name}: expected at least 1, got 0"):
        Numbers(
            values["data set"],
            batch=values["batch"],
            order=EpochOrder.SHUFFLED,
            seed=0,
            workers=values["workers"],
        )
