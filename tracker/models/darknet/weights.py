"""Reads darknet `.weights` files and splits them by convolution.

Arrays keep darknet's own order of axes. A file that does not fit the cfg is a `ModelError`.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike

import numpy as np

from tracker.errors import ModelError
from tracker.models.darknet.sections import Convolution, DarknetCfg
from tracker.models.darknet.shapes import LayerShape
from tracker.models.files.read import read_model_file
from tracker.util.arrays import Float32Array

_VERSION = struct.Struct("<3i")
# darknet marks transposed matrices with a version above 1000; nothing newer than 0.2.5 is known.
_MAX_VERSION = 1000


@dataclass(frozen=True, slots=True, eq=False)
class DarknetWeights:
    """A weights file.

    Attributes:
        source: Name of the file in messages.
        version: Major, minor, revision.
        seen: Images seen in training.
        values: `(N,)` float32, read-only: everything after the header.
    """

    source: str
    version: tuple[int, int, int]
    seen: int
    values: Float32Array


@dataclass(frozen=True, slots=True, eq=False)
class ConvolutionWeights:
    """The arrays of one convolution with `F` filters, read-only views into the file.

    Attributes:
        biases: `(F,)`: added last; with batch normalization they are its shift (beta).
        scales: `(F,)`, or `(0,)` without batch normalization.
        means: `(F,)`, or `(0,)` without batch normalization.
        variances: `(F,)`, or `(0,)` without batch normalization.
        kernel: `(F, channels / groups, size, size)`.
    """

    biases: Float32Array
    scales: Float32Array
    means: Float32Array
    variances: Float32Array
    kernel: Float32Array


def read_darknet_weights(path: str | PathLike[str]) -> DarknetWeights:
    """Returns the header and the values of a weights file.

    Args:
        path: The weights file.

    Raises:
        ModelError: The file cannot be read, is too short for a header, has an implausible header,
            is not a whole number of floats, or holds NaN or infinity.
    """
    data = read_model_file(path, what="darknet weights")
    source = str(path)
    if len(data) < _VERSION.size:
        raise ModelError(f"{source}: expected a header of 16 or 20 bytes, got {len(data)} bytes")
    major, minor, revision = _VERSION.unpack_from(data)
    if not (0 <= major <= _MAX_VERSION and 0 <= minor <= _MAX_VERSION):
        raise ModelError(
            f"{source}: expected a darknet weights file, got a header with version "
            f"{major}.{minor}.{revision}; is it another kind of file?"
        )
    # The counter of images grew to 64 bits in version 0.2.
    seen_size = 8 if major * 10 + minor >= 2 else 4
    start = _VERSION.size + seen_size
    if len(data) < start or (len(data) - start) % 4:
        raise ModelError(
            f"{source}: expected a header of {start} bytes and 4 bytes per number, got "
            f"{len(data)} bytes; copy or download it again"
        )
    seen = int.from_bytes(data[_VERSION.size : start], "little")
    values = np.frombuffer(data, dtype="<f4", offset=start).astype(np.float32, copy=False)
    if not np.isfinite(values).all():
        first = int(np.flatnonzero(~np.isfinite(values))[0])
        raise ModelError(
            f"{source}: expected finite numbers, got {values[first]} at number {first} of "
            f"{values.size}; the training diverged or the file is damaged"
        )
    return DarknetWeights(source, (major, minor, revision), seen, values)


def split_weights(
    weights: DarknetWeights, cfg: DarknetCfg, shapes: Sequence[LayerShape]
) -> Mapping[int, ConvolutionWeights]:
    """Returns the arrays of every convolution by layer index.

    Args:
        weights: A weights file.
        cfg: The matching cfg.
        shapes: The shape of every layer's output.

    Raises:
        ModelError: The file has more or fewer values than the cfg needs, or a variance is negative.
    """
    kernels = {
        index: _kernel_shape(layer, shapes[index - 1].channels if index else 3)
        for index, layer in enumerate(cfg.layers)
        if isinstance(layer, Convolution)
    }
    lengths = {
        index: int(np.prod(shape)) + shape[0] * (4 if _normalized(cfg, index) else 1)
        for index, shape in kernels.items()
    }
    expected = sum(lengths.values())
    if expected != weights.values.size:
        raise ModelError(
            f"{weights.source}: expected {expected} floats for {cfg.source}, got "
            f"{weights.values.size}; use the cfg that was trained with these weights"
        )
    result = {}
    start = 0
    for index, shape in kernels.items():
        block = weights.values[start : start + lengths[index]]
        start += lengths[index]
        result[index] = _split(block, shape, normalized=_normalized(cfg, index))
        if (result[index].variances < 0).any():
            raise ModelError(
                f"{weights.source}: expected variances >= 0, got "
                f"{result[index].variances.min()} in layer {index} "
                f"({cfg.source}:{cfg.layers[index].line}); is it the right cfg?"
            )
    return result


def _normalized(cfg: DarknetCfg, index: int) -> bool:
    layer = cfg.layers[index]
    return isinstance(layer, Convolution) and layer.batch_normalize


def _kernel_shape(layer: Convolution, channels: int) -> tuple[int, int, int, int]:
    return layer.filters, channels // layer.groups, layer.size, layer.size


def _split(
    block: Float32Array, shape: tuple[int, int, int, int], *, normalized: bool
) -> ConvolutionWeights:
    filters = shape[0]
    rows = 4 if normalized else 1
    vectors = block[: rows * filters].reshape(rows, filters)
    none = block[:0]
    biases, scales, means, variances = vectors if normalized else (vectors[0], none, none, none)
    return ConvolutionWeights(
        biases, scales, means, variances, block[rows * filters :].reshape(shape)
    )
