"""Views: what teachers and student both see."""

import numpy as np
import pytest

from tracker.errors import ConfigError, DataError
from tracker.training.crops.views import ViewedCrops, ViewSettings, all_views, joined, make_view
from tracker.training.reid.augment import cover_part

PLAIN = {"shift": 0.0, "flip": 0.0, "mixed": 0.0, "cover": 0.0}


def viewed(levels, *, groups=None, upright=None, margin=0.125):
    """Returns crops of one grey level each, surroundings included."""
    crops = [np.full((160, 80, 3), level, np.uint8) for level in levels]
    groups = np.arange(len(levels)) if groups is None else np.array(groups)
    upright = np.ones(len(levels), bool) if upright is None else np.array(upright)
    return ViewedCrops(crops.__getitem__, groups, upright, margin)


def levels_of(image):
    """Returns the grey level of each row; all pixels of a row have to be the same."""
    assert image.shape == (128, 64, 3)
    assert image.dtype == np.uint8
    assert (image == image[:, :1, :1]).all()
    return image[:, 0, 0].tolist()


def test_no_view_and_one_of_each_crop():
    crops = viewed([10, 20])
    assert list(all_views(crops, ViewSettings(0))) == []
    views = list(all_views(crops, ViewSettings(1, **PLAIN)))
    assert sorted(view.crop for view in views) == [0, 1]
    for view in views:
        assert not view.mixed
        assert set(levels_of(view.image)) == {(10, 20)[view.crop]}


def test_without_changes_a_view_is_the_object_without_surroundings():
    crop = np.random.default_rng(0).integers(0, 256, (160, 80, 3)).astype(np.uint8)
    crops = ViewedCrops([crop].__getitem__, np.zeros(1, int), np.ones(1, bool), 0.125)
    rng = np.random.default_rng(0)
    view = make_view(crops, 0, settings=ViewSettings(1, **PLAIN), rng=rng)
    np.testing.assert_array_equal(view.image, crop[16:144, 8:72])
    flipped = make_view(crops, 0, settings=ViewSettings(1, **PLAIN | {"flip": 1.0}), rng=rng)
    np.testing.assert_array_equal(flipped.image, crop[16:144, 8:72][:, ::-1])
    shifted = make_view(crops, 0, settings=ViewSettings(1, **PLAIN | {"shift": 0.1}), rng=rng)
    assert not np.array_equal(shifted.image, view.image)


def test_each_round_has_every_crop_once_in_an_order_of_its_own():
    views = list(all_views(viewed(range(12)), ViewSettings(3)))
    rounds = [[view.crop for view in views[at : at + 12]] for at in (0, 12, 24)]
    assert [sorted(one) for one in rounds] == [list(range(12))] * 3
    assert rounds[0] != rounds[1] != rounds[2] != rounds[0]


def test_same_seed_same_views_and_more_views_leave_the_first_as_they_are():
    crops = viewed([10, 90, 170, 250])
    once = list(all_views(crops, ViewSettings(2)))
    again = list(all_views(crops, ViewSettings(3)))
    assert len(again) == 12
    for first, second in zip(once, again, strict=False):
        assert (first.crop, first.mixed) == (second.crop, second.mixed)
        np.testing.assert_array_equal(first.image, second.image)
    other = list(all_views(crops, ViewSettings(2, seed=1)))
    assert any(not np.array_equal(a.image, b.image) for a, b in zip(once, other, strict=True))


def test_a_view_does_not_hang_on_those_before_it():
    crops, settings = viewed([10, 90, 170, 250]), ViewSettings(2, seed=7)
    sixth = list(all_views(crops, settings))[5]
    alone = make_view(crops, sixth.crop, settings=settings, rng=np.random.default_rng([7, 5]))
    np.testing.assert_array_equal(alone.image, sixth.image)
    assert alone.mixed == sixth.mixed


