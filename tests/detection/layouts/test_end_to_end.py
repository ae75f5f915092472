"""End-to-end rows: as they are, and told from the anchors of one-class networks."""

import numpy as np
import pytest

from tests.detection.layouts.given import check, decode, nchw, nhwc, spec
from tracker.detection.layouts.end_to_end import EndToEnd
from tracker.errors import ModelError

END = EndToEnd()


def test_no_rows_are_no_candidates() -> None:
    assert END.is_suppressed
    check(decode(END, [np.zeros((1, 0, 6), np.float32)])[0], [], [], [])


def test_rows_are_box_score_class() -> None:
    array = np.array([[[1, 2, 3, 4, 0.5, 7], [5, 6, 9, 8, 0.25, 1], [9, 8, 7, 6, 0.75, 0]]])
    check(decode(END, [array])[0], [[1, 2, 3, 4], [9, 8, 7, 6]], [0.5, 0.75], [7, 0])


def test_a_batch_of_two_of_which_one_is_empty() -> None:
    array = np.zeros((2, 3, 6), np.float16)
    array[1, 2] = [1, 2, 3, 4, 1, 5]
    found = decode(END, [array])
    assert [len(image.scores) for image in found] == [0, 1]
    check(found[1], [[1, 2, 3, 4]], [1], [5])


def test_what_is_not_finite_goes_on_but_not_without_a_class() -> None:
    array = np.array([[
        [np.nan, 2, 3, 4, 1, 0], [1, 2, np.inf, 4, 1, 1], [1, 2, 3, 4, np.nan, 2],
        [1, 2, 3, 4, 1, np.nan], [1, 2, 3, 4, 1, np.inf], [1, 2, 3, 4, 1, -1],
    ]], np.float32)  # fmt: skip
    (found,) = decode(END, [array])
    np.testing.assert_array_equal(found.classes, [0, 1, 2])


@pytest.mark.parametrize("shape", [(300, 6), (1, 300, 7), (1, 6, 300)], ids=str)
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelError, match="the layout end-to-end needs"):
        decode(END, [np.zeros(shape, np.float32)])
    assert not END.matches([spec("output0", *shape)])


def test_it_matches_what_cannot_be_anchors() -> None:
    assert END.matches([spec("output0", 1, 300, 6)], nchw())
    assert END.matches([spec("output0", 1, 300, 6)], nhwc(None, None))
    assert END.matches([spec("output0", 1, None, 6)], nchw())
    for anchors in (8400, 25200):
        assert not END.matches([spec("output0", 1, anchors, 6)], nchw())
        assert not END.matches([spec("output0", 1, anchors, 6)], nchw(None, None))
        assert END.matches([spec("output0", 1, anchors, 6)])
    assert END.matches([spec("output0")], nchw())
    assert END.class_count([spec("output0", 1, 300, 6)]) is None
    assert END.image_input(nchw()[0]).size == (640, 640)
    assert END.extra_inputs(nchw(), input_size=(640, 640)) == []
