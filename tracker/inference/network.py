"""What a network of any origin takes and gives, and what runs it: tensors by name.

Comes in: a model's file, through one of the modules that open such files. Goes out: a `Network`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from numpy.typing import NDArray

from tracker.inference.stored_names import StoredFacts


class ColourOrder(StrEnum):
    """Order of the channels."""

    RGB = "rgb"
    """Red first."""
    BGR = "bgr"
    """Blue first, as OpenCV reads pictures."""


class AxisOrder(StrEnum):
    """Where the channels are."""

    NHWC = "nhwc"
    """Last: TensorFlow's order."""
    NCHW = "nchw"
    """Before height and width: PyTorch's order."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """What a model's file says about one of its inputs or outputs.

    Attributes:
        name: The file's own name.
        shape: Its sides; `None` where any will do, or where the file does not say. Empty for a
            single value, and where the file does not even say how many sides there are.
        dtype: NumPy's name of the type, such as "float32".
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: str

    def __str__(self) -> str:
        sides = ", ".join("?" if side is None else str(side) for side in self.shape)
        return f"{self.name} ({sides}) {self.dtype}"


class Network(Protocol):
    """A network that is ready to run."""

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """What it takes."""
        ...

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """What it gives."""
        ...

    @property
    def digests(self) -> Mapping[str, str]:
        """SHA-256 by name of the files that define it; a folder or a handle counts as one."""
        ...

    @property
    def stored(self) -> StoredFacts:
        """What its file says beside shapes: names of classes, and the task."""
        ...

    def run(self, arrays: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """Returns the outputs, in the order of `outputs`.

        A network whose inputs have room for one picture only is called `n` times for arrays of `n`
        pictures: outputs whose declared first side is 1 become `(n, ...)` along it, all others get
        a first side `n` more.

        Args:
            arrays: One for each of `inputs`, in their order, of their types and shapes.

        Raises:
            ModelError: The network does not take these arrays, or fails on them.
        """
        ...
