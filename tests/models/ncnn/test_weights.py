"""The bytes of `.bin` files, in every way of storing weights."""

import struct

import numpy as np
import pytest

from tests.goldens.ncnn_cases import BFLOAT16, FLOAT16, INT8, param_text
from tracker.errors import ModelError
from tracker.models.ncnn.syntax import parse_ncnn_param
from tracker.models.ncnn.weights import WeightReader, read_ncnn_weights, widened

LAYER = parse_ncnn_param(param_text("Input i 0 1 in", "PReLU relu 1 1 in out")).layers[1]


def reader(*parts: bytes) -> WeightReader:
    return WeightReader(b"".join(parts), source="net.bin")


def test_float32_has_a_tag_of_zero():
    stored = reader(struct.pack("<I3f", 0, 1, -2, 0.5)).tagged(3, LAYER)
    np.testing.assert_array_equal(stored, np.float32([1, -2, 0.5]))
    assert stored.dtype == np.float32


def test_scaled_float32_is_float32():
    np.testing.assert_array_equal(reader(struct.pack("<If", 0x0002C056, 3)).tagged(1, LAYER), [3])


def test_float16_is_padded_to_four_bytes():
    # 1.0, -2.0 and 0.5 by their bits.
    data = struct.pack("<I4H", FLOAT16, 0x3C00, 0xC000, 0x3800, 0)
    weights = reader(data, struct.pack("<f", 7))
    np.testing.assert_array_equal(weights.tagged(3, LAYER), [1, -2, 0.5])
    np.testing.assert_array_equal(weights.floats(1, LAYER), [7])
    weights.check_end()


def test_bfloat16_is_the_upper_half_of_float32():
    data = struct.pack("<I2H", BFLOAT16, 0x3F80, 0xC000)
    np.testing.assert_array_equal(reader(data).tagged(2, LAYER), [1, -2])


def test_int8_is_padded_and_stays_int8():
    weights = reader(struct.pack("<I5b3x", INT8, 1, -128, 127, 0, -1), struct.pack("<f", 7))
    stored = weights.tagged(5, LAYER)
    assert stored.dtype == np.int8
    np.testing.assert_array_equal(stored, [1, -128, 127, 0, -1])
    np.testing.assert_array_equal(weights.scales(1, LAYER), [7])


def test_any_other_tag_is_a_table_and_indices():
    table = np.arange(256, dtype="<f4") / 2
    weights = reader(b"\x01\0\0\0", table.tobytes(), bytes([4, 0, 255, 9, 9, 9, 9, 9]))
    np.testing.assert_array_equal(weights.tagged(5, LAYER), [2, 0, 127.5, 4.5, 4.5])
    weights.check_end()


def test_floats_have_no_tag():
    np.testing.assert_array_equal(reader(struct.pack("<2f", 0, 1)).floats(2, LAYER), [0, 1])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0\0",
        struct.pack("<I", 0),
        struct.pack("<If", 0, 1),
        struct.pack("<IH", FLOAT16, 0),
        struct.pack("<Ib", INT8, 1),
        b"\x01\0\0\0" + bytes(1024),
    ],
)
def test_a_file_that_is_cut_short_names_the_layer(data):
    with pytest.raises(
        ModelError, match=r"<param>:4: 'PReLU' 'relu': expected .* bytes of weights"
    ):
        reader(data).tagged(2 if len(data) > 4 else 1000, LAYER)


def test_sizes_beyond_the_file_allocate_nothing():
    with pytest.raises(ModelError, match="expected 8589934588 bytes of weights at byte 4 of"):
        reader(bytes(100)).tagged(2**31 - 1, LAYER)


def test_bytes_that_are_left_are_an_error():
    weights = reader(bytes(12))
    weights.floats(2, LAYER)
    with pytest.raises(ModelError, match=r"net\.bin: expected 8 bytes .* got 4 more"):
        weights.check_end()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_have_to_be_finite(value):
    with pytest.raises(ModelError, match=f"expected finite weights in net.bin, got {value}"):
        reader(struct.pack("<Iff", 0, 1, value)).tagged(2, LAYER)
    with pytest.raises(ModelError, match="expected finite weights"):
        reader(struct.pack("<I2e", FLOAT16, 1, value)).tagged(2, LAYER)


@pytest.mark.parametrize("value", [np.nan, -1.0])
def test_scales_have_to_be_positive(value):
    with pytest.raises(ModelError, match=f"expected scales of 0 or more in net.bin, got {value}"):
        reader(struct.pack("<2f", 1, value)).scales(2, LAYER)


def test_int8_weights_are_divided_by_their_scales():
    small = np.int8([[10, -20], [10, -20], [10, -20]])
    np.testing.assert_allclose(widened(small, [10, 0, np.inf], LAYER), [[1, -2], [0, 0], [0, 0]])
    with pytest.raises(ModelError, match="expected scales of its int8 weights"):
        widened(small, (), LAYER)


def test_float_weights_need_no_scales():
    wide = np.float32([[1, 2]])
    np.testing.assert_array_equal(widened(wide, [100], LAYER), wide)


def test_a_missing_or_empty_file_is_an_error(tmp_path):
    with pytest.raises(ModelError, match=r"ncnn bin .*net\.bin: does not exist"):
        read_ncnn_weights(tmp_path / "net.bin")
    (tmp_path / "net.bin").touch()
    with pytest.raises(ModelError, match="0 bytes"):
        read_ncnn_weights(tmp_path / "net.bin")
