"""FastestDet: one cell by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.detection.layouts.given import check, decode, nchw, spec
from tracker.detection.image_input import Fit
from tracker.detection.layouts.fastestdet import FastestDet
from tracker.errors import ModelError
from tracker.inference.network import ColourOrder

FASTEST = FastestDet()


def one_cell(row: int, column: int, *values: float, rows: int = 2, columns: int = 4) -> np.ndarray:
    array = np.zeros((1, 7, rows, columns), np.float32)
    array[0, :, row, column] = values
    return array


def test_nothing_is_found_where_nothing_scores() -> None:
    check(decode(FASTEST, [np.zeros((1, 7, 2, 4), np.float32)], size=(32, 64))[0], [], [], [])


def test_a_cell_is_objectness_box_and_shares() -> None:
    values = [0.5, np.arctanh(0.5), np.arctanh(-0.5), np.log(1 / 3), 0, 0.25, 1]
    (found,) = decode(FASTEST, [one_cell(1, 2, *values)], size=(32, 64))
    # Centre (2.5 / 4, 0.5 / 2), size sigmoid(log 1/3) = 1/4 and 1/2, of 64 and 32 pixels.
    box = [0.5 * 64, 0, 0.75 * 64, 0.5 * 32]
    check(found, [box, box], [0.5**0.6 * 0.25**0.4, 0.5**0.6], [0, 1])


def test_what_scores_the_least_or_less_is_left_out() -> None:
    array = one_cell(0, 0, 1, 0, 0, 0, 0, 0.5, 0.01)
    (found,) = decode(FASTEST, [array], size=(32, 64), least=0.2)
    check(found, [[-16, -8, 16, 8]], [0.5**0.4], [0])


def test_a_batch_of_two_in_half_precision() -> None:
    values = [1, 0, 0, 0, 0, 0, 1]
    array = np.concatenate([one_cell(1, 3, *values), one_cell(0, 0, *values) * 0])
    found = decode(FASTEST, [array.astype(np.float16)], size=(32, 64))
    assert [len(image.scores) for image in found] == [1, 0]
    check(found[0], [[32, 8, 64, 24]], [1], [1])


def test_what_is_not_finite_goes_on_without_a_warning() -> None:
    array = one_cell(0, 0, 1, np.nan, 0, -1000, 0, 1, 0)
    array[0, :, 1, 1] = [np.nan, 0, 0, 0, 0, 1, 0]
    (found,) = decode(FASTEST, [array], size=(32, 64))
    whole = np.column_stack([found.boxes, found.scores])
    assert len(whole) >= 2
    assert not np.isfinite(whole).all(axis=1).any()


@pytest.mark.parametrize("shape", [(7, 2, 4), (1, 5, 2, 4), (1, 8, 7)], ids=str)
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelError, match="the layout fastestdet needs"):
        decode(FASTEST, [np.zeros(shape, np.float32)], size=(32, 64))
    assert not FASTEST.matches([spec("758", *shape)])


def test_it_matches_cells_of_sixteen_pixels() -> None:
    assert FASTEST.matches([spec("758", 1, 85, 22, 22)], nchw(352, 352))
    assert not FASTEST.matches([spec("758", 1, 85, 11, 11)], nchw(352, 352))
    # Without sizes any map of any network would do: only by name.
    assert not FASTEST.matches([spec("758", 1, 85, None, None)], nchw(None, None))
    assert FASTEST.matches([spec("758", 1, 85, None, None)])
    assert not FASTEST.matches([spec("a", 1, 85, 22, 22), spec("b", 1, 85, 11, 11)])
    assert FASTEST.class_count([spec("758", 1, 85, 22, 22)]) == 80
    assert FASTEST.class_count([spec("758")]) is None


def test_the_image_it_expects() -> None:
    wanted = FASTEST.image_input(nchw(352, 352)[0])
    assert (wanted.fit, wanted.colours, wanted.size) == (Fit.STRETCH, ColourOrder.BGR, (352, 352))
    assert wanted.scale == pytest.approx(1 / 255)
    assert FASTEST.extra_inputs(nchw(), input_size=(352, 352)) == []


@given(st.tuples(*[st.floats(0.05, 0.95)] * 4), st.integers(0, 1), st.integers(0, 3))
@settings(max_examples=25, deadline=None)
def test_an_encoded_box_comes_back(
    parts: tuple[float, float, float, float], row: int, column: int
) -> None:
    dx, dy, width, height = parts
    logit = np.log(np.array([width, height]) / (1 - np.array([width, height])))
    array = one_cell(row, column, 1, np.arctanh(dx), np.arctanh(dy), *logit, 1, 0)
    (found,) = decode(FASTEST, [array], size=(32, 64))
    x, y = (column + dx) * 16, (row + dy) * 16
    expected = [x - width * 32, y - height * 16, x + width * 32, y + height * 16]
    np.testing.assert_allclose(found.boxes, [expected], atol=1e-3)
