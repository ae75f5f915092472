"""COCO outlines as masks, by hand and against the reference library."""

import importlib
import json
from pathlib import Path

import numpy as np
import pytest

from tracker.errors import ConfigError, DataError, SourceError
from tracker.training.segmenter.coco import CocoMasks, rasterised
from tracker.util.opencv import cv2

SIZE = (4, 5)
SQUARE = [1, 1, 3, 1, 3, 3, 1, 3]
"""The four pixels in columns and rows 1 and 2."""


def note(number: int, segmentation: object, *, category: int = 7, crowd: int = 0) -> dict:
    return {
        "id": number,
        "image_id": 1,
        "category_id": category,
        "iscrowd": crowd,
        "segmentation": segmentation,
    }


def coco(folder: Path, *notes: dict, **changes: object) -> Path:
    record = {
        "images": [{"id": 1, "file_name": "x.png", "height": SIZE[0], "width": SIZE[1]}],
        "annotations": list(notes),
        "categories": [{"id": 9, "name": "dog"}, {"id": 7, "name": "person"}],
    }
    cv2.imwrite(str(folder / "x.png"), np.zeros((*SIZE, 3), np.uint8))
    (folder / "labels.json").write_text(json.dumps(record | changes))
    return folder / "labels.json"


def test_an_image_without_objects_is_background(tmp_path: Path) -> None:
    data = CocoMasks(coco(tmp_path), tmp_path)
    assert data.class_names == ("background", "person", "dog")
    assert not data[0].mask.any()
    assert not rasterised([], SIZE).any()


def test_one_square_by_outline_and_by_both_run_lengths() -> None:
    expected = np.zeros(SIZE, np.uint8)
    expected[1:3, 1:3] = 1
    # Column by column: 4 + 1 outside, 2 inside, 2 outside, 2 inside, the rest.
    runs = [5, 2, 2, 2, 9]
    library = importlib.import_module("faster_coco_eval.core.mask")
    text = library.encode(np.asfortranarray(expected))["counts"].decode()
    np.testing.assert_array_equal(rasterised({"size": [4, 5], "counts": runs}, SIZE), expected)
    np.testing.assert_array_equal(rasterised({"size": [4, 5], "counts": text}, SIZE), expected)
    # OpenCV draws an outline with its border, to the pixel of the far corner.
    filled = rasterised([SQUARE], SIZE)
    assert (filled >= expected).all()
    assert filled.sum() <= 9


def test_large_outlines_match_the_library() -> None:
    library = importlib.import_module("faster_coco_eval.core.mask")
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    size = (200, 240)
    for radius in (30, 80, 130):  # the last one leaves the image
        outline = np.stack([120 + radius * np.cos(angles), 100 + radius * np.sin(angles)], axis=1)
        polygon = outline.ravel().tolist()
        clipped = np.clip(outline, 0, [240, 200]).ravel().tolist()
        reference = library.decode(library.frPyObjects([clipped], *size))[:, :, 0]
        ours = rasterised([polygon], size)
        assert (ours & reference).sum() / (ours | reference).sum() > 0.96


def test_parts_that_overlap_are_no_holes() -> None:
    assert rasterised([SQUARE, SQUARE], SIZE).sum() == rasterised([SQUARE], SIZE).sum()


