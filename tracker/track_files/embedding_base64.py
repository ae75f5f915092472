"""Embeddings as text, for JSON (`docs/json-format.md`)."""

import base64
import binascii

import numpy as np

from tracker.errors import DataError
from tracker.util.arrays import Float32Array
from tracker.util.short_repr import short_repr
from tracker.util.vectors import unit_vectors

_FLOAT16 = np.dtype("<f2")


def encode_embeddings(embeddings: Float32Array) -> list[str | None]:
    """Returns the text of each row of `(N, D)`, made a unit vector; `None` for a row of zeros.

    A float16 holds 11 bits, so a cosine distance changes by less than 0.001: far below what tells
    two objects apart.

    Example:
        >>> encode_embeddings(np.array([[2.0, 0.0], [0.0, 0.0]], np.float32))
        ['ADwAAA==', None]
    """
    halves = unit_vectors(embeddings).astype(_FLOAT16)
    known = np.any(embeddings, axis=1).tolist()
    return [
        base64.b64encode(row.tobytes()).decode("ascii") if is_known else None
        for row, is_known in zip(halves, known, strict=True)
    ]


def decode_embedding(text: object, size: int) -> Float32Array:
    """Returns the float32 unit vector `(size,)` that a text stands for.

    Raises:
        DataError: The text is no base64, of another size, or its numbers are not finite or all 0.

    Example:
        >>> decode_embedding("ADwAAA==", 2).tolist()
        [1.0, 0.0]
    """
    if not isinstance(text, str):
        raise DataError(f"expected base64 text, got {short_repr(text)}")
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DataError(f"expected base64 text, got {short_repr(text)}") from error
    if len(content) != size * _FLOAT16.itemsize:
        raise DataError(
            f"expected {size} float16 values (embedding_size), got {len(content)} bytes"
        )
    vector = np.frombuffer(content, _FLOAT16).astype(np.float32)
    if not np.isfinite(vector).all() or not vector.any():
        raise DataError("expected finite values that are not all 0")
    unit: Float32Array = unit_vectors(vector[None])[0]
    return unit
