"""One call of a network: checks the arrays, and splits batches for networks of batch size 1.

Whatever a runtime raises becomes a `ModelError` of one line.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.errors import ModelError, TrackerError
from tracker.inference.network import TensorSpec

_OUT_OF_MEMORY = re.compile(
    "bad_alloc|failed to allocate memory|out of memory|oom when alloc", re.IGNORECASE
)
"""How ONNX Runtime, LiteRT and TensorFlow report that memory is exhausted."""

Arrays = Sequence[NDArray[Any]]


def run_network(
    call: Callable[[Arrays], list[NDArray[Any]]],
    arrays: Arrays,
    *,
    what: str,
    inputs: Sequence[TensorSpec],
    outputs: Sequence[TensorSpec],
) -> list[NDArray[Any]]:
    """Returns the outputs of a network, in their order.

    A network with a fixed batch size of 1 is called once for each of `n` images. Outputs whose
    declared first dimension is 1 are then concatenated to `(n, ...)`; all others are stacked along
    a new first dimension of length `n`.

    Args:
        call: Runs the network once; the arrays have been checked.
        arrays: One for each of `inputs`, in their order.
        what: The network's name, for messages.
        inputs: Its inputs.
        outputs: Its outputs.

    Raises:
        ModelError: The arrays have other types or shapes than the network's inputs, or the call
            fails.
        MemoryError: Not enough memory.
    """
    _check(arrays, inputs, what)
    if all(map(_fits, arrays, inputs)):
        return _call_checked(call, arrays, what)
    count = _image_count(arrays, inputs)
    if count is None:
        taken = "; ".join(map(str, inputs))
        given = "; ".join(str(array.shape) for array in arrays)
        raise ModelError(f"{what}: expected {taken}, got {given}")
    singles = [[array[n : n + 1] for array in arrays] for n in range(count)]
    return _merge_outputs([_call_checked(call, single, what) for single in singles], outputs, what)


def first_line(error: BaseException) -> str:
    """Returns the first line of an error's message that is not blank, or its beginning."""
    lines = [line.strip() for line in str(error).splitlines()]
    first = next(filter(None, lines), type(error).__name__)
    return first if len(first) <= _LONGEST_REASON else f"{first[:_LONGEST_REASON]}..."


_LONGEST_REASON = 400


def described(inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> str:
    """Returns the inputs and outputs of a network as text, for messages."""
    taken, given = ("; ".join(map(str, specs)) or "nothing" for specs in (inputs, outputs))
    return f"inputs: {taken}; outputs: {given}"


def _check(arrays: Arrays, inputs: Sequence[TensorSpec], what: str) -> None:
    if len(arrays) != len(inputs):
        raise ModelError(f"{what}: expected {len(inputs)} arrays, got {len(arrays)}")
    for array, spec in zip(arrays, inputs, strict=True):
        if array.dtype.name != spec.dtype:
            raise ModelError(f"{what}: {spec.name}: expected {spec.dtype}, got {array.dtype.name}")
        if array.size == 0 and 0 not in spec.shape:
            raise ModelError(f"{what}: {spec.name}: expected values, got none {array.shape}")


def _fits(array: NDArray[Any], spec: TensorSpec) -> bool:
    if not spec.shape:  # The file does not declare the rank.
        return True
    return _sides_fit(array.shape, spec.shape)


def _sides_fit(have: Sequence[int], want: Sequence[int | None]) -> bool:
    pairs = zip(have, want, strict=False)
    return len(have) == len(want) and all(w in (None, h) for h, w in pairs)


def _image_count(arrays: Arrays, inputs: Sequence[TensorSpec]) -> int | None:
    """Returns the number of images if the network has batch size 1 and they fit; else `None`."""
    counts = set()
    for array, spec in zip(arrays, inputs, strict=True):
        if spec.shape[:1] != (1,) or not array.shape:
            return None
        if not _sides_fit(array.shape[1:], spec.shape[1:]):
            return None
        counts.add(array.shape[0])
    return counts.pop() if len(counts) == 1 else None


def _call_checked(
    call: Callable[[Arrays], list[NDArray[Any]]], arrays: Arrays, what: str
) -> list[NDArray[Any]]:
    try:
        return call(arrays)
    except (TrackerError, MemoryError):
        raise
    except Exception as error:  # Runtimes raise classes of their own, without a common base.
        shapes = ", ".join(str(array.shape) for array in arrays)
        if _OUT_OF_MEMORY.search(str(error)):
            raise MemoryError(f"{what} on {shapes}") from error
        raise ModelError(f"{what}: failed on {shapes}: {first_line(error)}") from error


def _merge_outputs(
    parts: Sequence[list[NDArray[Any]]], outputs: Sequence[TensorSpec], what: str
) -> list[NDArray[Any]]:
    joined = []
    for spec, column in zip(outputs, zip(*parts, strict=True), strict=True):
        shapes = sorted({array.shape for array in column})
        if len(shapes) > 1:
            raise ModelError(
                f"{what}: {spec.name}: expected one shape for all images, got "
                f"{', '.join(map(str, shapes))}; run it on one image at a time"
            )
        join = np.concatenate if spec.shape[:1] == (1,) else np.stack
        joined.append(join(column))
    return joined
