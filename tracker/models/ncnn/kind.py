"""What the reader knows about a type of layer, and checks that builders share."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from tracker.models.ncnn.blob import Blob
from tracker.models.ncnn.syntax import NcnnLayer
from tracker.models.ncnn.weights import WeightReader

Builder = Callable[[NcnnLayer, Sequence[Blob], WeightReader], Blob | Sequence[Blob]]
"""Returns the output blobs of a layer from its input blobs, and reads its weights."""

MAX_SIDE = 16384
"""Largest side in pixels, of an input or of padding."""


class LayerKind(NamedTuple):
    """One type of layer.

    Attributes:
        build: Builds it.
        params: Ids of the parameters that `build` reads.
        least_inputs: Smallest number of input blobs.
        most_inputs: Largest number of input blobs; `None` for any.
    """

    build: Builder
    params: frozenset[int] = frozenset()
    least_inputs: int = 1
    most_inputs: int | None = 1


def elementwise(function: Callable[[NcnnLayer], Callable[[Any], Any]], *params: int) -> LayerKind:
    """Returns the kind of a layer that maps each element by itself.

    Args:
        function: Returns the function of tensors that a layer's parameters mean.
        params: Ids of these parameters.
    """

    def build(layer: NcnnLayer, inputs: Sequence[Blob], weights: WeightReader) -> Blob:
        return inputs[0].mapped(function(layer))

    return LayerKind(build, frozenset(params))


def checked_axis(layer: NcnnLayer, key: int, rank: int, *, default: int = 0) -> int:
    """Returns the axis that a parameter names, counted from 0.

    Args:
        layer: The layer.
        key: Id of the parameter; negative values count from the last axis.
        rank: Rank of the blob.
        default: Axis if the parameter is left out.

    Raises:
        ModelError: The blob has no such axis.
    """
    axis = layer.integer(key, default, low=-3, high=3)
    return checked_axes(layer, (axis,), rank)[0]


def checked_axes(layer: NcnnLayer, axes: Sequence[int], rank: int) -> tuple[int, ...]:
    """Returns axes counted from 0.

    Args:
        layer: The layer.
        axes: Axes; negative ones count from the last axis.
        rank: Rank of the blob.

    Raises:
        ModelError: The blob has no such axis, or an axis is named twice.
    """
    for axis in axes:
        if not -rank <= axis < rank:
            raise layer.error(
                f"axis {axis}: expected {-rank}..{rank - 1} for a blob of rank {rank}"
            )
    counted = tuple(axis % rank for axis in axes)
    if len(set(counted)) < len(counted):
        raise layer.error(f"expected different axes, got {counted}")
    return counted


def expect_rank(layer: NcnnLayer, blob: Blob, rank: int) -> None:
    """Checks the rank of an input.

    Raises:
        ModelError: It is another.
    """
    if blob.rank != rank:
        raise layer.error(f"expected an input of rank {rank}, got {shape_text(blob)}")


def known_lengths(layer: NcnnLayer, blob: Blob, *axes: int) -> tuple[int, ...]:
    """Returns the lengths of axes that the layer has to know.

    Args:
        layer: The layer.
        blob: Its input.
        axes: ncnn's axes.

    Raises:
        ModelError: A length depends on the size of the image, which the file leaves open.
    """
    lengths = [blob.shape[axis] for axis in axes]
    known = tuple(length for length in lengths if length is not None)
    if len(known) < len(lengths):
        raise layer.error(
            f"needs the lengths of its input {shape_text(blob)}, which depend on the size of the "
            "image; write it into the file's Input layer: 0=WIDTH 1=HEIGHT 2=CHANNELS"
        )
    return known


def shape_text(blob: Blob) -> str:
    """Returns a blob's shape in ncnn's order as text, `?` for lengths that are open."""
    return f"({', '.join('?' if n is None else str(n) for n in blob.shape)})"
