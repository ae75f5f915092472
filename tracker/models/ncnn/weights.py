"""Reads ncnn `.bin` files: arrays of weights one after the other, in the order of the layers.

Where a layer stores tagged weights, four bytes before them say how: float32, float16, bfloat16,
int8, or a table of 256 values with an index for each weight.
"""

import struct
from collections.abc import Sequence
from os import PathLike

import numpy as np
from numpy.typing import NDArray

from tracker.errors import ModelError
from tracker.models.files.read import read_model_file
from tracker.models.ncnn.syntax import NcnnLayer
from tracker.util.arrays import Float32Array

_TAG = struct.Struct("<I")
_FLOAT16 = 0x01306B47
_BFLOAT16 = 0x01348B83
_INT8 = 0x000D4B38
_FLOAT32 = (0, 0x0002C056)
_TABLE_LENGTH = 256
_ALIGNMENT = 4

Int8Array = NDArray[np.int8]


class WeightReader:
    """Hands out the arrays of a `.bin` file in their order.

    Args:
        data: The content of the file.
        source: Its name in messages.
    """

    def __init__(self, data: bytes, *, source: str) -> None:
        self._data = data
        self._source = source
        self._position = 0

    def tagged(self, count: int, layer: NcnnLayer) -> Float32Array | Int8Array:
        """Returns the next `(count,)` weights: float32, or int8 that their scales make float.

        Args:
            count: How many weights the layer has.
            layer: The layer, for messages.

        Raises:
            ModelError: The file has fewer bytes, or a weight is not finite.
        """
        (tag,) = _TAG.unpack(self._bytes(_TAG.size, layer))
        if tag in _FLOAT32:
            return self.floats(count, layer)
        if tag == _INT8:
            return np.frombuffer(self._aligned(count, layer), np.int8)
        if tag in {_FLOAT16, _BFLOAT16}:
            halves = np.frombuffer(self._aligned(2 * count, layer), "<u2")
            if tag == _FLOAT16:
                return self._finite(halves.view("<f2").astype(np.float32), layer)
            return self._finite((halves.astype("<u4") << 16).view("<f4"), layer)
        table = self.floats(_TABLE_LENGTH, layer)
        return table[np.frombuffer(self._aligned(count, layer), np.uint8)]

    def floats(self, count: int, layer: NcnnLayer) -> Float32Array:
        """Returns the next `(count,)` float32 values, which are stored without a tag.

        Args:
            count: How many values the layer has.
            layer: The layer, for messages.

        Raises:
            ModelError: The file has fewer bytes, or a value is not finite.
        """
        return self._finite(self._raw_floats(count, layer), layer)

    def scales(self, count: int, layer: NcnnLayer) -> Float32Array:
        """Returns the next `(count,)` scales of int8 values.

        Scales are 127 divided by the largest value: infinite for a filter of zeros.

        Args:
            count: How many scales the layer has.
            layer: The layer, for messages.

        Raises:
            ModelError: The file has fewer bytes, or a scale is negative or not a number.
        """
        scales = self._raw_floats(count, layer)
        if not (scales >= 0).all():
            wrong = scales[~(scales >= 0)][0]
            raise layer.error(
                f"expected scales of 0 or more in {self._source}, got {wrong} before byte "
                f"{self._position}; is it damaged, or the .bin of another .param?"
            )
        return scales

    def check_end(self) -> None:
        """Checks that every byte was read.

        Raises:
            ModelError: Bytes are left.
        """
        left = len(self._data) - self._position
        if left:
            raise ModelError(
                f"{self._source}: expected {self._position} bytes for the layers of the .param, "
                f"got {left} more; do the two files belong together?"
            )

    def _aligned(self, size: int, layer: NcnnLayer) -> bytes:
        """Returns the next `size` bytes, and skips to a multiple of four."""
        padded = -(-size // _ALIGNMENT) * _ALIGNMENT
        return self._bytes(padded, layer)[:size]

    def _raw_floats(self, count: int, layer: NcnnLayer) -> Float32Array:
        values = np.frombuffer(self._bytes(4 * count, layer), "<f4")
        return values.astype(np.float32, copy=False)

    def _bytes(self, size: int, layer: NcnnLayer) -> bytes:
        left = len(self._data) - self._position
        if size > left:
            raise layer.error(
                f"expected {size} bytes of weights at byte {self._position} of {self._source}, got "
                f"{left}; is it cut short, or the .bin of another .param?"
            )
        start, self._position = self._position, self._position + size
        return self._data[start : self._position]

    def _finite(self, values: Float32Array, layer: NcnnLayer) -> Float32Array:
        if np.isfinite(values).all():
            return values
        wrong = values[~np.isfinite(values)][0]
        raise layer.error(
            f"expected finite weights in {self._source}, got {wrong} before byte "
            f"{self._position}; is it damaged, or the .bin of another .param?"
        )


def read_ncnn_weights(path: str | PathLike[str]) -> WeightReader:
    """Returns a reader at the start of a `.bin` file.

    Args:
        path: The file.

    Raises:
        ModelError: The file is missing or cannot be read.
    """
    return WeightReader(read_model_file(path, what="ncnn bin"), source=str(path))


def widened(
    weights: Float32Array | Int8Array, scales: Sequence[float] | Float32Array, layer: NcnnLayer
) -> Float32Array:
    """Returns int8 weights `(F, ...)` as float32: each divided by the scale of its filter.

    ncnn would round the layer's input to int8 as well; here only the weights are rounded.

    Args:
        weights: Weights of `F` filters; float32 ones are returned as they are.
        scales: `(F,)`, or `()` of a layer without scales; weights of scale 0 or infinity
            are 0.
        layer: The layer, for messages.

    Raises:
        ModelError: The weights are int8, and the layer has no scales.
    """
    if weights.dtype != np.int8:
        return weights.astype(np.float32, copy=False)
    if not len(scales):
        raise layer.error("expected scales of its int8 weights (parameter 8), got none")
    factors = np.asarray(scales, np.float64).reshape(-1, *[1] * (weights.ndim - 1))
    with np.errstate(over="ignore"):
        wide = np.divide(weights, factors, out=np.zeros(weights.shape), where=factors != 0)
        return wide.astype(np.float32)
