"""Augmentation: boxes follow the pixels, stay inside, and only the generator decides."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracker.errors import ConfigError, DataError
from tracker.training.detector.augment import (
    AugmentSettings,
    _cut,
    augment,
    fit,
    flip,
    mosaic,
)
from tracker.training.detector.augment_paste import paste_objects
from tracker.training.detector.augment_pixels import change_colours, degrade, without_colour
from tracker.training.samples import Sample

CALM = AugmentSettings(
    scale=(1, 1), mosaic=0, stretch=1, flip=0, hue=0, saturation=1, brightness=1,
    grey=0, degrade=0, paste=0,
)  # fmt: skip
WILD = AugmentSettings(degrade=0.5, paste=0.7, grey=0.3)


def scene(
    boxes: list[list[int]], *, size: tuple[int, int] = (60, 80), ignore: bool = False
) -> Sample:
    """White rectangles on black where the boxes are."""
    image = np.zeros((*size, 3), np.uint8)
    for x1, y1, x2, y2 in boxes:
        image[y1:y2, x1:x2] = 255
    count = len(boxes)
    return Sample(
        image,
        np.array(boxes, np.float32).reshape(-1, 4),
        np.arange(count, dtype=np.int32),
        np.full(count, ignore),
    )


def bright(image: np.ndarray) -> list[int]:
    """The box around what is white."""
    y, x = np.nonzero(image[..., 0] > 190)
    return [x.min(), y.min(), x.max() + 1, y.max() + 1]


def test_nothing_changes_where_nothing_is_asked_for() -> None:
    sample = scene([[10, 20, 30, 50]])
    same = augment(sample, lambda: sample, size=80, settings=CALM, rng=np.random.default_rng(0))
    assert same.image.shape == (80, 80, 3)
    np.testing.assert_allclose(bright(same.image), same.boxes[0], atol=1)
    assert same.boxes[0, 2] - same.boxes[0, 0] == pytest.approx(20)


def test_fit_is_the_detectors_letterbox() -> None:
    fitted = fit(scene([[10, 20, 30, 50]]), 160)
    np.testing.assert_allclose(fitted.boxes, [[20, 60, 60, 120]])
    assert fitted.image[0, 0].tolist() == [128] * 3
    np.testing.assert_allclose(bright(fitted.image), fitted.boxes[0], atol=1)


def test_mirroring_twice_is_nothing() -> None:
    sample = scene([[10, 20, 30, 50], [0, 0, 5, 5]])
    once = flip(sample)
    np.testing.assert_array_equal(once.boxes[0], [50, 20, 70, 50])
    twice = flip(once)
    np.testing.assert_array_equal(twice.boxes, sample.boxes)
    np.testing.assert_array_equal(twice.image, sample.image)


@pytest.mark.parametrize("grid", [1, 2, 3])
@pytest.mark.parametrize("scale", [0.3, 0.7, 1.6])
def test_boxes_of_a_mosaic_lie_on_the_pixels(grid: int, scale: float) -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        samples = [scene([[20, 15, 60, 45]])] + [scene([])] * (grid * grid - 1)
        made = mosaic(samples, scale, size=160, settings=CALM, rng=rng)
        if len(made):
            np.testing.assert_allclose(bright(made.image), made.boxes[0], atol=1.6)


def test_a_mosaic_needs_a_square_number() -> None:
    for count in (0, 2):
        with pytest.raises(DataError, match="1, 4, 9"):
            mosaic([scene([])] * count, 1, size=32, settings=CALM, rng=np.random.default_rng(0))


def test_what_is_cut_away_is_ignored() -> None:
    boxes = np.float32([[0, 0, 10, 10], [35, 0, 45, 10], [37, 20, 47, 30], [60, 0, 70, 10]])
    window = np.float32([[0, 0, 40, 60]])
    cut, kept, doubtful = _cut(boxes, window, AugmentSettings(min_visible=0.5))
    # Whole, exactly half (stays), 3 of 10 (to ignore), outside (gone).
    assert kept.tolist() == [True, True, True, False]
    np.testing.assert_array_equal(cut[:3], [[0, 0, 10, 10], [35, 0, 40, 10], [37, 20, 40, 30]])
    assert doubtful[:3].tolist() == [False, False, True]


def test_what_is_too_small_is_ignored() -> None:
    boxes = np.float32([[0, 0, 2, 40], [0, 0, 3, 40]])
    _, kept, doubtful = _cut(boxes, np.float32([[0, 0, 80, 60]]), AugmentSettings(min_side=3))
    assert kept.all()
    assert doubtful.tolist() == [True, False]


def test_pasted_objects_come_with_their_class_and_hide_what_is_below() -> None:
    donor = scene([[0, 0, 40, 40]], size=(40, 40))
    everywhere = scene([[x, y, x + 4, y + 4] for x in range(0, 80, 4) for y in range(0, 60, 4)])
    everywhere = Sample(
        np.zeros_like(everywhere.image), everywhere.boxes, everywhere.classes, everywhere.ignore
    )
    pasted = paste_objects(everywhere, donor, rng=np.random.default_rng(3), most=1)
    assert len(pasted) == len(everywhere) + 1
    x1, y1, x2, y2 = pasted.boxes[-1].astype(int)
    assert pasted.classes[-1] == 0
    assert not pasted.ignore[-1]
    assert pasted.image[(y1 + y2) // 2, (x1 + x2) // 2].tolist() == [255] * 3
    hidden = pasted.ignore[:-1]
    centre = (everywhere.boxes[:, :2] + everywhere.boxes[:, 2:]) / 2
    inside = ((centre > [x1 + 2, y1 + 2]) & (centre < [x2 - 2, y2 - 2])).all(axis=1)
    assert hidden[inside].all()
    outside = ((centre < [x1, y1]) | (centre > [x2, y2])).any(axis=1)
    assert not hidden[outside].any()


def test_nothing_is_pasted_from_regions_to_ignore() -> None:
    sample = scene([])
    donor = scene([[0, 0, 40, 40]], ignore=True)
    assert paste_objects(sample, donor, rng=np.random.default_rng(0)) is sample
    assert paste_objects(sample, scene([[0, 0, 5, 40]]), rng=np.random.default_rng(0)) is sample


def test_colours_change_within_their_limits() -> None:
    image = np.full((4, 4, 3), (100, 50, 50), np.uint8)
    rng = np.random.default_rng(0)
    calm = change_colours(image, rng=rng, hue=0, saturation=1, brightness=1)
    np.testing.assert_array_equal(calm, image)
    values = [
        change_colours(image, rng=rng, hue=10, saturation=1.6, brightness=1.5).max()
        for _ in range(60)
    ]
    assert 45 < min(values) < 90
    assert 110 < max(values) < 200
    light = change_colours(image, rng=rng, hue=0, saturation=1, brightness=1.5)
    ratio = light[0, 0, 0] / 100
    np.testing.assert_allclose(light[0, 0], [100 * ratio, 50 * ratio, 50 * ratio], atol=1.5)
    grey = without_colour(image)
    assert (grey == grey[..., :1]).all()


def test_a_worse_camera_keeps_the_shape() -> None:
    image = np.random.default_rng(0).integers(0, 255, (32, 48, 3), dtype=np.uint8)
    rng = np.random.default_rng(1)
    assert degrade(image, probability=0, rng=rng) is image
    worse = degrade(image, probability=1, rng=rng)
    assert worse.shape == image.shape
    assert worse.dtype == np.uint8
    assert not np.array_equal(worse, image)


def test_wrong_settings_are_told() -> None:
    for name, value in {
        "scale": (0, 1), "mosaic": 1.1, "stretch": 0.9, "hue": -1, "paste": -0.1,
    }.items():  # fmt: skip
        with pytest.raises(ConfigError, match=name):
            AugmentSettings(**{name: value})


@st.composite
def samples(draw: st.DrawFn) -> Sample:
    height, width = draw(st.integers(1, 90)), draw(st.integers(1, 90))
    corners = st.tuples(
        st.floats(0, 0.95), st.floats(0, 0.95), st.floats(0.05, 1), st.floats(0.05, 1)
    )
    rows = np.array(draw(st.lists(corners, max_size=6)), np.float64).reshape(-1, 4)
    boxes = np.hstack([rows[:, :2], np.minimum(rows[:, :2] + rows[:, 2:], 1)])
    boxes = (boxes * [width, height, width, height]).astype(np.float32)
    image = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    count = len(boxes)
    return Sample(image, boxes, np.arange(count, dtype=np.int32), np.arange(count) % 3 == 2)


@settings(max_examples=60, deadline=None)
@given(samples(), samples(), st.integers(0, 2**31), st.sampled_from([32, 64, 96]))
def test_boxes_stay_inside_and_proper(first: Sample, other: Sample, seed: int, size: int) -> None:
    # `Sample` itself checks that every box is proper and inside the image.
    made = augment(first, lambda: other, size=size, settings=WILD, rng=np.random.default_rng(seed))
    assert made.image.shape == (size, size, 3)
    again = augment(first, lambda: other, size=size, settings=WILD, rng=np.random.default_rng(seed))
    for name in ("image", "boxes", "classes", "ignore"):
        np.testing.assert_array_equal(getattr(made, name), getattr(again, name))
    sides = made.boxes[:, 2:] - made.boxes[:, :2]
    assert (made.ignore | (sides.min(axis=1, initial=np.inf) >= WILD.min_side - 1e-3)).all()


@given(samples(), st.sampled_from([32, 64]))
def test_fitted_boxes_stay_inside(sample: Sample, size: int) -> None:
    assert len(fit(sample, size)) <= len(sample)
