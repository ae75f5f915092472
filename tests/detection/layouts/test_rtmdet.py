"""RTMDet's rows: as they are, in any order of the outputs, and told from RF-DETR's."""

import numpy as np
import pytest

from tests.detection.layouts.given import check, decode, nchw, spec
from tracker.detection.image_input import Fit
from tracker.detection.layouts.rtmdet import RtmDet
from tracker.errors import ModelError
from tracker.inference.network import ColourOrder

RTMDET = RtmDet()
DETS = np.array([[[1, 2, 3, 4, 0.5], [5, 6, 9, 8, 0.25], [9, 8, 7, 6, 0.75]]], np.float32)


def test_no_rows_are_no_candidates() -> None:
    assert RTMDET.is_suppressed
    outputs = [np.zeros((1, 0, 5), np.float32), np.zeros((1, 0), np.int64)]
    check(decode(RTMDET, outputs)[0], [], [], [])


def test_rows_are_boxes_with_scores_and_labels() -> None:
    labels = np.array([[7, 1, 0]])
    for outputs in ([DETS, labels], [labels, DETS]):
        (found,) = decode(RTMDET, outputs)
        check(found, [[1, 2, 3, 4], [9, 8, 7, 6]], [0.5, 0.75], [7, 0])


def test_a_batch_of_two_of_which_one_is_padded() -> None:
    dets, labels = np.concatenate([DETS, DETS * 0]), np.array([[0, 0, 0], [-1, -1, -1]])
    found = decode(RTMDET, [dets, labels], least=0.1)
    assert [len(image.scores) for image in found] == [3, 0]


@pytest.mark.parametrize(
    "shapes",
    [[(1, 3, 6), (1, 3)], [(1, 3, 5), (1, 2)], [(1, 3, 5)], [(1, 3, 5), (1, 3, 91)]],
    ids=str,
)
def test_other_shapes_are_refused(shapes: list[tuple[int, ...]]) -> None:
    with pytest.raises(ModelError, match="the layout rtmdet needs two outputs, dets"):
        decode(RTMDET, [np.zeros(shape, np.float32) for shape in shapes])


def test_it_matches_its_names_or_five_columns() -> None:
    labels = spec("labels", None, None, dtype="int64")
    assert RTMDET.matches([spec("dets", None, None, None), labels], nchw(None, None))
    assert RTMDET.matches([labels, spec("dets", None, 100, 5)], nchw())
    assert RTMDET.matches([spec("a", 1, 100, 5), spec("b", 1, 100)], nchw())
    assert RTMDET.matches([spec("dets"), spec("labels")], nchw())
    assert not RTMDET.matches([spec("a", 1, 100, None), spec("b", 1, 100)], nchw())
    assert not RTMDET.matches([spec("dets", 1, 300, 4), spec("labels", 1, 300, 91)], nchw())
    assert not RTMDET.matches([spec("dets", 1, 300, 4), labels], nchw())
    assert not RTMDET.matches([labels], nchw())


def test_the_images_it_expects() -> None:
    wanted = RTMDET.image_input(nchw(None, None)[0])
    assert (wanted.fit, wanted.colours, wanted.padding) == (Fit.CORNER, ColourOrder.BGR, 114)
    assert wanted.size_for((480, 640)) == (256, 320)
    assert RTMDET.image_input(nchw(640, 640)[0]).size == (640, 640)
    with pytest.raises(ModelError, match="rtmdet"):
        RTMDET.extra_inputs([*nchw(), spec("more", 1)], input_size=(64, 64))
