"""Checked, read-only arrays: how every data class takes ownership of its data."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, TypeVar

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
Array = TypeVar("Array", bound=NDArray[Any])

LARGEST_CLASS = 65535
"""Largest class id: three times the classes of the largest public label sets (ImageNet-21k)."""

UNIT_TOLERANCE = 1e-5
"""Tolerance of the length of vectors that were normalised in float32 already."""


def frozen(
    values: ArrayLike, *, dtype: DTypeLike, shape: Sequence[int | None], name: str
) -> NDArray[Any]:
    """Returns an owned, read-only array of the requested dtype and shape.

    An array that is already read-only and owns its memory is shared, not copied.

    Args:
        values: Anything array-like.
        dtype: The dtype of the result; values must convert without a change of kind.
        shape: Expected shape; `None` matches any length.
        name: Name of the array in messages.

    Raises:
        DataError: The shape differs, or the values are of another kind (float to integer, text),
            or do not fit into the dtype.
    """
    array = array_of(values, name=name)
    fits = array.shape == shape or _fits(array.shape, shape)
    same = array.dtype == dtype
    flags = array.flags
    if fits and same and not flags.writeable and flags.c_contiguous and is_immutable(array):
        return array
    if not same and array.size and not _converts(array.dtype, np.dtype(dtype)):
        raise DataError(f"{name}: expected {np.dtype(dtype)} values, got {_kind(array)}")
    if not fits:
        wanted = tuple("any" if n is None else n for n in shape)
        raise DataError(f"{name}: expected shape {wanted}, got {array.shape}")
    owned = array.copy(order="C") if same else _converted(array, np.dtype(dtype), name)
    owned.setflags(write=False)
    return owned


def array_of(values: ArrayLike, *, name: str) -> NDArray[Any]:
    """Returns anything array-like as an array of the dtype and shape that it has.

    Args:
        values: An array, nested lists, a tensor of another library that NumPy can read.
        name: Name of the array in messages.

    Raises:
        DataError: NumPy cannot read the values (lists of unequal length, a tensor on a GPU or one
            that records gradients), or some of them are masked.
    """
    if type(values) is np.ndarray:
        return values
    if np.ma.is_masked(values):
        raise DataError(
            f"{name}: expected values, got a masked array in which some are masked; leave these "
            "rows out"
        )
    try:
        return np.asarray(values)
    except Exception as error:  # Libraries raise various errors when asked for an array.
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise DataError(
            f"{name}: expected an array or lists of equal length, got a {type(values).__name__} "
            f"that NumPy cannot read: {lines[0]} (tensors: .detach().cpu().numpy())"
        ) from error


def class_ids(values: ArrayLike, *, shape: Sequence[int | None], name: str) -> Int32Array:
    """Returns read-only int32 class ids of 0 to `LARGEST_CLASS`.

    Args:
        values: Whole numbers of any integer dtype.
        shape: Expected shape; `None` matches any length.
        name: Name of the array in messages.

    Raises:
        DataError: The values are of another type (also whole numbers stored as floats: a class
            column cut out of an array of boxes has to be converted on purpose), or out of range.
    """
    array = array_of(values, name=name)
    if array.size and array.dtype.kind not in "iu":
        hint = {"f": "; use .astype(int)", "U": "; give indices into class_names"}
        raise DataError(
            f"{name}: expected integers, got {_kind(array)}{hint.get(array.dtype.kind, '')}"
        )
    ids = frozen(array.astype(np.int32) if not array.size else array, dtype="int32", shape=shape,
                 name=name)  # fmt: skip
    # Read as unsigned numbers, negative ones are above all others.
    if ids.size and np.maximum.reduce(ids.view(np.uint32), axis=None) > LARGEST_CLASS:
        row = np.flatnonzero((ids < 0) | (ids > LARGEST_CLASS))[0]
        raise DataError(
            f"{name}: expected class ids of 0 to {LARGEST_CLASS}, got {ids.flat[row]} in row {row}"
        )
    return ids


def unit_vectors(values: ArrayLike, *, shape: Sequence[int | None], name: str) -> Float32Array:
    """Returns read-only float32 rows of length 1, and rows of zeros for those without a direction.

    A row without a direction is one of zeros, or one that holds NaN. Rows whose length
    is 1 to within `UNIT_TOLERANCE` stay as they are, bit for bit. Any length within the range of
    the dtype is handled, also where its square overflows or vanishes.

    Args:
        values: `(N, D)` numbers of any float or integer dtype.
        shape: Expected shape; `None` matches any length.
        name: Name of the array in messages.

    Raises:
        DataError: The shape differs, the values are no numbers, or one is infinite.

    Example:
        >>> unit_vectors([[3.0, 4.0], [0.0, np.nan]], shape=(None, 2), name="embeddings").tolist()
        [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    array = array_of(values, name=name)
    if array.size and array.dtype.kind not in "fiu":
        raise DataError(f"{name}: expected numbers, got {_kind(array)}")
    if not _fits(array.shape, shape) or not array.size:
        return frozen(np.asarray(array, np.float32), dtype="float32", shape=shape, name=name)
    if array.dtype == np.float32 and _are_unit(array):
        return frozen(array, dtype="float32", shape=shape, name=name)
    wide = array.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        squares = np.einsum("nd,nd->n", wide, wide)
        is_unit = np.abs(squares - 1) <= 2 * UNIT_TOLERANCE
    if array.dtype.kind == "f" and np.count_nonzero(is_unit) == len(array):
        return frozen(array, dtype="float32", shape=shape, name=name)
    infinite = np.isinf(wide).any(axis=1)
    if np.count_nonzero(infinite):
        raise DataError(
            f"{name}: expected finite values, or a row of zeros or NaN for an unknown appearance, "
            f"got infinity in row {infinite.argmax()}"
        )
    result = np.zeros(array.shape, np.float32)
    result[is_unit] = wide[is_unit]
    largest = np.abs(wide).max(axis=1)
    other = (~is_unit & (largest > 0) & np.isfinite(largest)).nonzero()[0]
    if len(other):
        scaled = wide[other] / largest[other, None]
        scaled /= np.linalg.norm(scaled, axis=1, keepdims=True)
        result[other] = scaled
    return frozen(result, dtype="float32", shape=shape, name=name)


def _are_unit(vectors: Float32Array) -> bool:
    """Returns whether all rows `(N, D)` are unit vectors beyond doubt, as computed in float32.

    Half of the tolerance is left for the rounding errors of the sum.
    """
    squares = np.einsum("nd,nd->n", vectors, vectors)
    least, most = np.minimum.reduce(squares), np.maximum.reduce(squares)
    return bool(abs(least - 1) <= UNIT_TOLERANCE and abs(most - 1) <= UNIT_TOLERANCE)


def _kind(array: NDArray[Any]) -> str:
    """Returns how a message calls the values of an array."""
    if array.dtype.kind in "US":
        return "text"
    if array.dtype.kind == "O":
        odd = next((v for v in array.flat if not isinstance(v, int | float)), None)
        return "None" if odd is None else f"values of type {type(odd).__name__}"
    return str(array.dtype)


def _converted(array: NDArray[Any], dtype: np.dtype[Any], name: str) -> NDArray[Any]:
    """Returns a copy of the dtype.

    Raises:
        DataError: A value does not fit into it.
    """
    with np.errstate(over="ignore"):
        result = array.astype(dtype, order="C")
    if dtype.kind in "iu" and array.dtype.kind in "iu" and array.size:
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        fits = (array >= low) & (array <= high)
    elif dtype.kind == "f" and array.dtype.itemsize > dtype.itemsize:
        fits = np.isfinite(result) | ~np.isfinite(array)
    else:
        return result
    if not fits.all():
        place = np.argwhere(~fits)[0]
        raise DataError(
            f"{name}: expected values that fit into {dtype}, got {array[tuple(place)]} in row "
            f"{place[0] if len(place) else 0}"
        )
    return result


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
    """Returns whether no NumPy array can write to this memory."""
    while isinstance(array, np.ndarray):
        if array.flags.writeable:
            return False
        if array.base is None:
            return True
        if not isinstance(array.base, np.ndarray):
            return False
        array = array.base
    return False


def grown(array: Array, capacity: int) -> Array:
    """Returns an array with so many rows, new ones zero; the array itself if it has them."""
    if len(array) >= capacity:
        return array
    larger = np.zeros((capacity, *array.shape[1:]), array.dtype)
    larger[: len(array)] = array
    return larger  # type: ignore[return-value]
