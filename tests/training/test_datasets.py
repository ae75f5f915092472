"""Data sets of small images whose labels are known."""

import json
from pathlib import Path

import numpy as np
import pytest

from tracker.errors import ConfigError, DataError, SourceError
from tracker.training.datasets import (
    Cached,
    CocoJson,
    Mixed,
    YoloFolder,
    read_image,
    shrink,
)
from tracker.training.samples import Sample
from tracker.util.opencv import cv2

NAMES = ("person", "car")


class Numbered:
    """`count` empty samples whose first pixel holds their number; counts how often it is asked."""

    def __init__(self, count: int, *, first: int = 0, names: tuple[str, ...] = NAMES) -> None:
        self.class_names = names
        self._numbers = range(first, first + count)
        self.asked = 0

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, index: int, /) -> Sample:
        self.asked += 1
        image = np.full((8, 16, 3), self._numbers[index], np.uint8)
        return Sample(image, np.zeros((0, 4)), np.zeros(0, np.int32), np.zeros(0, np.bool_))


def number(sample: Sample) -> int:
    return int(sample.image[0, 0, 0])


def folder(path: Path, labels: dict[str, str], ignore: dict[str, str] | None = None) -> Path:
    """A YOLO folder of images 40 wide and 20 high, blue as OpenCV writes it."""
    (path / "images").mkdir(parents=True)
    for kind, texts in (("labels", labels), ("ignore", ignore)):
        if texts is None:
            continue
        (path / kind).mkdir()
        for name, text in texts.items():
            (path / kind / f"{name}.txt").write_text(text)
    for name in labels:
        image = np.zeros((20, 40, 3), np.uint8)
        image[..., 0] = 200
        cv2.imwrite(str(path / "images" / f"{name}.png"), image)
    return path


def test_an_empty_label_file_means_nothing_there(tmp_path: Path) -> None:
    dataset = YoloFolder(folder(tmp_path, {"a": ""}), NAMES)
    assert len(dataset) == 1
    assert len(dataset[0]) == 0
    assert dataset[0].image[0, 0].tolist() == [0, 0, 200]


def test_boxes_come_in_pixels_and_ignored_ones_are_marked(tmp_path: Path) -> None:
    labels, ignore = {"a": "1 0.5 0.5 0.25 1\n", "b": ""}, {"a": "0 0.25 0.25 0.5 0.5\n"}
    sample = YoloFolder(folder(tmp_path, labels, ignore), NAMES)[0]
    np.testing.assert_allclose(sample.boxes, [[15, 0, 25, 20], [0, 0, 20, 10]])
    assert sample.classes.tolist() == [1, 0]
    assert sample.ignore.tolist() == [False, True]


def test_boxes_beyond_the_image_are_cut_and_empty_ones_left_out(tmp_path: Path) -> None:
    dataset = YoloFolder(folder(tmp_path, {"a": "0 0 0.5 0.5 1\n0 0.5 0.5 0 0\n"}), NAMES)
    np.testing.assert_allclose(dataset[0].boxes, [[0, 0, 10, 20]])


def test_a_class_without_a_name_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"labels/a\.txt, line 2: class 2 has no name.*2, counted"):
        YoloFolder(folder(tmp_path, {"a": "\n2 0.5 0.5 0.25 1\n"}), NAMES)


def test_a_folder_not_named_images_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    with pytest.raises(SourceError, match="named 'images'"):
        YoloFolder(tmp_path / "pictures", NAMES)


def test_coco_crowds_are_regions_to_ignore(tmp_path: Path) -> None:
    folder(tmp_path, {"a": ""})
    note = {"image_id": 7, "category_id": 3, "bbox": [4, 2, 10, 5]}
    record = {
        "images": [{"id": 7, "file_name": "a.png", "width": 40, "height": 20}],
        "categories": [{"id": 1, "name": "person"}, {"id": 3, "name": "car"}],
        "annotations": [{"id": 1, **note}, {"id": 2, **note, "iscrowd": 1}],
    }
    (tmp_path / "notes.json").write_text(json.dumps(record))
    dataset = CocoJson(tmp_path / "notes.json", tmp_path / "images")
    assert dataset.class_names == NAMES
    assert dataset[0].classes.tolist() == [1, 1]
    assert dataset[0].ignore.tolist() == [False, True]
    np.testing.assert_allclose(dataset[0].boxes, [[4, 2, 14, 7]] * 2, rtol=1e-6)


def test_a_mixture_repeats_by_weight() -> None:
    mixed = Mixed([Numbered(4), Numbered(2, first=10)], [1, 2.5])
    assert [number(mixed[n]) for n in range(len(mixed))] == [0, 1, 2, 3, 10, 11, 10, 11, 10]


def test_an_incomplete_round_takes_samples_from_all_over() -> None:
    half = Mixed([Numbered(6)], [0.5])
    assert [number(half[n]) for n in range(len(half))] == [0, 2, 4]
    with pytest.raises(IndexError):
        half[3]


def test_a_mixture_needs_equal_classes_and_proper_weights() -> None:
    with pytest.raises(ConfigError, match="at least one"):
        Mixed([])
    with pytest.raises(ConfigError, match="give all the same names in one order"):
        Mixed([Numbered(1), Numbered(1, names=("car", "person"))])
    for weights in ([1.0], [1.0, 0.0], [1.0, float("inf")]):
        with pytest.raises(ConfigError, match="2 numbers above 0"):
            Mixed([Numbered(1), Numbered(1)], weights)


def test_the_cache_asks_once_as_far_as_memory_goes() -> None:
    inner = Numbered(3)
    cached = Cached(inner, max_bytes=2 * 8 * 16 * 3)
    for _ in range(3):
        assert [number(cached[n]) for n in range(3)] == [0, 1, 2]
    assert inner.asked == 2 + 3


def test_shrinking_moves_the_boxes_along() -> None:
    sample = Sample(
        np.zeros((20, 40, 3), np.uint8),
        np.float32([[10, 4, 40, 20]]),
        np.zeros(1, np.int32),
        np.zeros(1, np.bool_),
    )
    small = shrink(sample, 20)
    assert small.size == (10, 20)
    np.testing.assert_allclose(small.boxes, [[5, 2, 20, 10]])
    assert shrink(sample, 40) is sample


def test_what_is_no_image_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"a\.png: does not exist"):
        read_image(tmp_path / "a.png")
    (tmp_path / "a.png").write_text("no image")
    with pytest.raises(SourceError, match="expected an image"):
        read_image(tmp_path / "a.png")
    (tmp_path / "a.png").write_text("")
    with pytest.raises(SourceError, match="expected an image"):
        read_image(tmp_path / "a.png")
