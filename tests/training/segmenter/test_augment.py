"""Changes of images with masks, and batches of them."""

from itertools import islice

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tracker.errors import ConfigError
from tracker.training.segmenter.augment import (
    SegmentAugmentSettings,
    augment_segment,
    fit_segment,
)
from tracker.training.segmenter.batches import SegmentBatches
from tracker.training.segmenter.data import IGNORE, SegmentSample

PLAIN = SegmentAugmentSettings(
    scale=(1, 1), stretch=1, flip=0, hue=0, saturation=1, brightness=1, grey=0, degrade=0
)


def halves(height: int, width: int) -> SegmentSample:
    """Bright and of class 1 on the left, dark and of class 0 on the right."""
    mask = np.zeros((height, width), np.uint8)
    mask[:, : width // 2] = 1
    return SegmentSample(np.repeat(mask[..., None] * 200, 3, axis=2), mask)


def test_an_image_that_fits_is_not_changed() -> None:
    sample = halves(32, 32)
    result = augment_segment(sample, size=32, settings=PLAIN, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(result.image, sample.image)
    np.testing.assert_array_equal(result.mask, sample.mask)


def test_flipping_turns_both() -> None:
    sample = halves(32, 32)
    changed = SegmentAugmentSettings(
        scale=(1, 1), stretch=1, flip=1, hue=0, saturation=1, brightness=1, grey=0, degrade=0
    )
    result = augment_segment(sample, size=32, settings=changed, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(result.mask, sample.mask[:, ::-1])
    np.testing.assert_array_equal(result.image, sample.image[:, ::-1])


@settings(max_examples=40)
@example(seed=71, height=1, width=10, scale=2.84375)
@given(
    seed=st.integers(0, 2**32),
    height=st.integers(1, 90),
    width=st.integers(2, 90),
    scale=st.floats(0.2, 4),
)
def test_images_and_masks_stay_together(seed: int, height: int, width: int, scale: float) -> None:
    """Whatever is drawn, the bright half stays the half of class 1, but for its blurred edge."""
    changed = SegmentAugmentSettings(scale=(scale, scale), brightness=1, grey=0, degrade=0, hue=0)
    result = augment_segment(
        halves(height, width), size=64, settings=changed, rng=np.random.default_rng(seed)
    )
    assert result.image.shape == (64, 64, 3)
    assert set(np.unique(result.mask)) <= {0, 1, IGNORE}
    image = result.image[..., 1].astype(int)
    outside = result.mask == IGNORE
    assert (image[outside] == 128).all()
    # Pixels at least two columns of the source from the edge between the halves are pure.
    blur = 3 + round(2 * 64 * scale * 1.2 / max(height, width))
    for value, bright in ((0, False), (1, True)):
        inner = result.mask == value
        for shift in range(-blur, blur + 1):
            rolled = np.roll(result.mask, shift, axis=1)
            inner &= (rolled == value) | (rolled == IGNORE)
        if inner.any():
            # The edge may lie just outside of the crop: there a pixel is half of each.
            found = image[inner]
            assert found.min() >= 96 if bright else found.max() <= 104


def test_letterboxing_ignores_the_border() -> None:
    result = fit_segment(halves(10, 40), 64)
    # 40 columns become 64, 10 rows 16: 24 rows of border above and below.
    assert (result.mask[:24] == IGNORE).all()
    assert (result.mask[40:] == IGNORE).all()
    assert (result.mask[24:40, :32] == 1).all()
    assert (result.mask[24:40, 32:] == 0).all()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"scale": (0, 1)}, "scale: expected 0 < smallest"),
        ({"scale": (2, 1)}, "scale: expected 0 < smallest"),
        ({"flip": 1.5}, r"flip: expected a number in \[0, 1\]"),
        ({"stretch": 0.5}, "stretch: expected 1 or more"),
        ({"hue": -1}, "hue: expected 0 or more"),
    ],
)
def test_settings_out_of_range(values: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SegmentAugmentSettings(**values)


def batches(**options: object) -> SegmentBatches:
    return SegmentBatches([halves(8, n) for n in (8, 12, 16)], size=32, batch=2, **options)


def test_the_same_epoch_is_the_same_whatever_the_threads() -> None:
    changed = SegmentAugmentSettings()
    first = list(batches(augment=changed, seed=3).epoch(1))
    second = list(batches(augment=changed, seed=3, workers=3).epoch(1))
    rest = list(batches(augment=changed, seed=3).epoch(1, start=1))
    assert [len(batch.images) for batch in first] == [2, 2]
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.images, b.images)
        np.testing.assert_array_equal(a.masks, b.masks)
    np.testing.assert_array_equal(rest[0].masks, first[1].masks)
    other = next(iter(batches(augment=changed, seed=3).epoch(2)))
    assert not np.array_equal(other.images, first[0].images)


def test_without_changes_all_samples_come_once() -> None:
    assert [batch.masks.shape for batch in batches()] == [(2, 32, 32), (1, 32, 32)]
    assert len(list(islice(batches(), 1))) == 1  # leaving early is no error
    with pytest.raises(ConfigError, match="workers: expected at least 1"):
        batches(workers=0)
