"""DetectionOutput: rows of image, label, score and box, as SSD networks list them."""

import numpy as np
import pytest

from tests.detection.layouts.given import check, decode, nchw, spec
from tracker.detection.image_input import Fit
from tracker.detection.layouts.all import find_layout
from tracker.detection.layouts.ssd import Ssd
from tracker.errors import ModelError
from tracker.inference.network import ColourOrder

SSD = Ssd()
ROWS = [
    [0, 1, 0.75, 0.25, 0.125, 0.5, 0.75],
    [0, 3, 0.5, 0, 0, 1, 1],
    [0, 1, 0.1, 0, 0, 1, 1],
    [-1, 0, 0, 0, 0, 0, 0],
    [0, 1, 0.9, 0, 0, 0.5, 0.5],
]


def table(*images: list[list[float]]) -> list[np.ndarray]:
    return [np.array(images, np.float32)[:, None]]


def test_a_list_that_ends_at_once_is_nothing() -> None:
    check(decode(SSD, table([[-1, 0, 0, 0, 0, 0, 0], *ROWS]))[0], [], [], [])


def test_rows_before_the_end_that_score_enough() -> None:
    (found,) = decode(SSD, table(ROWS), size=(64, 128))
    check(found, [[32, 8, 64, 48], [0, 0, 128, 64]], [0.75, 0.5], [0, 2])


def test_a_list_without_an_end() -> None:
    (found,) = decode(SSD, table(ROWS[:1]), size=(64, 128))
    check(found, [[32, 8, 64, 48]], [0.75], [0])


def test_the_background_is_no_detection() -> None:
    check(decode(SSD, table([[0, 0, 0.9, 0, 0, 1, 1]]))[0], [], [], [])


def test_a_batch_of_two() -> None:
    first, second = decode(SSD, table(ROWS[:2], [ROWS[1], ROWS[3]]), size=(64, 128))
    check(first, [[32, 8, 64, 48], [0, 0, 128, 64]], [0.75, 0.5], [0, 2])
    check(second, [[0, 0, 128, 64]], [0.5], [2])


def test_it_is_recognised_by_its_shape() -> None:
    assert find_layout(nchw(384, 672), [spec("detection_out", 1, 1, 200, 7)]) == SSD
    wanted = SSD.image_input(nchw(384, 672)[0])
    assert (wanted.size, wanted.fit, wanted.colours) == ((384, 672), Fit.STRETCH, ColourOrder.BGR)
    assert (wanted.scale, wanted.mean, wanted.std) == (1, (0, 0, 0), (1, 1, 1))


@pytest.mark.parametrize("shape", [(1, 200, 7), (1, 2, 200, 7), (1, 1, 200, 6)])
def test_arrays_of_other_shapes(shape: tuple[int, ...]) -> None:
    assert not SSD.matches([spec("x", *shape)], nchw())
    with pytest.raises(ModelError, match="layout ssd needs one output"):
        decode(SSD, [np.zeros(shape, np.float32)])
