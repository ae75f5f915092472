"""Batches: what comes in an epoch depends on seed and number, not on threads."""

import threading

import numpy as np
import pytest

from tracker.errors import ConfigError
from tracker.training.detector.augment import AugmentSettings
from tracker.training.detector.batches import Batch, Batches, collate
from tracker.training.samples import Sample


class Scenes:
    """Samples whose image and only box tell their number."""

    class_names = ("thing",)

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int, /) -> Sample:
        image = np.full((24, 32, 3), index, np.uint8)
        return Sample(image, np.float32([[2, 2, 22, 22]]), np.zeros(1, np.int32), np.array([False]))


def boxes_of(count: int, *, ignore: list[bool] | None = None) -> Sample:
    sides = np.arange(1, count + 1, dtype=np.float32)
    boxes = np.stack([np.zeros(count), np.zeros(count), sides, sides], axis=1)
    flags = np.zeros(count, np.bool_) if ignore is None else np.array(ignore)
    image = np.zeros((16, 16, 3), np.uint8)
    return Sample(image, boxes, np.arange(count, dtype=np.int32), flags)


def same(first: Batch, second: Batch) -> bool:
    names = ("images", "boxes", "classes", "ignore", "valid")
    return all(np.array_equal(getattr(first, n), getattr(second, n)) for n in names)


def test_a_sample_without_boxes_is_all_padding() -> None:
    batch = collate([boxes_of(0)], max_boxes=3)
    assert batch.images.shape == (1, 16, 16, 3)
    assert batch.boxes.shape == (1, 3, 4)
    assert not batch.valid.any()
    assert not batch.boxes.any()


def test_boxes_beyond_the_most_go_regions_first_then_small_ones() -> None:
    batch = collate([boxes_of(2), boxes_of(4, ignore=[False, False, False, True])], max_boxes=2)
    assert batch.classes.tolist() == [[1, 0], [2, 1]]
    assert batch.valid.all()
    assert not batch.ignore.any()
    assert [a.dtype for a in (batch.images, batch.boxes, batch.classes)] == [
        np.uint8, np.float32, np.int32,
    ]  # fmt: skip


def test_without_augmentation_all_samples_come_once_in_order() -> None:
    batches = Batches(Scenes(5), size=32, batch=2)
    assert len(batches) == 3
    made = list(batches)
    assert [len(batch) for batch in made] == [2, 2, 1]
    assert [int(image[16, 16, 0]) for batch in made for image in batch.images] == [0, 1, 2, 3, 4]
    np.testing.assert_allclose(made[0].boxes[0, 0], [2, 6, 22, 26])


@pytest.mark.parametrize("workers", [1, 3])
def test_an_epoch_depends_on_seed_and_number_alone(workers: int) -> None:
    def epoch(number: int, seed: int = 0) -> list[Batch]:
        batches = Batches(
            Scenes(7), size=32, batch=2, augment=AugmentSettings(), seed=seed, workers=workers
        )
        return list(batches.epoch(number))

    reference = list(Batches(Scenes(7), size=32, batch=2, augment=AugmentSettings()).epoch(1))
    assert [len(batch) for batch in reference] == [2, 2, 2, 2]
    assert all(map(same, reference, epoch(1)))
    assert not any(map(same, reference, epoch(2)))
    assert not any(map(same, reference, epoch(1, seed=1)))


def test_an_epoch_can_go_on_in_the_middle() -> None:
    batches = Batches(Scenes(7), size=32, batch=2, augment=AugmentSettings())
    assert all(map(same, list(batches.epoch(3))[2:], batches.epoch(3, start=2)))


def test_walking_through_gives_the_first_epoch() -> None:
    batches = Batches(Scenes(5), size=32, batch=2, augment=AugmentSettings())
    assert all(map(same, batches, batches.epoch(0)))
    assert len(list(batches)) == 3


def test_leaving_early_leaves_no_thread_behind() -> None:
    before = threading.active_count()
    batches = Batches(Scenes(50), size=32, batch=2, augment=AugmentSettings(), workers=2)
    for _ in batches:
        break
    assert threading.active_count() == before


def test_an_error_in_a_sample_reaches_the_caller() -> None:
    class Broken(Scenes):
        def __getitem__(self, index: int, /) -> Sample:
            raise OSError(f"sample {index}")

    with pytest.raises(OSError, match="sample 0"):
        next(iter(Batches(Broken(3))))


def test_bad_numbers() -> None:
    with pytest.raises(ConfigError, match="at least one sample"):
        Batches(Scenes(0))
    for name in ("size", "batch", "max_boxes", "workers"):
        with pytest.raises(ConfigError, match=name):
            Batches(Scenes(1), **{name: 0})
