"""Normalisation of embeddings, shared by embedders and track files."""

import numpy as np

from tracker.util.arrays import Float32Array


def unit_vectors(vectors: Float32Array) -> Float32Array:
    """Returns vectors `(N, D)` of length 1; zeros, an unknown appearance, stay zeros.

    Args:
        vectors: `(N, D)` finite float32.
    """
    wide = vectors.astype(np.float64)  # Squares of large values do not fit into float32.
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    np.divide(wide, lengths, out=wide, where=lengths > 0)
    return wide.astype(np.float32)
