"""Weights files: header, order of the numbers, and faults."""

import struct

import numpy as np
import pytest

from tests.goldens.darknet_cases import CASES, weights_file
from tracker.errors import ModelError
from tracker.models.darknet.cfg import parse_darknet_cfg
from tracker.models.darknet.shapes import infer_shapes
from tracker.models.darknet.weights import read_darknet_weights, split_weights

CASE = CASES["yolov2-tiny"]
CFG = (
    "[net]\nheight=4\nwidth=4\n[convolutional]\nbatch_normalize=1\nfilters=2\n"
    "[convolutional]\nfilters=6\n[yolo]\nclasses=1\nanchors=1,2\n"
)
# Two filters: biases, scales, means, variances (2 each), 2*3 weights; then 6 biases, 6*2 weights.
COUNT = 8 + 6 + 6 + 12


def write(path, values, version=(0, 2, 5)):
    seen = struct.pack("<Q", 2**40) if version[0] * 10 + version[1] >= 2 else struct.pack("<I", 9)
    path.write_bytes(struct.pack("<3i", *version) + seen + np.asarray(values, "<f4").tobytes())
    return path


def split(path):
    cfg = parse_darknet_cfg(CFG)
    return split_weights(read_darknet_weights(path), cfg, infer_shapes(cfg, height=4, width=4))


@pytest.mark.parametrize(
    ("version", "seen"), [((0, 1, 0), 9), ((0, 2, 5), 2**40), ((1, 0, 0), 2**40)]
)
def test_header(version, seen, tmp_path):
    weights = read_darknet_weights(write(tmp_path / "w", [1.5, 2.5], version))
    assert (weights.version, weights.seen) == (version, seen)
    assert weights.values.tolist() == [1.5, 2.5]
    assert not weights.values.flags.writeable


def test_order_of_the_numbers(tmp_path):
    arrays = split(write(tmp_path / "w", np.arange(COUNT)))
    first, second = arrays[0], arrays[1]
    assert first.biases.tolist() == [0, 1]
    assert first.scales.tolist() == [2, 3]
    assert first.means.tolist() == [4, 5]
    assert first.variances.tolist() == [6, 7]
    assert first.kernel.shape == (2, 3, 1, 1)
    assert first.kernel.ravel().tolist() == [8, 9, 10, 11, 12, 13]
    assert second.biases.tolist() == [14, 15, 16, 17, 18, 19]
    assert second.scales.size == second.means.size == second.variances.size == 0
    assert second.kernel.shape == (6, 2, 1, 1)


@pytest.mark.parametrize("count", [0, COUNT - 1, COUNT + 1])
def test_both_counts_are_named(count, tmp_path):
    with pytest.raises(ModelError, match=f"expected {COUNT} floats .*, got {count};"):
        split(write(tmp_path / "w", np.ones(count)))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite(bad, tmp_path):
    values = np.ones(COUNT)
    values[17] = bad
    with pytest.raises(ModelError, match=f"finite numbers, got {bad} at number 17 of {COUNT}"):
        read_darknet_weights(write(tmp_path / "w", values))


def test_negative_variance_names_the_layer(tmp_path):
    values = np.ones(COUNT)
    values[6] = -2
    with pytest.raises(ModelError, match=r"variances >= 0, got -2.0 in layer 0 \(<cfg>:4\)"):
        split(write(tmp_path / "w", values))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "0 bytes"),
        (b"1234567", "header of 16 or 20 bytes, got 7 bytes"),
        (struct.pack("<3i", 0, 2, 5) + bytes(7), "header of 20 bytes"),
        (weights_file(CASE.convs)[:-1], "4 bytes per number"),
        (b"version https://example", "another kind of file"),
        (struct.pack("<3i", 2000, 0, 0) + bytes(8), "version 2000.0.0"),
    ],
)
def test_damaged_files(data, message, tmp_path):
    (tmp_path / "w").write_bytes(data)
    with pytest.raises(ModelError, match=message):
        read_darknet_weights(tmp_path / "w")


@pytest.mark.parametrize(("name", "message"), [("none", "does not exist"), (".", "a directory")])
def test_no_file(name, message, tmp_path):
    with pytest.raises(ModelError, match=message):
        read_darknet_weights(tmp_path / name)
