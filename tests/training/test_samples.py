"""A sample owns checked arrays."""

import numpy as np
import pytest

from tracker.errors import DataError
from tracker.training.samples import Sample


def make(boxes: list[list[float]], *, size: tuple[int, int] = (20, 30)) -> Sample:
    count = len(boxes)
    return Sample(
        np.zeros((*size, 3), np.uint8),
        np.array(boxes, np.float32).reshape(-1, 4),
        np.zeros(count, np.int32),
        np.zeros(count, np.bool_),
    )


def test_an_image_may_be_empty() -> None:
    sample = make([])
    assert len(sample) == 0
    assert sample.size == (20, 30)


def test_arrays_cannot_be_changed() -> None:
    sample = make([[0, 0, 30, 20]])
    for array in (sample.image, sample.boxes, sample.classes, sample.ignore):
        assert not array.flags.writeable


@pytest.mark.parametrize(
    "box", [[0, 0, 31, 20], [0, 0, 30, 21], [-1, 0, 5, 5], [5, 5, 5, 9], [0, 0, np.nan, 5]]
)
def test_boxes_lie_inside(box: list[float]) -> None:
    with pytest.raises(DataError, match="inside 30x20 pixels"):
        make([box])


def test_arrays_have_one_length() -> None:
    image = np.zeros((20, 30, 3), np.uint8)
    with pytest.raises(DataError, match="classes"):
        Sample(image, np.float32([[0, 0, 5, 5]]), np.zeros(2, np.int32), np.zeros(1, np.bool_))
    with pytest.raises(DataError, match="image"):
        Sample(image[..., 0], np.zeros((0, 4)), np.zeros(0, np.int32), np.zeros(0, np.bool_))
