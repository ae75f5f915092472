"""Checked, read-only arrays: how every data class takes ownership of its data.

Comes in: anything array-like. Goes out: an owned, contiguous, read-only `numpy.ndarray`.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from tracker.errors import DataError

Float32Array = NDArray[np.float32]
Float64Array = NDArray[np.float64]
Int32Array = NDArray[np.int32]
Int64Array = NDArray[np.int64]
UInt8Array = NDArray[np.uint8]
BoolArray = NDArray[np.bool_]
IndexArray = NDArray[np.intp]


def frozen(
    values: ArrayLike, *, dtype: DTypeLike, shape: Sequence[int | None], name: str
) -> NDArray[Any]:
    """Returns a read-only array of its own with the dtype and shape that were asked for.

    An array that is already read-only and owns its memory is shared, not copied.

    Args:
        values: Anything array-like.
        dtype: The dtype of the result; values must convert without a change of kind.
        shape: Expected shape; `None` matches any length.
        name: What the message calls the array.

    Raises:
        DataError: The shape differs, or the values are of another kind (float to integer, text).
    """
    array = np.asarray(values)
    fits = array.shape == shape or _fits(array.shape, shape)
    same = array.dtype == dtype
    if fits and same and array.flags.c_contiguous and is_immutable(array):
        return array
    if not same and array.size and not _converts(array.dtype, np.dtype(dtype)):
        raise DataError(f"{name}: expected {np.dtype(dtype)} values, got {array.dtype}")
    if not fits:
        wanted = tuple("any" if n is None else n for n in shape)
        raise DataError(f"{name}: expected shape {wanted}, got {array.shape}")
    owned = np.array(array, dtype=dtype, order="C", copy=True)
    owned.setflags(write=False)
    return owned


@lru_cache(maxsize=256)
def _converts(have: np.dtype[Any], want: np.dtype[Any]) -> bool:
    return np.can_cast(have, want, casting="same_kind")


def _fits(have: tuple[int, ...], want: Sequence[int | None]) -> bool:
    if len(have) != len(want):
        return False
    for length, wanted in zip(have, want, strict=True):
        if wanted is not None and wanted != length:
            return False
    return True


def is_immutable(array: NDArray[Any]) -> bool:
    """Returns whether nobody can write to this memory through a NumPy array."""
    while isinstance(array, np.ndarray):
        if array.flags.writeable:
            return False
        if array.base is None:
            return True
        if not isinstance(array.base, np.ndarray):
            return False
        array = array.base
    return False
