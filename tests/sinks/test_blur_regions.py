"""The pixels that hide an object: what they always cover, and where they end."""

import numpy as np
import pytest

from tracker.errors import DataError
from tracker.masks import empty_mask, encode_mask
from tracker.sinks.blur_regions import (
    Region,
    box_region,
    face_region,
    head_share,
    mask_region,
    segmented_region,
)

SIZE = (120, 160)


def drawn(region: Region | None) -> np.ndarray:
    """The region as `(H, W)` bool of the frame."""
    image = np.zeros(SIZE, bool)
    if region is not None:
        image[region.rows, region.columns] = True if region.pixels is None else region.pixels
    return image


def box(*values: float) -> np.ndarray:
    return np.array(values, float)


@pytest.mark.parametrize(
    ("values", "margin", "rows", "columns"),
    [
        ((40, 20, 60, 70), 0.0, (20, 70), (40, 60)),
        ((40, 20, 60, 70), 0.1, (15, 75), (38, 62)),
        ((40.4, 20.4, 60.4, 70.4), 0.0, (20, 71), (40, 61)),  # pixels that it touches
        ((-50, -50, 10, 10), 0.0, (0, 10), (0, 10)),  # cut at the corner
        ((150, 110, 400, 400), 0.1, (81, 120), (125, 160)),
        ((-1e9, -1e9, 1e9, 1e9), 0.1, (0, 120), (0, 160)),
        ((80, 60, 81, 61), 0.1, (56, 65), (76, 85)),  # one pixel: at least 8 x 8
    ],
)
def test_boxes(values, margin, rows, columns):
    region = box_region(box(*values), margin, SIZE)
    assert region == Region(slice(*rows), slice(*columns)) or (
        (region.rows, region.columns) == (slice(*rows), slice(*columns))
    )


def test_boxes_outside_the_frame_have_no_region():
    for make in (box_region, face_region):
        assert make(box(-90, -90, -50, -20), 0.1, SIZE) is None
        assert make(box(1e9, 5, 2e9, 9), 0.1, SIZE) is None


@pytest.mark.parametrize("margin", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("width", [1, 12, 25, 40, 44, 47, 60])
def test_oval_covers_the_head_share_to_its_corners(width, margin):
    person = box(50, 30, 50 + width, 90)
    covered = drawn(face_region(person, margin, SIZE))
    low = 30 + head_share(width, 60) * 60
    assert covered[30 : int(np.ceil(low)), 50 : 50 + width].all()


def test_oval_of_a_standing_person_leaves_the_legs():
    covered = drawn(face_region(box(50, 20, 82, 110), 0.1, SIZE))
    assert not covered[65:].any()  # the lower half
    rows, columns = np.nonzero(covered)
    assert (rows.min(), columns.min(), columns.max()) == (10, 46, 85)
    assert not covered[10, 46]  # an oval, not its rectangle


def test_whole_box_where_the_shape_does_not_tell_where_the_head_is():
    for lying in (box(20, 40, 120, 80), box(20, 20, 60, 65)):
        region, whole = face_region(lying, 0.1, SIZE), box_region(lying, 0.1, SIZE)
        assert (region.rows, region.columns, region.pixels) == (whole.rows, whole.columns, None)


def test_head_at_the_edge_of_the_frame_is_covered():
    covered = drawn(face_region(box(-10, -5, 14, 60), 0.0, SIZE))
    assert covered[:9, :14].all()
    assert not covered[40:].any()


def test_head_shares_between_the_known_shapes():
    assert [head_share(w, 100) for w in (0, 20, 40, 57.5, 75, 300)] == [
        0.22,
        0.22,
        0.22,
        0.61,
        1,
        1,
    ]
    assert head_share(5, 0) == 1


def disc() -> np.ndarray:
    y, x = np.mgrid[:120, :160]
    return (x - 80) ** 2 + (y - 60) ** 2 <= 20**2


def test_mask_grows_by_the_margin_and_stays_a_shape():
    covered = drawn(mask_region(encode_mask(disc()), box(60, 40, 101, 81), 0.1, SIZE))
    assert covered[disc()].all()
    assert covered[60, 55:106].all()  # 41 pixels wide, 5 more on each side
    assert not covered[60, [54, 106]].any()
    assert not covered[36, 56]  # the corner of its rectangle


def test_mask_at_the_border_is_clipped():
    pixels = np.zeros(SIZE, bool)
    pixels[100:, 150:] = True
    covered = drawn(mask_region(encode_mask(pixels), box(150, 100, 160, 120), 0.5, SIZE))
    assert covered[90:, 145:].all()
    assert covered.sum() == 30 * 15


def test_mask_that_missed_most_of_the_object_gives_the_box():
    pixels = np.zeros(SIZE, bool)
    pixels[50:55, 50:55] = True
    wanted = drawn(box_region(box(20, 20, 90, 90), 0.1, SIZE))
    for mask in (encode_mask(pixels), empty_mask(SIZE)):
        np.testing.assert_array_equal(
            drawn(mask_region(mask, box(20, 20, 90, 90), 0.1, SIZE)), wanted
        )


def test_mask_of_another_size():
    with pytest.raises(DataError, match="expected the frame's height and width"):
        mask_region(empty_mask((60, 80)), box(0, 0, 9, 9), 0.1, SIZE)


def test_segmented_pixels_within_the_box():
    found = disc()
    found[:, 140:] = True  # another object
    covered = drawn(segmented_region(found, box(58, 38, 103, 83), 0.1, SIZE))
    assert covered[disc()].all()
    assert not covered[:, 115:].any()
    assert not covered[38, 58]


def test_little_segmented_gives_the_box():
    found = np.zeros(SIZE, bool)
    found[60, 60] = True
    covered = drawn(segmented_region(found, box(40, 40, 80, 80), 0.1, SIZE))
    np.testing.assert_array_equal(covered, drawn(box_region(box(40, 40, 80, 80), 0.1, SIZE)))
