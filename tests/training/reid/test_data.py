"""Crops to learn appearance from: reading, splitting, changing, batching."""

import threading

import numpy as np
import pytest

from tracker.errors import ConfigError, DataError, SourceError
from tracker.training.reid.augment import (
    NO_CHANGE,
    ReidAugmentSettings,
    augment_crop,
    cut_object,
)
from tracker.training.reid.batches import ReidBatches
from tracker.training.reid.data import CropSet, read_identities, split_identities, tight_crops
from tracker.util.opencv import cv2


def crop_set(groups, *, margin=0.0, targets=0):
    """Crops of even grey; the level is the number of the crop."""
    crops = np.zeros((len(groups), 128, 64, 3), np.uint8)
    crops += np.arange(len(groups), dtype=np.uint8)[:, None, None, None]
    vectors = np.zeros((len(groups), targets), np.float32)
    return CropSet(crops, np.array(groups), vectors, margin)


def columns(height, width):
    """Red tells the column, green the row."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0], image[..., 1] = np.arange(width), np.arange(height)[:, None]
    return image


def write_identities(folder, counts):
    for identity, count in enumerate(counts):
        (folder / f"{identity:04}").mkdir()
        for number in range(count):
            image = np.full((50, 20, 3), 10 * identity + number, np.uint8)
            cv2.imwrite(str(folder / f"{identity:04}" / f"{number}.png"), image)
    return folder


def test_no_crops_are_refused():
    with pytest.raises(DataError, match="at least one"):
        crop_set([])


@pytest.mark.parametrize(
    ("crops", "groups", "margin"),
    [
        (np.zeros((2, 8, 4, 3), np.float32), [0, 1], 0),
        (np.zeros((2, 8, 4), np.uint8), [0, 1], 0),
        (np.zeros((2, 8, 4, 3), np.uint8), [0], 0),
        (np.zeros((2, 8, 4, 3), np.uint8), [0, 1], 1),
    ],
)
def test_wrong_shapes_are_refused(crops, groups, margin):
    with pytest.raises(DataError):
        CropSet(crops, np.array(groups), np.zeros((len(crops), 0), np.float32), margin)


def test_folders_are_identities_by_name(tmp_path):
    write_identities(tmp_path, [1, 0, 3])
    (tmp_path / "0002" / "notes.txt").write_text("no image")
    data, names = read_identities(tmp_path)
    assert names == ("0000", "0002")
    assert data.groups.tolist() == [0, 1, 1, 1]
    assert data.crops[:, 64, 32, 0].tolist() == [0, 20, 21, 22]
    assert data.targets.shape == (4, 0)


def test_wrong_folders(tmp_path):
    with pytest.raises(SourceError, match="one sub-folder for each identity"):
        read_identities(tmp_path / "none")
    with pytest.raises(DataError, match="at least 2 sub-folders with images"):
        read_identities(write_identities(tmp_path, [2]))
    (tmp_path / "0007").mkdir()
    (tmp_path / "0007" / "x.jpg").write_bytes(b"no image")
    with pytest.raises(SourceError, match=r"x\.jpg: expected an image"):
        read_identities(tmp_path)


def test_no_identity_is_in_both_parts():
    groups = [0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    train, held = split_identities(crop_set(groups), share=0.4, seed=0)
    assert set(train.groups) | set(held.groups) == set(range(6))
    assert not set(train.groups) & set(held.groups)
    assert len(set(held.groups)) == 2
    assert 0 in train.groups  # it is alone: nobody could be asked for it
    again = split_identities(crop_set(groups), share=0.4, seed=0)[1]
    assert held.groups.tolist() == again.groups.tolist()


def test_two_are_held_out_and_two_are_left_whatever_the_share():
    data = crop_set([0, 0, 1, 1, 2, 2, 3, 3])
    for share in (0.01, 0.99):
        train, held = split_identities(data, share=share, seed=1)
        assert len(set(train.groups)) == len(set(held.groups)) == 2
    with pytest.raises(DataError, match="at least 4"):
        split_identities(crop_set([0, 0, 1, 1, 2, 2, 3]), share=0.5, seed=0)


def test_an_unchanged_crop_is_the_same_and_a_margin_is_cut_off():
    rng = np.random.default_rng(0)
    image = columns(128, 64)
    plain = cut_object(image, margin=0, settings=NO_CHANGE, rng=rng)
    np.testing.assert_array_equal(plain, image)
    wide = columns(160, 80)
    inner = cut_object(wide, margin=0.125, settings=NO_CHANGE, rng=rng)
    np.testing.assert_array_equal(inner, wide[16:144, 8:72])
    tight = tight_crops(
        CropSet(wide[None], np.zeros(1, np.int64), np.zeros((1, 0), np.float32), 0.125)
    )
    np.testing.assert_array_equal(tight[0], inner)


def test_the_mirror_image_is_exact():
    settings = ReidAugmentSettings(
        shift=0, flip=1, coarse=0, hue=0, saturation=1, brightness=1, grey=0, degrade=0, cover=0
    )
    image = columns(128, 64)
    mirrored = augment_crop(image, image, margin=0, settings=settings, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(mirrored, image[:, ::-1])


def test_changes_keep_the_shape_and_depend_on_the_seed_alone():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (160, 80, 3)).astype(np.uint8)
    before = image.copy()
    for seed in range(30):
        first, second = (
            augment_crop(
                image,
                image[::-1],
                margin=0.125,
                settings=ReidAugmentSettings(degrade=0.5),
                rng=np.random.default_rng(seed),
            )
            for _ in range(2)
        )
        assert first.shape == (128, 64, 3)
        assert first.dtype == np.uint8
        np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"flip": 1.5}, r"augment\.flip: expected \[0, 1\], got 1.5"),
        ({"shift": 0.5}, r"augment\.shift"),
        ({"coarse_height": 2}, r"augment\.coarse_height"),
        ({"hue": 200}, r"augment\.hue"),
        ({"brightness": 0.5}, r"augment\.brightness"),
    ],
)
def test_wrong_settings(change, message):
    with pytest.raises(ConfigError, match=message):
        ReidAugmentSettings(**change)


def test_every_crop_comes_once_with_another_of_its_group():
    groups = [0, 0, 0, 1, 1, 2]
    batches = ReidBatches(crop_set(groups), batch=4, augment=NO_CHANGE, seed=3)
    assert len(batches) == 3
    pairs = np.concatenate([b.images[:, 0, 0, 0].reshape(-1, 2) for b in batches.epoch(0)])
    assert sorted(pairs[:, 0].tolist()) == list(range(6))
    for first, second in pairs.tolist():
        assert groups[first] == groups[second]
        assert (first == second) == (groups[first] == 2)


def test_an_epoch_goes_on_as_it_would_have():
    data = crop_set(list(range(7)))
    batches = ReidBatches(data, batch=4, augment=ReidAugmentSettings(), seed=0)
    whole, rest = list(batches.epoch(5)), list(batches.epoch(5, start=2))
    assert (len(whole), len(rest)) == (4, 2)
    for left, right in zip(whole[2:], rest, strict=True):
        np.testing.assert_array_equal(left.images, right.images)
    other = next(iter(batches.epoch(6)))
    assert other.groups.tolist() != whole[0].groups.tolist()


def test_an_epoch_that_is_left_ends_its_thread():
    before = set(threading.enumerate())
    batches = ReidBatches(crop_set(list(range(40))), batch=4, augment=NO_CHANGE, seed=0)
    epoch = batches.epoch(0)
    next(epoch)
    assert set(threading.enumerate()) > before
    epoch.close()
    assert set(threading.enumerate()) == before
    assert list(epoch) == []


@pytest.mark.parametrize("batch", [0, 2, 5])
def test_an_odd_batch_is_refused(batch):
    with pytest.raises(ConfigError, match="an even number of at least 4"):
        ReidBatches(crop_set([0, 1]), batch=batch, augment=NO_CHANGE, seed=0)
