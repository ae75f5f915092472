"""Run lengths against COCO's own code, pasted masks against drawings, and what is refused."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from faster_coco_eval.core import mask as coco
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from tracker.errors import DataError
from tracker.masks import (
    Mask,
    crop_mask,
    decode_mask,
    empty_mask,
    encode_mask,
    mask_area,
    mask_from_coco,
    mask_runs,
    mask_to_coco,
    moved_mask,
    paste_masks,
    united_mask,
)

IMAGES = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=12))


def drawn(*rows: str) -> np.ndarray:
    """`#` is inside the object."""
    return np.array([[letter == "#" for letter in row] for row in rows])


def shown(pixels: np.ndarray) -> list[str]:
    return ["".join(".#"[int(value)] for value in row) for row in pixels]


@pytest.mark.parametrize(
    ("rows", "runs", "text"),
    [
        # A character is "0" plus the run; from the fourth run on, plus what it has more than the
        # one two before it.
        (["..", "..", ".."], [6], "6"),
        (["##", "##"], [0, 4], "04"),
        (["#"], [0, 1], "01"),
        (["..#.", ".#..", ".#.."], [4, 3, 5], "435"),  # on over the end of a column
        (["#..", "...", "..#"], [0, 1, 7, 1], "0170"),  # 1 - 1
        (["#.#.#.###"], [0, 1, 1, 1, 1, 1, 1, 3], "01100002"),
        (["###.#.#"], [0, 3, 1, 1, 1, 1], "031N00"),  # -2 is 11110 = 30, 48 + 30 is "N"
        (["."] * 16, [16], "`0"),  # 10000 would be negative: 48 + 16 + 32 (more), then 0
        (["."] * 33 + ["#"], [33, 1], "Q11"),  # 00001 + 32 (more), then 1
    ],
)
def test_runs_and_text_by_hand(rows: list[str], runs: list[int], text: str) -> None:
    mask = encode_mask(drawn(*rows))
    assert mask_runs(mask).tolist() == runs
    assert mask.counts == text
    assert shown(decode_mask(mask)) == rows


@given(IMAGES)
def test_the_text_is_that_of_cocos_own_code(pixels: np.ndarray) -> None:
    mask = encode_mask(pixels)
    theirs = coco.encode(np.asfortranarray(pixels.astype(np.uint8)))
    assert mask_to_coco(mask) == {**theirs, "counts": theirs["counts"].decode()}
    np.testing.assert_array_equal(coco.decode(mask_to_coco(mask)), pixels)
    assert mask_area(mask) == coco.area(theirs) == np.count_nonzero(pixels)


@given(IMAGES)
def test_there_and_back(pixels: np.ndarray) -> None:
    mask = encode_mask(pixels)
    np.testing.assert_array_equal(decode_mask(mask), pixels)
    assert mask == mask_from_coco(mask_to_coco(mask))
    assert mask.is_empty == (not pixels.any())
    assert mask == encode_mask(np.asfortranarray(pixels))
    assert (mask == encode_mask(~pixels)) == (not pixels.size)


@given(IMAGES)
def test_a_crop_is_the_smallest_rectangle_around_the_object(pixels: np.ndarray) -> None:
    left, top, crop = crop_mask(encode_mask(pixels))
    back = np.zeros_like(pixels)
    back[top : top + crop.shape[0], left : left + crop.shape[1]] = crop
    np.testing.assert_array_equal(back, pixels)
    if crop.size:
        assert crop[0].any()
        assert crop[-1].any()
        assert crop[:, 0].any()
        assert crop[:, -1].any()
    else:
        assert not pixels.any()


def test_long_runs_take_several_characters() -> None:
    pixels = np.zeros((1080, 1920), np.bool_)
    pixels[1079, 1919] = True
    mask = encode_mask(pixels)
    assert mask_runs(mask).tolist() == [1080 * 1920 - 1, 1]
    assert mask.counts == coco.encode(np.asfortranarray(pixels.astype(np.uint8)))["counts"].decode()
    assert crop_mask(mask)[:2] == (1919, 1079)
    everything = encode_mask(~np.zeros_like(pixels))
    assert mask_runs(everything).tolist() == [0, 1080 * 1920]
    assert crop_mask(everything)[2].all()


def test_an_empty_mask() -> None:
    mask = empty_mask((2, 3))
    assert mask.is_empty
    assert mask_area(mask) == 0
    assert shown(decode_mask(mask)) == ["...", "..."]
    assert mask == encode_mask(np.zeros((2, 3), np.bool_))
    assert crop_mask(mask)[2].shape == (0, 0)


def test_masks_are_values_and_cannot_be_changed() -> None:
    mask = Mask((1, 2), "02")
    assert len({mask, encode_mask(drawn("##")), Mask((2, 1), "02")}) == 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        mask.counts = "11"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("size", "counts", "message"),
    [
        ((0, 3), "0", "size: expected a positive height"),
        ((2.0, 3), "6", "size: expected a positive height"),
        ((True, 3), "3", "size: expected a positive height"),
        ((2, 3, 1), "6", "size: expected a positive height"),
        ((2**16, 2**16), "6", "size: expected a positive height"),
        ((2, 3), "", "counts: expected complete numbers"),
        ((2, 3), "3Q", "counts: expected complete numbers"),  # more should follow
        ((2, 3), "33 ", "counts: expected characters"),
        ((2, 3), "3p", "counts: expected characters"),
        ((2, 3), "3\u00df", "counts: expected characters"),
        ((2, 3), "P" * 7 + "0", "counts: expected numbers of at most 7"),
        ((2, 3), "5", "expected runs over 2 x 3 = 6 pixels, got 5"),
        ((2, 3), "34", "expected runs over 2 x 3 = 6 pixels, got 7"),
        ((2, 3), "303", "expected positive runs after the first, got 0"),
        ((2, 3), "N8", "expected positive runs after the first, got -2"),
        ((2, 3), [3, 3], "got list; a list of counts has to be compressed"),
    ],
)
def test_wrong_texts_are_refused(size: Any, counts: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Mask(size, counts)


@given(st.text(st.characters(min_codepoint=40, max_codepoint=120), max_size=12))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        mask = Mask((3, 4), text)
    except DataError:
        return
    assert mask_runs(mask).sum() == 12
    np.testing.assert_array_equal(decode_mask(mask), coco.decode(mask_to_coco(mask)))


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ("6", "expected an object with 'size' and 'counts'"),
        ({"size": [2, 3]}, "expected an object with 'size' and 'counts'"),
        ({"size": [2], "counts": "6"}, "'size': expected"),
        ({"size": 6, "counts": "6"}, "'size': expected"),
        ({"size": ["2", 3], "counts": "6"}, "size: expected a positive height"),
        ({"size": [2, 3], "counts": None}, "got NoneType"),
    ],
)
def test_wrong_objects_are_refused(record: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        mask_from_coco(record)


def test_wrong_pixels_are_refused() -> None:
    for wrong in (np.zeros((2, 3), np.uint8), np.zeros(3, np.bool_), np.zeros((0, 3), np.bool_)):
        with pytest.raises(DataError):
            encode_mask(wrong)  # type: ignore[arg-type]


def paste(values: Any, box: Any, size: tuple[int, int], **more: Any) -> list[str]:
    """`size` is width and height."""
    masks, boxes = np.array([values], np.float32), np.array([box], np.float32)
    (mask,) = paste_masks(masks, boxes, frame_size=size, **more)
    assert mask.size == (size[1], size[0])
    return shown(decode_mask(mask))


def test_nothing_is_pasted_from_nothing() -> None:
    none = np.zeros((0, 28, 28), np.float32)
    assert paste_masks(none, np.zeros((0, 4), np.float32), frame_size=(4, 3)) == ()


def test_a_full_mask_sets_the_pixels_whose_middles_are_in_the_box() -> None:
    ones = np.ones((3, 5))
    assert paste(ones, [1, 1, 4, 3], (5, 4)) == [".....", ".###.", ".###.", "....."]
    # Middles of columns 0.5, 1.5, 2.5 are in [0.4, 2.6); of rows 1.5 alone is in [0.6, 2.5).
    assert paste(ones, [0.4, 0.6, 2.6, 2.5], (4, 3)) == ["....", "###.", "...."]
    assert paste(ones, [0, 0, 2, 2], (2, 2)) == ["##", "##"]  # the frame
    assert paste(ones, [-9, -9, 9, 9], (2, 2)) == ["##", "##"]
    assert paste(ones, [1, 0, 2, 1], (3, 2)) == [".#.", "..."]  # one pixel
    assert paste(ones, [1.6, 0.6, 2.4, 1.4], (3, 2)) == ["...", "..."]  # no middle
    assert paste(ones, [9, 9, 12, 12], (3, 2)) == ["...", "..."]  # outside
    assert paste(ones, [-9, -9, -2, -2], (3, 2)) == ["...", "..."]


@pytest.mark.parametrize(
    ("threshold", "row"), [(0.2, "###."), (0.25, "###."), (0.5, "##.."), (0.76, "#...")]
)
def test_values_between_are_bilinear_with_half_pixel_middles(threshold: float, row: str) -> None:
    # Middles 0.5, 1.5, 2.5, 3.5 of 4 pixels over 2 values lie at -0.25, 0.25, 0.75, 1.25 of them:
    # 1 (no further out than the first), 0.75, 0.25, 0.
    assert paste([[1, 0]], [0, 0, 4, 1], (4, 1), threshold=threshold) == [row]
    assert paste([[1], [0]], [0, 0, 1, 4], (1, 4), threshold=threshold) == list(row)
    # Cut to the frame: what is left over is the same.
    assert paste([[1, 0]], [-2, 0, 2, 1], (2, 1), threshold=threshold) == [row[2:]]


def test_two_that_overlap_do_not_change_each_other() -> None:
    values = np.random.default_rng(1).random((2, 28, 28), np.float32)
    boxes = np.array([[2, 3, 40, 50], [20, 10, 63, 47.5]], np.float32)
    both = paste_masks(values, boxes, frame_size=(64, 48))
    alone = [
        paste_masks(values[n : n + 1], boxes[n : n + 1], frame_size=(64, 48))[0] for n in (0, 1)
    ]
    assert list(both) == alone
    assert both == paste_masks(values, boxes, frame_size=(64, 48))
    assert (decode_mask(both[0]) & decode_mask(both[1])).any()


def test_whole_boxes_are_as_opencv_resizes_them() -> None:
    import cv2

    rng = np.random.default_rng(2)
    for width, height in ((7, 9), (28, 28), (60, 41), (150, 300)):
        values = rng.random((28, 28), np.float32)
        resized = cv2.resize(values, (width, height), interpolation=cv2.INTER_LINEAR)
        box = np.array([[5, 6, 5 + width, 6 + height]], np.float32)
        (mask,) = paste_masks(values[None], box, frame_size=(200, 320))
        inside = decode_mask(mask)[6 : 6 + height, 5 : 5 + width]
        is_clear = np.abs(resized - 0.5) > 1e-4
        np.testing.assert_array_equal(inside[is_clear], resized[is_clear] >= 0.5)
        assert mask_area(mask) == np.count_nonzero(inside)


place = st.floats(-50, 50, width=32)


@given(
    arrays(np.float32, array_shapes(min_dims=2, max_dims=2, max_side=5), elements=st.just(1)),
    st.tuples(place, place, st.floats(0.125, 60, width=32), st.floats(0.125, 60, width=32)),
)
def test_a_full_mask_is_the_box(values: np.ndarray, corner_and_size: tuple[float, ...]) -> None:
    x, y, width, height = corner_and_size
    box = np.array([[x, y, x + width, y + height]], np.float32)
    (mask,) = paste_masks(values[None], box, frame_size=(20, 30))
    across, down = np.arange(20) + 0.5, np.arange(30)[:, None] + 0.5
    x1, y1, x2, y2 = box[0].astype(float)
    expected = (across >= x1) & (across < x2) & (down >= y1) & (down < y2)
    np.testing.assert_array_equal(decode_mask(mask), expected)


def test_wrong_masks_of_boxes_are_refused() -> None:
    good, box = np.ones((1, 2, 2), np.float32), np.array([[0, 0, 2, 2]], np.float32)
    for masks, boxes, size, message in [
        (good[0], box, (4, 4), "masks: expected shape"),
        (good, np.repeat(box, 2, axis=0), (4, 4), "boxes of masks: expected shape"),
        (good.astype(str), box, (4, 4), "masks: expected float32 values"),
        (good * np.nan, box, (4, 4), "masks: expected finite values"),
        (good[:, :0], box, (4, 4), "expected a height and width of 1 or more"),
        (good, box[:, [2, 1, 0, 3]], (4, 4), "boxes of masks: expected finite xyxy boxes"),
        (good, box + np.inf, (4, 4), "boxes of masks: expected finite xyxy boxes"),
        (good, box, (0, 4), "size: expected a positive height"),
    ]:
        with pytest.raises(DataError, match=message):
            paste_masks(masks, boxes, frame_size=size)  # type: ignore[arg-type]


def test_the_mask_of_a_tile_moves_to_its_place_in_the_frame() -> None:
    tile = encode_mask(drawn("#.", "##", ".."))
    moved = moved_mask(tile, left=1, top=1, size=(4, 4))
    assert shown(decode_mask(moved)) == ["....", ".#..", ".##.", "...."]
    assert moved_mask(empty_mask((3, 2)), left=1, top=1, size=(4, 4)) == empty_mask((4, 4))


@given(IMAGES, st.integers(0, 5), st.integers(0, 5))
def test_a_moved_mask_is_that_of_moved_pixels(pixels: np.ndarray, left: int, top: int) -> None:
    frame = np.pad(pixels, ((top, 2), (left, 3)))
    moved = moved_mask(encode_mask(pixels), left=left, top=top, size=frame.shape)
    assert moved == encode_mask(frame)


def test_united_masks_have_the_pixels_of_all() -> None:
    first, second = encode_mask(drawn("##..", "....")), encode_mask(drawn(".##.", "..#."))
    assert shown(decode_mask(united_mask([first, second]))) == ["###.", "..#."]
    assert united_mask([first]) == first
