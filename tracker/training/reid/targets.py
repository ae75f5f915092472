"""Vectors of appearance teachers fused into one target of the student's size."""

from collections.abc import Sequence

import numpy as np

from tracker.errors import DataError
from tracker.util.arrays import Float32Array, Float64Array


def fused_targets(teachers: Sequence[Float32Array], *, dimension: int) -> Float32Array:
    """Returns `(N, dimension)` float32 unit vectors whose cosines are near the teachers' mean.

    The teachers' unit vectors, joined and divided by the square root of their number, have the mean
    of the cosines as dot product. Of these the directions that hold the most of the dot products
    are kept (singular values; no mean is taken off, or angles would change). With a dimension of
    `N` or more the cosines are exact.

    Args:
        teachers: `(N, E)` each, one row a crop; `E` may differ. They need not have unit length.
        dimension: Values of a target.

    Raises:
        DataError: There is no teacher, the numbers of crops differ, or a vector is zero or not
            finite.
    """
    if not teachers or len({len(part) for part in teachers}) != 1 or not len(teachers[0]):
        raise DataError(
            "teachers: expected embeddings of the same crops, at least one, got "
            f"{[part.shape for part in teachers]}"
        )
    joined = np.concatenate([_unit(part) for part in teachers], axis=1) / np.sqrt(len(teachers))
    _, _, directions = np.linalg.svd(joined, full_matrices=False)
    kept = joined @ directions[:dimension].T
    padded = np.zeros((len(kept), dimension))
    padded[:, : kept.shape[1]] = kept
    return _unit(padded).astype(np.float32)


def _unit(vectors: Float32Array | Float64Array) -> Float64Array:
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    if not (np.isfinite(lengths) & (lengths > 0)).all():
        raise DataError("teachers: expected finite vectors longer than 0, got others")
    return np.asarray(vectors / lengths, np.float64)
