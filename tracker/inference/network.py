"""The interface of networks of every runtime: named input and output tensors, and `run`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from numpy.typing import NDArray

if TYPE_CHECKING:
    from tracker.inference.stored_names import StoredFacts


class ColourOrder(StrEnum):
    """Order of the channels."""

    RGB = "rgb"
    """Red first."""
    BGR = "bgr"
    """Blue first, as OpenCV reads images."""


class AxisOrder(StrEnum):
    """Position of the channel axis."""

    NHWC = "nhwc"
    """Last: TensorFlow's order."""
    NCHW = "nchw"
    """Before height and width: PyTorch's order."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """An input or output as the model's file declares it.

    Attributes:
        name: Name of the tensor in the file.
        shape: Lengths of the dimensions; `None` for one that is variable or not declared. Empty for
            a scalar, and where the file declares no rank.
        dtype: NumPy's name of the element type, such as "float32".
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: str

    def __str__(self) -> str:
        sides = ", ".join("?" if side is None else str(side) for side in self.shape)
        return f"{self.name} ({sides}) {self.dtype}"


class Network(Protocol):
    """A loaded network."""

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """Specifications of the inputs."""
        ...

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """Specifications of the outputs."""
        ...

    @property
    def digests(self) -> Mapping[str, str]:
        """SHA-256 of the files that define it, by name; a folder or a handle counts as one file."""
        ...

    @property
    def stored(self) -> "StoredFacts":
        """Class names and task, as far as its file stores them."""
        ...

    def run(self, arrays: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """Returns the outputs, in the order of `outputs`.

        A network with a fixed batch size of 1 is called `n` times for arrays of `n` images: outputs
        whose declared first dimension is 1 are concatenated to `(n, ...)`, all others are stacked
        along a new first dimension of length `n`.

        Args:
            arrays: One for each of `inputs`, in their order, of their types and shapes.

        Raises:
            ModelError: The arrays do not fit the inputs, or the network fails.
        """
        ...
