"""Plain states as bytes: a NumPy archive of the arrays, and JSON of all else; never pickled."""

import io
import json
import struct
import tokenize
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.errors import DataError
from tracker.util.archives import ZIP_ERRORS, without_warnings
from tracker.util.plain_state import PlainState

_ARRAY = "array"
_TREE = "tree"
_DAMAGE = (
    *ZIP_ERRORS,
    *(ValueError, KeyError, OSError, MemoryError, TypeError, RecursionError),
    *(SyntaxError, struct.error, tokenize.TokenError, OverflowError, IndexError),
)
"""What NumPy, zipfile and json raise for damaged bytes."""


def state_bytes(state: PlainState) -> bytes:
    """Returns a state as bytes."""
    arrays: dict[str, NDArray[Any]] = {}
    tree = _without_arrays(state, arrays)
    arrays[_TREE] = np.frombuffer(json.dumps(tree).encode(), np.uint8)
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **arrays)
    return stream.getvalue()


def state_from(data: bytes) -> PlainState:
    """Returns the state of `state_bytes`.

    Raises:
        DataError: The bytes are damaged.

    Example:
        >>> state_from(state_bytes({"a": [1, None]}))
        {'a': [1, None]}
    """
    try:
        with without_warnings(), np.load(io.BytesIO(data), allow_pickle=False) as archive:
            tree = json.loads(_array_of(archive, _TREE).tobytes())
            return _with_arrays(tree, archive)
    except _DAMAGE as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"damaged: {type(error).__name__}: {reason}") from error


def _without_arrays(state: PlainState, arrays: dict[str, NDArray[Any]]) -> Any:
    if isinstance(state, np.ndarray):
        name = f"a{len(arrays)}"
        arrays[name] = state
        return {_ARRAY: name}
    if isinstance(state, dict):
        return {key: _without_arrays(one, arrays) for key, one in state.items()}
    if isinstance(state, list):
        return [_without_arrays(one, arrays) for one in state]
    return state


def _with_arrays(tree: Any, archive: Any) -> PlainState:
    if isinstance(tree, dict):
        if tree.keys() == {_ARRAY}:
            return _array_of(archive, tree[_ARRAY])
        return {key: _with_arrays(one, archive) for key, one in tree.items()}
    if isinstance(tree, list):
        return [_with_arrays(one, archive) for one in tree]
    return tree


def _array_of(archive: Any, name: Any) -> NDArray[Any]:
    """Returns an array of an archive.

    Raises:
        ValueError: It is another kind of member, which NumPy returns as bytes.
        KeyError: There is none of this name.
    """
    array = archive[name]
    if not isinstance(array, np.ndarray):
        raise ValueError(f"member {name!r} is no array")
    return array