def test_the_smaller_one_of_two_is_on_top_and_crowds_are_ignored(tmp_path: Path) -> None:
    whole = {"size": [4, 5], "counts": [0, 20]}
    pixel = {"size": [4, 5], "counts": [0, 1, 19]}
    column = {"size": [4, 5], "counts": [16, 4]}
    path = coco(tmp_path, note(1, pixel, category=9), note(2, whole), note(3, column, crowd=1))
    expected = np.ones(SIZE, np.uint8)
    expected[:, 4], expected[0, 0] = 255, 2
    np.testing.assert_array_equal(CocoMasks(path, tmp_path)[0].mask, expected)
    people = CocoMasks(path, tmp_path, ["person"])
    assert people.class_names == ("background", "person")
    expected[0, 0] = 1  # no dog is learned
    np.testing.assert_array_equal(people[0].mask, expected)


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ([[1, 1, 2, 2]], "polygons of three points or more"),
        ([[1, 1, 2, 2, 3]], "polygons of three points or more"),
        ([[1, 1, 2, 2, 3, float("nan")]], "polygons of three points or more"),
        ([["a"]], "polygons of three points or more"),
        ("text", "expected polygons or run lengths, got 'text'"),
        ({"size": [5, 4], "counts": [20]}, "expected 5x4 pixels, got 4x5"),
        ({"size": [4, 5], "counts": [19]}, "expected a sum of 20, got 19"),
        ({"size": [4, 5], "counts": [-1, 21]}, "expected a sum of 20, got 20"),
        ({"size": [4, 5], "counts": "zzzz"}, "expected size and counts, got ValueError"),
        ({"counts": [20]}, "expected size and counts, got KeyError"),
    ],
)
def test_malformed_outlines(tmp_path: Path, segmentation: object, message: str) -> None:
    path = coco(tmp_path, note(12, segmentation))
    with pytest.raises(DataError, match=f"labels.json: annotation 12: .*{message}"):
        CocoMasks(path, tmp_path)[0]


def test_other_wrong_files(tmp_path: Path) -> None:
    path = coco(tmp_path)
    with pytest.raises(ConfigError, match="has no 'persn'; did you mean 'person'"):
        CocoMasks(path, tmp_path, ["persn"])
    with pytest.raises(SourceError, match="none: no such folder"):
        CocoMasks(path, tmp_path / "none")
    with pytest.raises(SourceError, match="does not exist"):
        CocoMasks(tmp_path / "none.json", tmp_path)
    cv2.imwrite(str(tmp_path / "x.png"), np.zeros((5, 5, 3), np.uint8))
    with pytest.raises(DataError, match=r"x\.png: expected 5x4 pixels as .*labels\.json says"):
        CocoMasks(path, tmp_path)[0]
    with pytest.raises(DataError, match="its image or category is not in the file"):
        CocoMasks(coco(tmp_path, note(1, [SQUARE], category=8)), tmp_path)
    with pytest.raises(DataError, match="expected one image or more"):
        CocoMasks(coco(tmp_path, images=[]), tmp_path)
    with pytest.raises(DataError, match="expected COCO JSON"):
        CocoMasks(coco(tmp_path, categories=3), tmp_path)


def ragged_outline(rng: np.random.Generator, size: tuple[int, int]) -> list[float]:
    """Returns a star of 5 to 39 corners as people draw them; it may leave the image."""
    count = rng.integers(5, 40)
    angles = np.sort(rng.uniform(0, 2 * np.pi, count))
    radius = rng.uniform(40, 100) * rng.uniform(0.8, 1, count)
    points = rng.uniform([60, 60], [260, 180])
    points = points + np.stack([radius * np.cos(angles), radius * np.sin(angles)], axis=1)
    return np.round(np.clip(points, 0, size[::-1]), 2).ravel().tolist()


def test_ragged_outlines_of_several_parts_match_the_library() -> None:
    library = importlib.import_module("faster_coco_eval.core.mask")
    rng, size = np.random.default_rng(0), (240, 320)
    shared = union = 0
    for _ in range(60):
        parts = [ragged_outline(rng, size) for _ in range(rng.integers(1, 4))]
        runs = library.merge(library.frPyObjects(parts, *size))
        reference = library.decode(runs)
        ours = rasterised(parts, size)
        shared += int((ours & reference).sum())
        union += int((ours | reference).sum())
        text = {"size": list(size), "counts": runs["counts"].decode()}
        np.testing.assert_array_equal(rasterised(text, size), reference)
        column_wise = reference.T.ravel()
        ends = np.flatnonzero(np.diff(column_wise)) + 1
        counts = np.diff([0, *([0] if column_wise[0] else []), *ends, column_wise.size]).tolist()
        np.testing.assert_array_equal(rasterised(text | {"counts": counts}, size), reference)
    # OpenCV draws half a pixel around an outline.
    assert shared / union > 0.98
