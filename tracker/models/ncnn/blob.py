"""The tensor of an ncnn blob, and where ncnn's axes are in it.

ncnn has blobs without a batch: `(w)`, `(h, w)` and `(c, h, w)`. Keras computes on
`(B, h, w, c)`. A blob that was permuted or reshaped is stored as `(B, c, h, w)` until a layer needs
the other order, so that a permutation to channels last costs nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from keras import ops

_TO_NCNN = (0, 3, 1, 2)
_TO_CHANNELS_LAST = (0, 2, 3, 1)


@dataclass(frozen=True, slots=True, eq=False)
class Blob:
    """A blob of rank 1, 2 or 3.

    Attributes:
        tensor: `(B, w)`, `(B, h, w)`, `(B, h, w, c)`, or `(B, c, h, w)` in ncnn's order.
        is_ncnn_order: Whether the axes of a blob of rank 3 are in ncnn's order.
    """

    tensor: Any
    is_ncnn_order: bool = False

    @property
    def rank(self) -> int:
        """Number of axes in ncnn, 1 to 3."""
        return len(self.tensor.shape) - 1

    @property
    def shape(self) -> tuple[int | None, ...]:
        """Lengths `(w)`, `(h, w)` or `(c, h, w)`; `None` for one that depends on the input."""
        return tuple(self.tensor.shape[self.tensor_axis(axis)] for axis in range(self.rank))

    @property
    def channels_last(self) -> Any:
        """The tensor, of rank 3 as `(B, h, w, c)`."""
        if self.rank == 3 and self.is_ncnn_order:
            return ops.transpose(self.tensor, _TO_CHANNELS_LAST)
        return self.tensor

    @property
    def ncnn_order(self) -> Any:
        """The tensor, of rank 3 as `(B, c, h, w)`."""
        if self.rank == 3 and not self.is_ncnn_order:
            return ops.transpose(self.tensor, _TO_NCNN)
        return self.tensor

    def tensor_axis(self, axis: int) -> int:
        """Returns the axis of `tensor` that is an axis of ncnn.

        Args:
            axis: ncnn's axis, 0 to `rank - 1`.
        """
        if self.rank == 3 and not self.is_ncnn_order:
            return (3, 1, 2)[axis]
        return axis + 1

    def mapped(self, function: Callable[[Any], Any]) -> "Blob":
        """Returns the blob of a function that keeps the order of the axes.

        Args:
            function: Returns a tensor for a tensor.
        """
        return Blob(function(self.tensor), self.is_ncnn_order)

    def permuted(self, axes: tuple[int, ...]) -> "Blob":
        """Returns the blob with its axes in another order.

        Args:
            axes: For each axis of the result, ncnn's axis of this blob.
        """
        order = (0, *(self.tensor_axis(axis) for axis in axes))
        if order == tuple(range(len(order))):
            return Blob(self.tensor, is_ncnn_order=True)
        return Blob(ops.transpose(self.tensor, order), is_ncnn_order=True)
