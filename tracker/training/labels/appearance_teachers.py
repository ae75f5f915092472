"""Teachers of appearance: networks that describe crops, for a smaller one to learn from."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Protocol

import numpy as np

from tracker.errors import DataError, ModelError
from tracker.training.labels.openvino_images import OpenVinoImageNetwork
from tracker.training.reid.data import fitted
from tracker.util.arrays import Float32Array, Float64Array, UInt8Array


class AppearanceTeacher(Protocol):
    """Computes appearance embeddings of crops."""

    @property
    def name(self) -> str:
        """A name that is valid as a folder name."""
        ...

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels of its input crops."""
        ...

    def describe(self, crops: UInt8Array) -> Float32Array:
        """Returns vectors `(N, E)`, of any length, of crops `(N, h, w, 3)` uint8 RGB of `size`."""
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
        self._network = OpenVinoImageNetwork(path, threads=threads)
        shape = self._network.output_shape
        if shape[0] != 1 or max(shape) != int(np.prod(shape)) or max(shape) < 2:
            raise ModelError(
                f"{path}: expected a network of appearance with one vector (1, E) as output, got "
                f"{shape}; detectors are teachers of `tracker train labels`"
            )
        self.name = Path(path).stem
        self.size = self._network.size

    def describe(self, crops: UInt8Array) -> Float32Array:
        """Returns vectors `(N, E)` of crops `(N, h, w, 3)` uint8 RGB of its size."""
        return self._network.run_many(crops).reshape(len(crops), -1)


def describe_both_ways(teacher: AppearanceTeacher, crops: Sequence[UInt8Array]) -> Float32Array:
    """Returns unit vectors `(N, E)` float32: the mean of a crop's own and its mirror image's.

    Args:
        teacher: Says how they look.
        crops: `(h, w, 3)` uint8 RGB each, of any size; at least one.

    Raises:
        DataError: The teacher gave a vector of length 0, or values that are not finite.
    """
    views = np.stack([fitted(crop, teacher.size) for crop in crops])
    both = np.concatenate([views, views[:, :, ::-1]])
    vectors = _unit(teacher.describe(both).astype(np.float64), teacher)
    return _unit(vectors[: len(views)] + vectors[len(views) :], teacher).astype(np.float32)


def _unit(vectors: Float64Array, teacher: AppearanceTeacher) -> Float64Array:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    for length in lengths.ravel().tolist():
        if not 0 < length < float("inf"):
            raise DataError(f"{teacher.name}: expected a finite vector longer than 0, got {length}")
    return np.asarray(vectors / lengths, np.float64)
