"""The data file of a segmenter's training."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.training.segment_scenes import NAMES, make_scenes, write_pair
from tracker.errors import ConfigError, DataError
from tracker.training.segmenter.file import read_segment_splits


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return make_scenes(tmp_path, train=2, val=1)


def rewritten(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def add_coco(folder: Path) -> None:
    record = {
        "images": [{"id": 1, "file_name": "000.png", "height": 96, "width": 128}],
        "annotations": [
            {
                "id": 1,
                "image_id": 1,
                "category_id": 3,
                "segmentation": {"size": [96, 128], "counts": [0, 96, 96 * 127]},
            }
        ],
        "categories": [{"id": 3, "name": "disc"}],
    }
    (folder / "labels.json").write_text(json.dumps(record))


def test_masks_are_counted_and_kept_small(path: Path) -> None:
    splits = read_segment_splits(path, long_side=64)
    assert splits.class_names == NAMES
    assert (len(splits.train), len(splits.validation)) == (2, 1)
    assert splits.train[0].size == (48, 64)
    assert splits.train_pixels.sum() == 2 * 48 * 64
    assert (splits.validation_pixels > 0).all()


def test_coco_has_a_background_in_front(path: Path) -> None:
    add_coco(path.parent)
    entry = "{labels: labels.json, images: val/images}"
    for names in ("names: [disc]", "names: [background, disc]", ""):
        splits = read_segment_splits(
            rewritten(path, f"train: {entry}\nval: {entry}\n{names}"), long_side=128
        )
        assert splits.class_names == ("background", "disc")
        assert splits.train_pixels.tolist() == [96 * 127, 96]


def test_masks_and_coco_together_need_a_background(path: Path) -> None:
    add_coco(path.parent)
    entries = "train: train/images\nval: {labels: labels.json, images: val/images}\n"
    with pytest.raises(ConfigError, match=r"expected 'background' first .* got 'ground'"):
        read_segment_splits(
            rewritten(path, f"{entries}names: [ground, disc, square]"), long_side=64
        )
    (path.parent / "train" / "masks" / "000.png").unlink()
    (path.parent / "train" / "images" / "000.png").unlink()
    image, mask = np.zeros((96, 128, 3), np.uint8), np.eye(96, 128).astype(np.uint8)
    write_pair(path.parent / "train", "001", image, mask)
    splits = read_segment_splits(
        rewritten(path, f"{entries}names: [background, disc]"), long_side=128
    )
    assert splits.train_pixels.tolist() == [96 * 127, 96]


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("train: train/images\nnames: [a, b, c]", ConfigError, "val is missing; expected a folder"),
        ("val: val/images\nnames: [a, b, c]", ConfigError, "train is missing"),
        ("train: train/images\nval: val/images", ConfigError, "names is missing"),
        ("train: train/images\nval: val/images\nnames: 3", ConfigError, "names to be a list"),
        ("train: train/images\nval: val/images\nnames: [a, a, b]", ConfigError, "'a' twice"),
        ("train: train/images\nval: val/images\nnames: [a]", ConfigError, "two classes or more"),
        ("train: 3\nval: val/images\nnames: [a, b, c]", ConfigError, "'train' to name a folder"),
        ("train: train/images\nvall: val/images", ConfigError, "unknown key vall; did you mean"),
        ("train: train/images\nval: val/images\nnames: [a, b]", DataError, "class 2 has no name"),
    ],
)
def test_wrong_files(path: Path, text: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        read_segment_splits(rewritten(path, text), long_side=64)


def test_one_class_alone_teaches_nothing(path: Path) -> None:
    write_pair(
        path.parent / "val", "000", np.zeros((9, 9, 3), np.uint8), np.zeros((9, 9), np.uint8)
    )
    with pytest.raises(DataError, match="val: expected pixels of two classes or more, got those"):
        read_segment_splits(path, long_side=64)
