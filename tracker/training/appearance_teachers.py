"""Teachers of appearance: networks that describe crops, for a smaller one to learn from.

Comes in: crops of objects. Goes out: unit vectors whose dot product tells how alike two are.
"""

from os import PathLike
from pathlib import Path
from typing import Protocol

import numpy as np

from tracker.arrays import Float32Array, UInt8Array
from tracker.errors import DataError, ModelError
from tracker.training.openvino_network import OpenVinoNetwork
from tracker.training.reid_data import fitted


class AppearanceTeacher(Protocol):
    """Describes how a crop looks."""

    @property
    def name(self) -> str:
        """A name that is fit for a folder."""
        ...

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels of the crops that it wants."""
        ...

    def describe(self, crop: UInt8Array) -> Float32Array:
        """Returns a vector `(E,)`, of any length, of a crop `(h, w, 3)` uint8 RGB of its size."""
        ...


class OpenVinoAppearance:
    """An appearance network of Open Model Zoo, such as person-reidentification-retail-0288.

    Args:
        path: `.xml` file; the `.bin` of the same name lies beside it.
        threads: CPU threads.

    Raises:
        ModelError: A file is missing or cannot be read, or it is no such network.
        DependencyError: OpenVINO is not installed.
    """

    def __init__(self, path: str | PathLike[str], *, threads: int = 1) -> None:
        self._network = OpenVinoNetwork(path, threads=threads)
        shape = self._network.output_shape
        if shape[0] != 1 or max(shape) != int(np.prod(shape)) or max(shape) < 2:
            raise ModelError(
                f"{path}: expected a network of appearance with one vector (1, E) as output, got "
                f"{shape}; detectors are teachers of `tracker train labels`"
            )
        self.name = Path(path).stem
        self.size = self._network.size

    def describe(self, crop: UInt8Array) -> Float32Array:
        """Returns a vector `(E,)` of a crop `(h, w, 3)` uint8 RGB of its size."""
        return self._network.run(crop).ravel()


def describe_both_ways(teacher: AppearanceTeacher, crop: UInt8Array) -> Float32Array:
    """Returns the unit vector `(E,)` float32 of a crop: the mean of its own and its mirror image's.

    Args:
        teacher: Says how they look.
        crop: `(h, w, 3)` uint8 RGB of any size.

    Raises:
        DataError: The teacher gave a vector of length 0, or values that are not finite.
    """
    view = fitted(crop, teacher.size)
    total = np.zeros(())
    for image in (view, np.ascontiguousarray(view[:, ::-1])):
        vector = teacher.describe(image).astype(np.float64)
        total = total + vector / _length(vector, teacher)
    return np.asarray(total / _length(total, teacher), np.float32)


def _length(
    vector: np.ndarray[tuple[int, ...], np.dtype[np.float64]], teacher: AppearanceTeacher
) -> float:
    length = float(np.linalg.norm(vector))
    if not 0 < length < float("inf"):
        raise DataError(f"{teacher.name}: expected a finite vector longer than 0, got {length}")
    return length
