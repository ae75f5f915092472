"""Open shapes are those of one run; nothing is run where that would tell nothing."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from tests.detection.layouts.given import nchw, nhwc, spec
from tracker.detection.layouts.all import find_layout
from tracker.detection.layouts.probe import probed_specs
from tracker.errors import ModelError
from tracker.inference.network import TensorSpec
from tracker.inference.stored_names import NOTHING_STORED, StoredFacts


class RowNetwork:
    """A network that has so many rows for each cell of these strides."""

    digests: Mapping[str, str] = {}
    stored: StoredFacts = NOTHING_STORED

    def __init__(self, inputs: Sequence[TensorSpec], strides: Sequence[int], columns: int) -> None:
        self.inputs = tuple(inputs)
        self.outputs = (spec("output", None, None, columns),)
        self.strides, self.columns = strides, columns
        self.given: list[tuple[int, ...]] = []

    def run(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        shape = arrays[0].shape
        self.given.append(shape)
        height, width = shape[2:] if shape[1] == 3 else shape[1:3]
        if height % 64 or width % 64:
            raise ModelError(f"network: {width}x{height} does not fit")
        rows = sum(-(-height // stride) * -(-width // stride) for stride in self.strides)
        return [np.zeros((shape[0], rows, self.columns), np.float32)]


# At 320 px: 1600 + 400 + 100 cells, and 25 of stride 64.
@pytest.mark.parametrize(
    ("strides", "rows", "layout"),
    [
        ((8, 16, 32), 2100, "yolox"),
        ((8, 16, 32, 64), 2125, "nanodet-plus"),
        ((8, 8, 8, 16, 16, 16, 32, 32, 32), 6300, "yolov5"),
    ],
)
def test_cells_of_a_known_size_tell_the_layout(
    strides: tuple[int, ...], rows: int, layout: str
) -> None:
    network = RowNetwork([spec("data", None, 3, None, None)], strides, 112)
    with pytest.raises(ModelError, match="may be of the layouts nanodet-plus, yolox, yolov5"):
        find_layout(network.inputs, network.outputs)
    specs = probed_specs(network)
    assert specs is not None
    assert [(s.name, s.shape, s.dtype) for one in specs for s in one] == [
        ("data", (1, 3, 320, 320), "float32"),
        ("output", (1, rows, 112), "float32"),
    ]
    assert find_layout(*specs).name == layout


def test_sides_that_are_known_are_kept() -> None:
    network = RowNetwork([spec("data", 2, 192, None, 3)], (8,), 6)
    specs = probed_specs(network)
    assert specs is not None
    assert network.given == [(2, 192, 320, 3)]
    assert specs[1][0].shape == (2, 24 * 40, 6)


def test_nothing_is_told_where_nothing_is_open_or_it_cannot_be_run() -> None:
    whole = RowNetwork(nhwc(64, 64), (8,), 6)
    whole.outputs = (spec("output", 1, 64, 6),)
    two = RowNetwork([*nchw(None, None), spec("more", 1)], (8,), 6)
    unknown_axes = RowNetwork([spec("data", 1, None, None, None)], (8,), 6)
    no_rank = RowNetwork([spec("data")], (8,), 6)
    for network in (whole, two, unknown_axes, no_rank):
        assert probed_specs(network) is None
        assert network.given == []
    assert probed_specs(RowNetwork(nchw(100, 100), (8,), 6)) is None