def test_joined_by_hand():
    upper, lower = np.full((6, 2, 3), 0, np.uint8), np.full((6, 2, 3), 120, np.uint8)
    # One row is half of each; three rows are a quarter, a half and three quarters.
    assert joined(upper, lower, row=2, blended=1)[:, 0, 0].tolist() == [0, 0, 60, 120, 120, 120]
    assert joined(upper, lower, row=1, blended=3)[:, 0, 0].tolist() == [0, 30, 60, 90, 120, 120]


def test_mixed_views_have_rows_of_two_people_and_a_joint_in_the_middle():
    crops = viewed([10, 200, 90], upright=[True, True, False])
    views = list(all_views(crops, ViewSettings(60, **PLAIN | {"mixed": 1.0})))
    joints, blended = set(), set()
    for view in views:
        levels = levels_of(view.image)
        assert view.mixed == (view.crop != 2)
        if view.crop == 2:
            assert set(levels) == {90}  # no person: left alone, and nobody gets its lower part
            continue
        own, other = (10, 200) if view.crop == 0 else (200, 10)
        top, bottom = levels.count(own), levels.count(other)
        assert levels[:top] == [own] * top
        assert levels[128 - bottom :] == [other] * bottom
        joints.add(top)
        blended.add(128 - top - bottom)
    assert blended == {1, 2, 3, 4}
    # Of 128 rows 0.35 are 44.8, 0.65 are 83.2.
    assert min(joints) >= 44
    assert max(joints) <= 83
    assert max(joints) - min(joints) > 25


def test_one_is_never_mixed_with_or_covered_by_oneself():
    always = {"shift": 0.0, "flip": 0.0, "mixed": 1.0, "cover": 1.0}
    for view in all_views(viewed([10, 200], groups=[4, 4]), ViewSettings(5, **always)):
        assert not view.mixed
        assert set(levels_of(view.image)) == {(10, 200)[view.crop]}


def test_shares_are_those_that_are_asked_for():
    crops = viewed([10, 200])
    views = list(all_views(crops, ViewSettings(500, shift=0, mixed=0.35, cover=0)))
    assert len(views) == 1000
    # The standard deviation is sqrt(1000 * 0.35 * 0.65) = 15.
    assert abs(sum(view.mixed for view in views) - 350) < 60
    covered = list(all_views(crops, ViewSettings(500, shift=0, mixed=0, cover=0.3)))
    assert not any(view.mixed for view in covered)
    changed = sum(len(np.unique(view.image)) > 1 for view in covered)
    assert abs(changed - 300) < 60


def test_a_cover_is_up_to_a_third():
    crop, other = np.zeros((128, 64, 3), np.uint8), np.full((160, 80, 3), 255, np.uint8)
    for seed in range(50):
        covered = cover_part(crop, other, rng=np.random.default_rng(seed))
        assert 0 < (covered == 255).mean() <= 0.33
    assert (crop == 0).all()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"count": -1}, "views.count: expected at least 0, got -1"),
        ({"count": 1, "shift": 0.5}, "views.shift: expected [0, 0.5), got 0.5"),
        ({"count": 1, "flip": 2}, "views.flip: expected [0, 1], got 2"),
        ({"count": 1, "mixed": -0.1}, "views.mixed: expected [0, 1], got -0.1"),
        ({"count": 1, "cover": 1.1}, "views.cover: expected [0, 1], got 1.1"),
        ({"count": 1, "seed": -1}, "views.seed: expected at least 0, got -1"),
    ],
)
def test_wrong_settings(words, message):
    with pytest.raises(ConfigError) as error:
        ViewSettings(**words)
    assert str(error.value) == message


def test_wrong_crops():
    with pytest.raises(DataError, match="at least one crop, got none"):
        viewed([])
    with pytest.raises(DataError, match=r"upright: expected shape \(2,\), got \(1,\)"):
        viewed([1, 2], upright=[True])
